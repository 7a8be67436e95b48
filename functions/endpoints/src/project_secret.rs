//! The project's secret, which signs what goes to a URL without an endpoint: read, rotate.

use std::sync::Arc;

use api::{ApiError, auth::Caller, rewrite};
use axum::{
    Json,
    extract::{Request, State},
};
use domain::{
    model::{Project, Scope, project::ProjectSecret},
    signing::SignatureStyle,
};
use store::Access;

use crate::{
    App,
    handlers::Answer,
    input::check_secret,
    secrets::{NewSecret, Rotation},
    view::{RotatedView, SecretView},
};

/// Read the project's secret
///
/// It signs requests to URLs without an endpoint: the `webhook_url` of events, and the steps of
/// automations.
#[utoipa::path(
    get, path = "/webhooks/secret", tag = "Project", operation_id = "getProjectSecret",
    responses((status = 200, body = SecretView, description = "The secret")),
    security(("projectKey" = ["endpoints"])),
)]
pub(crate) async fn read(State(app): State<Arc<App>>, caller: Caller) -> Answer<SecretView> {
    let access = caller.access(&[Scope::Endpoints])?;
    let found = app.project_secret(access).await?;
    let secret = app.vault.open(&found.secrets.secret, &access.project())?;
    Ok(Json(SecretView { secret: secret.reveal().to_owned() }))
}

/// Rotate the project's secret
///
/// The old secret keeps signing beside the new one for the overlap. The body is optional.
#[utoipa::path(
    post, path = "/webhooks/secret/rotate", tag = "Project", operation_id = "rotateProjectSecret",
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
    request: Request,
) -> Answer<RotatedView> {
    let access = caller.access(&[Scope::Endpoints])?;
    let wanted = NewSecret::read(request).await?;
    check_secret(&app.styles_of(access).await?, &wanted.secret)?;
    rewrite(|| async {
        let old = app.project_secret(access).await?;
        let new = ProjectSecret {
            secrets: wanted.apply(old.secrets, &access.project(), &app.vault)?,
            decodable: wanted.secret.is_decodable(),
            revision: old.revision,
        };
        Ok(app.project_secrets.replace(access, &new).await?)
    })
    .await?;
    Ok(wanted.answer())
}

impl App {
    /// The project's secret, which every project has.
    async fn project_secret(&self, access: Access) -> Result<ProjectSecret, ApiError> {
        self.project_secrets.get(access).await?.ok_or_else(|| ApiError::not_found("project"))
    }

    /// How the project signs by default.
    async fn styles_of(&self, access: Access) -> Result<Vec<SignatureStyle>, ApiError> {
        let config = self.projects.load(access).await?;
        Ok(config
            .project
            .as_ref()
            .map_or_else(|| vec![SignatureStyle::STANDARD], Project::default_signatures))
    }
}
