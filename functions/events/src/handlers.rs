//! `POST /events` and `POST /events/batch`.

use std::sync::Arc;

use api::{ApiError, EventView, auth::Caller, judge::TargetCheck, read_json};
use axum::{
    Json,
    extract::{Request, State},
};
use domain::{model::Scope, time::Timestamp};
use http::{HeaderMap, StatusCode};
use runtime::clock;
use store::project_config::ProjectConfig;

use crate::{
    App,
    accept::{self, accept},
    audience::Audience,
    input::{Draft, MAX_BATCH_BYTES, MAX_EVENT_BYTES, Posted, PostedBatch, Refused, Rules},
};

/// The header by which a producer may repeat a request without repeating its events.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Its longest value, in characters.
const MAX_KEY: usize = 255;

/// Post an event
///
/// Every endpoint that subscribes to it gets one request, retried until the receiver takes it. A
/// `503` promises nothing: repeat the request with the same `Idempotency-Key`, or the event's own
/// `id`.
#[utoipa::path(
    post, path = "/events", tag = "Events", operation_id = "postEvent",
    params(
        (
            "Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
            pattern = "^[!-~]+( +[!-~]+)*$",
            description = "Repeating a request with the same key and content within 24 hours \
                returns the original response",
        ),
    ),
    request_body = Posted,
    responses(
        (
            status = 202, body = EventView,
            description = "The event. Each of its deliveries is queued",
        ),
        (
            status = 422,
            description = "This idempotency key or id was used with different content",
        ),
    ),
    security(("projectKey" = ["events"])),
)]
pub(crate) async fn one(
    State(app): State<Arc<App>>,
    caller: Caller,
    request: Request,
) -> Result<(StatusCode, Json<EventView>), ApiError> {
    let access = caller.access(&[Scope::Events])?;
    let (key, judge) = (idempotency_key(request.headers())?, app.targets.judge(request.headers()));
    let bytes = read_json(request, MAX_EVENT_BYTES).await?;
    let now = clock::now();
    let project = app.projects.load(access).await?;
    let (draft, rules) = (Draft::read(&bytes)?, app.rules(&project, judge, now));
    let audience = Audience::of(&app, access, project, std::iter::once(&draft)).await?;
    let judged = draft.check(&rules).and_then(|()| audience.check(&draft));
    let request = accept::Request { drafts: vec![draft], key, now };
    let mut events = accept(&app, access, request, &audience, judged).await?;
    let event = events.pop().ok_or_else(ApiError::unavailable)?;
    Ok((StatusCode::ACCEPTED, Json(event.into())))
}

/// Post up to 100 events
///
/// Either all events are accepted or none. The `errors` of an error say what is wrong with each
/// refused event.
#[utoipa::path(
    post, path = "/events/batch", tag = "Events", operation_id = "postEvents",
    params(
        (
            "Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
            pattern = "^[!-~]+( +[!-~]+)*$",
            description = "Repeating a request with the same key and content within 24 hours \
                returns the original response",
        ),
    ),
    request_body = PostedBatch,
    responses(
        (status = 202, body = [EventView], description = "The events, in the order of the batch"),
        (
            status = 422,
            description = "This idempotency key or id was used with different content",
        ),
    ),
    security(("projectKey" = ["events"])),
)]
pub(crate) async fn many(
    State(app): State<Arc<App>>,
    caller: Caller,
    request: Request,
) -> Result<(StatusCode, Json<Vec<EventView>>), ApiError> {
    let access = caller.access(&[Scope::Events])?;
    let (key, judge) = (idempotency_key(request.headers())?, app.targets.judge(request.headers()));
    let bytes = read_json(request, MAX_BATCH_BYTES).await?;
    let now = clock::now();
    let project = app.projects.load(access).await?;
    let (entries, rules) = (Draft::read_batch(&bytes)?, app.rules(&project, judge, now));
    let audience = Audience::of(&app, access, project, entries.iter().flatten()).await?;
    let check = |draft: &Draft| draft.check(&rules).and_then(|()| audience.check(draft));
    let (drafts, judged) = match Draft::accepted(entries, check) {
        Ok(drafts) => (drafts, Ok(())),
        Err(Refused { drafts: Some(drafts), error }) => (drafts, Err(error)),
        Err(Refused { drafts: None, error }) => return Err(error),
    };
    let request = accept::Request { drafts, key, now };
    let events = accept(&app, access, request, &audience, judged).await?;
    Ok((StatusCode::ACCEPTED, Json(events.into_iter().map(EventView::from).collect())))
}

impl App {
    fn rules(&self, project: &ProjectConfig, judge: TargetCheck, now: Timestamp) -> Rules {
        Rules {
            catalogue: self.catalogue.with_names(&project.topics),
            judge,
            now,
            retention_days: self.retention_days,
        }
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text.is_empty() || text.len() > MAX_KEY || text.contains('\t') {
        return Err(ApiError::validation(
            "Idempotency-Key",
            format!("must be 1 to {MAX_KEY} visible ASCII characters or spaces"),
        ));
    }
    Ok(Some(text.to_owned()))
}
