//! An endpoint's secret: read, rotate.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Path, Request, State},
};
use serde::Deserialize;
use shared::{
    auth::Caller,
    http::{ApiError, parse_json, read_json},
    model::Scope,
    signing::Secret,
    time::Timestamp,
};

use crate::{
    App,
    handlers::Answer,
    input::check_secret,
    view::{RotatedView, SecretView},
};

/// Seconds that the old secret goes on signing, unless the request says otherwise: a day.
const DEFAULT_OVERLAP: u64 = 86_400;
/// The longest overlap, in seconds: seven days.
const MAX_OVERLAP: u64 = 7 * 86_400;
/// The largest body of a rotation, in bytes.
const MAX_BODY: usize = 4_096;

/// No `Debug`: it may hold a secret.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotation {
    #[serde(default)]
    overlap_seconds: Option<u64>,
    #[serde(default)]
    secret: Option<String>,
}

pub(crate) async fn read(State(app): State<Arc<App>>, caller: Caller, Path(id): Path<String>) -> Answer<SecretView> {
    let access = caller.access(&[Scope::Endpoints])?;
    let endpoint = app.find(access, &id).await?;
    let secret = app.vault.open(&endpoint.secret, endpoint.id)?;
    Ok(Json(SecretView { secret: secret.reveal().to_owned() }))
}

/// A new secret, or the one in the request; the old one goes on signing beside it for the overlap. The body may be missing.
pub(crate) async fn rotate(State(app): State<Arc<App>>, caller: Caller, Path(id): Path<String>, request: Request) -> Answer<RotatedView> {
    let access = caller.access(&[Scope::Endpoints])?;
    let body = read_json(request, MAX_BODY).await?;
    let wanted: Rotation = if body.is_empty() { Rotation::default() } else { parse_json(&body)? };
    let overlap = wanted.overlap_seconds.unwrap_or(DEFAULT_OVERLAP);
    if overlap > MAX_OVERLAP {
        return Err(ApiError::validation("overlap_seconds", format!("must be 0 to {MAX_OVERLAP}")));
    }
    let secret = match wanted.secret {
        Some(text) => text.parse().map_err(|error| ApiError::validation("secret", format!("{error}")))?,
        None => Secret::new(rand::random()),
    };

    let now = Timestamp::now();
    let until = now + Duration::from_secs(overlap);
    app.update(access, &id, |old| {
        check_secret(&old.signatures, &secret)?;
        if secret == app.vault.open(&old.secret, old.id)? {
            return Err(ApiError::validation("secret", "is the endpoint's present secret"));
        }
        let sealed = app.vault.seal(&secret, old.id, rand::random())?;
        Ok(old.with_rotated_secret(sealed, until, now))
    })
    .await?;
    Ok(Json(RotatedView { secret: secret.reveal().to_owned(), previous_expires_at: until.seconds() }))
}
