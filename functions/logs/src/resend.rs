//! `POST /webhooks/messages/{id}/resend`: the same event again, to one of its endpoints or to all.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Path, Request, State},
};
use futures::future::try_join_all;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use shared::{
    auth::{Access, Caller},
    http::{ApiError, parse_json, read_json},
    id::{EndpointId, EventId, RoundId},
    message::{Message, VERSION},
    model::{Endpoint, Scope, Status, Trigger, event::LoggedEvent},
    queue::Outgoing,
    time::Timestamp,
};

use crate::App;

/// The largest body of a resend, in bytes.
const MAX_BODY: usize = 4_096;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    endpoint_id: Option<EndpointId>,
}

/// The answer: no more than a key that may not read could have sent.
#[derive(Debug, Serialize)]
pub(crate) struct Resent {
    id: EventId,
    object: &'static str,
    /// The endpoints that it goes to again.
    endpoint_ids: Vec<EndpointId>,
}

/// Enqueues the deliveries; each is a round of its own with a schedule of its own. The body may be missing.
pub(crate) async fn resend(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<(StatusCode, Json<Resent>), ApiError> {
    let access = caller.access(&[Scope::Events])?;
    let body = read_json(request, MAX_BODY).await?;
    let wanted = if body.is_empty() { Wanted::default() } else { parse_json(&body)? };
    let logged = app.find(access, &id, "message").await?;
    let endpoints = app.receivers(access, &logged, wanted.endpoint_id).await?;

    let now = Timestamp::now();
    let brand = app.projects.get(access.project()).await?.and_then(|project| project.brand);
    let messages = endpoints.iter().map(|endpoint| message(access, endpoint, &logged, brand.clone(), now)).collect::<Vec<_>>();
    app.deliveries.send(messages.into_iter()).await?;
    let endpoint_ids = endpoints.into_iter().map(|endpoint| endpoint.id).collect();
    Ok((StatusCode::ACCEPTED, Json(Resent { id: logged.event.id, object: "message", endpoint_ids })))
}

impl App {
    /// The endpoints that can be sent to: the named one must, and of all some must.
    async fn receivers(&self, access: Access, logged: &LoggedEvent, only: Option<EndpointId>) -> Result<Vec<Endpoint>, ApiError> {
        let targets = logged.targets.iter().filter(|target| only.is_none_or(|only| only == target.endpoint));
        let found = try_join_all(targets.map(|target| self.endpoints.get(access, target.endpoint))).await?;
        if let (Some(_), []) = (only, found.as_slice()) {
            return Err(ApiError::validation("endpoint_id", "this message did not go to that endpoint"));
        }
        let active: Vec<_> = found.into_iter().flatten().filter(|endpoint| endpoint.status == Status::Active).collect();
        if active.is_empty() {
            return Err(ApiError::conflict("none of the message's endpoints is active"));
        }
        Ok(active)
    }
}

fn message(access: Access, endpoint: &Endpoint, logged: &LoggedEvent, brand: Option<String>, now: Timestamp) -> Result<Outgoing, ApiError> {
    let message = Message {
        v: VERSION,
        project: access.project(),
        endpoint: endpoint.id,
        event: logged.event.clone(),
        enqueued_at: now,
        brand,
        trigger: Trigger::Manual,
        round: Some(RoundId::new(now, rand::random())),
        recheck: false,
    };
    let body = message.encode().map_err(|error| {
        tracing::error!(%error, "could not encode a message");
        ApiError::unavailable()
    })?;
    Ok(Outgoing { body, group: Some(endpoint.id.to_string()), delay: Duration::ZERO })
}
