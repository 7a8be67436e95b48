//! A worker's one webhook: an endpoint that gets all of one worker's events, with a shared token in place of a signature.
//!
//! Easy to get wrong: the answers are the published ones of such systems, camelCase and without an envelope: `{token, url}`, both null when there is no webhook.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use shared::{
    auth::{Access, Caller},
    http::{ApiError, Body, worker_id},
    id::EndpointId,
    model::{Endpoint, Scope, Selector, Status},
    signing::{Secret, SignatureStyle},
    time::Timestamp,
};

use crate::{App, handlers::Answer, rewrite::rewrite};

/// The body of a PUT.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// Null removes the webhook.
    #[serde(deserialize_with = "Option::deserialize")]
    url: Option<String>,
    /// The first PUT takes it for the webhook's: who comes from elsewhere has one already. Later ones keep what is there, so that what a GET answered may be
    /// put back.
    #[serde(default)]
    token: Option<Secret>,
}

/// A worker's webhook in an answer. No `Debug`: it holds the token.
#[derive(Serialize)]
pub(crate) struct WorkerView {
    token: Option<String>,
    url: Option<String>,
}

impl WorkerView {
    const NONE: Self = Self { token: None, url: None };
}

pub(crate) async fn read(State(app): State<Arc<App>>, caller: Caller, Path(id): Path<String>) -> Answer<WorkerView> {
    let access = caller.access(&[Scope::Endpoints])?;
    match app.endpoints.worker(access, worker_id(&id)?).await? {
        Some(endpoint) => app.worker_view(&endpoint),
        None => Ok(Json(WorkerView::NONE)),
    }
}

/// The first one mints the token, or takes the one that it names; later ones keep it. A webhook that was disabled is on again.
pub(crate) async fn write(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(input): Body<Wanted>,
) -> Answer<WorkerView> {
    let access = caller.access(&[Scope::Endpoints])?;
    let id = worker_id(&id)?;
    let Some(url) = input.url else { return app.remove_worker(access, id).await };
    let rules = app.rules(app.projects.load(access).await?, &headers);
    let url = rules.url(&url)?;
    let written = rewrite(|| async {
        let now = Timestamp::now();
        if let Some(old) = app.endpoints.worker(access, id).await? {
            let revision = old.revision + 1;
            let new = Endpoint { url: url.clone(), status: Status::Active, disabled_reason: None, updated_at: now, revision, ..old };
            app.endpoints.replace(access, &new, revision - 1).await?;
            return Ok(new);
        }
        let endpoint_id = EndpointId::of_worker(access.project(), id);
        let token = input.token.clone().unwrap_or_else(|| Secret::token(rand::random()));
        let sealed = app.vault.seal(&token, &endpoint_id, rand::random()).map_err(ApiError::from)?;
        let blank = rules.blank(Endpoint::new(endpoint_id, access.project(), url.clone(), vec![Selector::All], sealed, now));
        let new = Endpoint { worker_id: Some(id.to_owned()), signatures: vec![SignatureStyle::TOKEN], ..blank };
        app.endpoints.create(access, &new).await?;
        Ok(new)
    })
    .await?;
    app.start_afresh(&written).await?;
    app.worker_view(&written)
}

pub(crate) async fn remove(State(app): State<Arc<App>>, caller: Caller, Path(id): Path<String>) -> Answer<WorkerView> {
    let access = caller.access(&[Scope::Endpoints])?;
    app.remove_worker(access, worker_id(&id)?).await
}

/// A new token; the old one is void at once. 404 without a webhook.
pub(crate) async fn regenerate_token(State(app): State<Arc<App>>, caller: Caller, Path(id): Path<String>) -> Answer<WorkerView> {
    let access = caller.access(&[Scope::Endpoints])?;
    let id = worker_id(&id)?;
    let changed = rewrite(|| async {
        let old = app.endpoints.worker(access, id).await?.ok_or_else(|| ApiError::not_found("webhook"))?;
        let now = Timestamp::now();
        let sealed = app.vault.seal(&Secret::token(rand::random()), &old.id, rand::random()).map_err(ApiError::from)?;
        let revision = old.revision + 1;
        let new = Endpoint { secrets: old.secrets.clone().rotated(sealed, now, now), updated_at: now, revision, ..old };
        app.endpoints.replace(access, &new, revision - 1).await?;
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
        Ok(Json(WorkerView { token: Some(token.reveal().to_owned()), url: Some(endpoint.url.to_string()) }))
    }
}
