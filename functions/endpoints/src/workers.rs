//! A worker's one webhook: an endpoint that gets all of one worker's events, with a shared token in
//! place of a signature.
//!
//! The answers are the published ones of such systems, camelCase and without an envelope: `{token,
//! url}`, both null when there is no webhook.

use std::sync::Arc;

use api::{
    ApiError, Body, WorkerPath,
    auth::{Caller, ManagesEndpoints},
    rewrite, worker_id,
};
use axum::{
    Json,
    extract::{Path, State},
};
use domain::{
    endpoint_url::EndpointUrl,
    id::EndpointId,
    model::{Endpoint, Scope, Selector, Status},
    signing::{Secret, SignatureStyle},
};
use http::HeaderMap;
use runtime::clock;
use serde::{Deserialize, Serialize};
use store::Access;
use utoipa::ToSchema;

use crate::{App, handlers::Answer};

/// The URL for a worker's events.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WorkerWebhookChange, example = json!({"url": "https://example.com/workers/1"}))]
pub(crate) struct WebhookRequest {
    /// Null removes the webhook.
    #[schema(value_type = Option<EndpointUrl>, required)]
    #[serde(deserialize_with = "Option::deserialize")]
    url: Option<String>,
    /// Used as the webhook's token on the first PUT, for migrations. Ignored afterwards.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 16, max_length = 256, pattern = "^[!-~]+$")]
    token: Option<Secret>,
}

// No `Debug`: it holds the token.
/// A worker's webhook. Both fields are null if there is none.
#[derive(Serialize, ToSchema)]
#[schema(as = WorkerWebhook)]
pub(crate) struct WorkerView {
    /// The token that each request carries in `X-<Brand>-Token`.
    #[schema(required, example = "whk_8d969eef6ecad3c29a3a629280e686cf0c3f5d5a86aff3ca")]
    token: Option<String>,
    #[schema(required, value_type = Option<EndpointUrl>)]
    url: Option<String>,
}

impl WorkerView {
    const NONE: Self = Self { token: None, url: None };
}

/// Read a worker's webhook
#[utoipa::path(
    get, path = "/api/workers/{id}/webhook", tag = "Workers", operation_id = "getWorkerWebhook",
    params(WorkerPath),
    responses(
        (
            status = 200, body = WorkerView,
            description = "The webhook; both fields are null if there is none",
        ),
    ),
    security(("projectKey" = ["endpoints"])),
)]
pub(crate) async fn read(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<WorkerView> {
    let access = caller.access(&[Scope::Endpoints])?;
    match app.endpoints.worker(access, worker_id("id", &id)?).await? {
        Some(endpoint) => app.worker_view(&endpoint),
        None => Ok(Json(WorkerView::NONE)),
    }
}

/// Set a worker's webhook
///
/// The first PUT creates the token, or uses the one in the body; later ones keep it. A disabled
/// webhook is enabled again.
#[utoipa::path(
    put, path = "/api/workers/{id}/webhook", tag = "Workers", operation_id = "putWorkerWebhook",
    params(WorkerPath),
    request_body = WebhookRequest,
    responses(
        (status = 200, body = WorkerView, description = "The webhook"),
        (status = 409, description = "Modified concurrently: read it again and retry"),
    ),
    security(("projectKey" = ["endpoints"])),
)]
pub(crate) async fn write(
    State(app): State<Arc<App>>,
    ManagesEndpoints(access): ManagesEndpoints,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(input): Body<WebhookRequest>,
) -> Answer<WorkerView> {
    let id = worker_id("id", &id)?;
    let Some(url) = input.url else { return app.remove_worker(access, id).await };
    let rules = app.rules(&*app.projects.load(access).await?, &headers);
    let url = rules.url(&url)?;
    let written = rewrite(|| async {
        let now = clock::now();
        if let Some(old) = app.endpoints.worker(access, id).await? {
            let new = Endpoint {
                url: url.clone(),
                status: Status::Active,
                disabled_reason: None,
                updated_at: now,
                ..old
            };
            app.endpoints.replace(access, &new).await?;
            return Ok(new);
        }
        let endpoint_id = EndpointId::of_worker(access.project(), id);
        let token = input.token.clone().unwrap_or_else(|| Secret::token(rand::random()));
        let sealed =
            app.vault.seal(&token, &endpoint_id, rand::random()).map_err(ApiError::from)?;
        let blank = rules.blank(Endpoint::new(
            endpoint_id,
            access.project(),
            url.clone(),
            vec![Selector::All],
            sealed,
            now,
        ));
        let new = Endpoint {
            worker_id: Some(id.to_owned()),
            signatures: vec![SignatureStyle::TOKEN],
            ..blank
        };
        app.endpoints.create(access, &new).await?;
        Ok(new)
    })
    .await?;
    app.start_afresh(&written).await?;
    app.worker_view(&written)
}

/// Remove a worker's webhook
///
/// Succeeds even if there is no webhook.
#[utoipa::path(
    delete, path = "/api/workers/{id}/webhook", tag = "Workers",
    operation_id = "deleteWorkerWebhook",
    params(WorkerPath),
    responses((status = 200, body = WorkerView, description = "Both fields are null")),
    security(("projectKey" = ["endpoints"])),
)]
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<WorkerView> {
    let access = caller.access(&[Scope::Endpoints])?;
    app.remove_worker(access, worker_id("id", &id)?).await
}

/// Regenerate the token of a worker's webhook
///
/// The old token becomes invalid at once.
#[utoipa::path(
    post, path = "/api/workers/{id}/webhook/regenerate-token", tag = "Workers",
    operation_id = "regenerateWorkerToken",
    params(WorkerPath),
    responses(
        (status = 200, body = WorkerView, description = "The webhook with its new token"),
        (status = 409, description = "Modified concurrently: read it again and retry"),
    ),
    security(("projectKey" = ["endpoints"])),
)]
pub(crate) async fn regenerate_token(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<WorkerView> {
    let access = caller.access(&[Scope::Endpoints])?;
    let id = worker_id("id", &id)?;
    let changed = rewrite(|| async {
        let old = app
            .endpoints
            .worker(access, id)
            .await?
            .ok_or_else(|| ApiError::not_found("webhook"))?;
        let now = clock::now();
        let sealed = app
            .vault
            .seal(&Secret::token(rand::random()), &old.id, rand::random())
            .map_err(ApiError::from)?;
        let new = Endpoint {
            secrets: old.secrets.clone().rotated(sealed, now, now),
            updated_at: now,
            ..old
        };
        app.endpoints.replace(access, &new).await?;
        Ok(new)
    })
    .await?;
    app.worker_view(&changed)
}

impl App {
    async fn remove_worker(&self, access: Access, id: &str) -> Answer<WorkerView> {
        self.endpoints.delete_worker(access, id).await?;
        Ok(Json(WorkerView::NONE))
    }

    fn worker_view(&self, endpoint: &Endpoint) -> Answer<WorkerView> {
        let token = self.vault.open(&endpoint.secrets.secret, &endpoint.id)?;
        Ok(Json(WorkerView {
            token: Some(token.reveal().to_owned()),
            url: Some(endpoint.url.to_string()),
        }))
    }
}
