//! An endpoint's secret: read, rotate.

use std::{fmt::Display, sync::Arc, time::Duration};

use api::{ApiError, auth::Caller, parse_json, read_json};
use axum::{
    Json,
    extract::{Path, Request, State},
};
use domain::{
    id::EndpointId,
    model::{Endpoint, Scope, SecretRing},
    signing::{Secret, Vault},
    time::Timestamp,
};
use runtime::clock;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    App,
    handlers::Answer,
    input::check_secret,
    view::{RotatedView, SecretView},
};

/// Seconds that the old secret keeps signing by default: a day.
const DEFAULT_OVERLAP: u64 = 86_400;
/// The longest overlap, in seconds: seven days.
const MAX_OVERLAP: u64 = 7 * 86_400;
/// The largest body of a rotation, in bytes.
const MAX_BODY: usize = 4_096;

// No `Debug`: it may hold a secret.
/// How to rotate a secret.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"overlap_seconds": 3600}))]
pub(crate) struct Rotation {
    /// Seconds for which the old secret keeps signing. A day if absent or null.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 604_800)]
    overlap_seconds: Option<u64>,
    /// Your own secret: 16 to 256 visible ASCII characters without spaces. Generated if absent or
    /// null.
    #[serde(default)]
    #[schema(min_length = 16, max_length = 256, pattern = "^[!-~]+$")]
    secret: Option<String>,
}

/// What a rotation asks for: the new secret, and when the old one ends.
pub(crate) struct NewSecret {
    pub(crate) secret: Secret,
    pub(crate) now: Timestamp,
    pub(crate) until: Timestamp,
}

impl NewSecret {
    /// A new secret, or the one in the request. The body may be missing.
    pub(crate) async fn read(request: Request) -> Result<Self, ApiError> {
        let body = read_json(request, MAX_BODY).await?;
        let wanted: Rotation =
            if body.is_empty() { Rotation::default() } else { parse_json(&body)? };
        let overlap = wanted.overlap_seconds.unwrap_or(DEFAULT_OVERLAP);
        if overlap > MAX_OVERLAP {
            return Err(ApiError::validation(
                "overlap_seconds",
                format!("must be 0 to {MAX_OVERLAP}"),
            ));
        }
        let secret = match wanted.secret {
            Some(text) => {
                text.parse().map_err(|error| ApiError::validation("secret", format!("{error}")))?
            }
            None => Secret::new(rand::random()),
        };
        let now = clock::now();
        Ok(Self { secret, now, until: now + Duration::from_secs(overlap) })
    }

    /// The ring with the new secret; 400 if it is the present one.
    pub(crate) fn apply(
        &self,
        ring: SecretRing,
        owner: &impl Display,
        vault: &Vault,
    ) -> Result<SecretRing, ApiError> {
        if self.secret == vault.open(&ring.secret, owner)? {
            return Err(ApiError::validation(
                "secret",
                "is already the current secret; send another one",
            ));
        }
        let sealed = vault.seal(&self.secret, owner, rand::random())?;
        Ok(ring.rotated(sealed, self.until, self.now))
    }

    /// What the caller is told.
    pub(crate) fn answer(&self) -> Json<RotatedView> {
        Json(RotatedView {
            secret: self.secret.reveal().to_owned(),
            previous_expires_at: self.until.seconds(),
        })
    }
}

/// Read an endpoint's secret
#[utoipa::path(
    get, path = "/webhooks/endpoints/{id}/secret", tag = "Endpoints",
    operation_id = "getEndpointSecret",
    params(("id" = EndpointId, Path)),
    responses((status = 200, body = SecretView, description = "The secret")),
    security(("projectKey" = ["endpoints"])),
)]
pub(crate) async fn read(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<SecretView> {
    let access = caller.access(&[Scope::Endpoints])?;
    let endpoint = app.find(access, &id).await?;
    let secret = app.vault.open(&endpoint.secrets.secret, &endpoint.id)?;
    Ok(Json(SecretView { secret: secret.reveal().to_owned() }))
}

/// Rotate an endpoint's secret
///
/// The old secret keeps signing beside the new one for the overlap. The body is optional.
#[utoipa::path(
    post, path = "/webhooks/endpoints/{id}/secret/rotate", tag = "Endpoints",
    operation_id = "rotateEndpointSecret",
    params(("id" = EndpointId, Path)),
    request_body = Option<Rotation>,
    responses(
        (status = 200, body = RotatedView, description = "The new secret"),
        (status = 409, description = "Modified concurrently: read it again and retry"),
    ),
    security(("projectKey" = ["endpoints"])),
)]
pub(crate) async fn rotate(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Answer<RotatedView> {
    let access = caller.access(&[Scope::Endpoints])?;
    let wanted = NewSecret::read(request).await?;
    app.update(access, &id, |old| {
        check_secret(&old.signatures, &wanted.secret)?;
        Ok(Endpoint { secrets: wanted.apply(old.secrets.clone(), &old.id, &app.vault)?, ..old })
    })
    .await?;
    Ok(wanted.answer())
}
