//! `GET /events/stream`: what may be asked, and the answer's head.

use std::{sync::Arc, time::Duration};

use api::{ApiError, Params, auth::Caller};
use axum::{
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use domain::{
    id::EventId,
    model::{Scope, Selector},
    time::Timestamp,
};
use futures::stream;
use http::{
    HeaderMap,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use lambda_http::{Context, RequestExt};
use runtime::clock;
use store::{Access, feed, viewers::Place};
use tokio::{sync::mpsc, time::Instant};

use crate::{App, sse, viewer::Viewer};

/// Where a viewer was that comes back.
const LAST_EVENT_ID: &str = "last-event-id";
/// The most selectors of one viewer.
const MAX_TOPICS: usize = 50;
/// What is ready to be sent ahead of a slow viewer: at most a few payloads, which must fit into the
/// function's memory.
const AHEAD: usize = 8;
/// When a viewer should come back for whom there is no place.
const TRY_AGAIN_SECONDS: u16 = 10;
/// How long before Lambda ends the invocation its stream ends by itself. A slow viewer may need
/// some of it for what is on its way.
const BEFORE_DEADLINE: Duration = Duration::from_secs(10);

/// Watch events live
///
/// A project's events as server-sent events, ordered by the time of acceptance. A stream begins
/// with the next accepted event or, with `Last-Event-ID`, after that position. It ends after some
/// minutes, and clients reconnect with the last id. In a deployment it has a URL of its own.
#[utoipa::path(
    get, path = "/events/stream", tag = "Events", operation_id = "watchEvents",
    params(
        (
            "topic" = Option<String>, Query,
            description = "Filter by topic: at most 50 selectors, as endpoints have them, \
                separated by commas. All events by default",
            example = "task.*,run.failed",
        ),
        (
            "Last-Event-ID" = Option<EventId>, Header,
            description = "The last id that the client has seen; it misses nothing after that",
        ),
    ),
    responses(
        (
            status = 200, body = String,
            description = "Events: `event` is the topic, `data` is what `GET /events/{id}` returns",
            content_type = "text/event-stream",
            example = json!("id: evt_01JZ0000000000000000000000\nevent: task.succeeded\ndata: \
                {\"id\":\"evt_01JZ0000000000000000000000\",\"object\":\"event\",\
                \"kind\":\"task.succeeded\",\"data\":{\"id\":\"task_1\"},\
                \"created_at\":1767225600}\n\n"),
        ),
    ),
    security(("projectKey" = ["read"])),
)]
pub(crate) async fn open(
    State(app): State<Arc<App>>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let access = caller.access(&[Scope::Read])?;
    let now = clock::now();
    let topics = topics(request.uri().query())?;
    let position = start(request.headers(), now)?;
    let life = life(app.life, request.lambda_context_ref(), now);
    let ends_at = Instant::now() + life;
    let place = take_place(&app, access, life, now).await?;

    let (frames, ready) = mpsc::channel(AHEAD);
    let viewer = Viewer::new(Arc::clone(&app), access, request.headers().clone(), topics, position);
    tokio::spawn(async move {
        viewer.watch(frames, ends_at).await;
        if let Err(error) = app.places.give_back(place).await {
            tracing::warn!(%error, "could not give back a viewer's place; it ends by itself");
        }
    });

    let body = stream::unfold(ready, |mut ready| async {
        Some((Ok::<Bytes, std::convert::Infallible>(ready.recv().await?), ready))
    });
    let headers = [
        (CONTENT_TYPE, sse::MEDIA_TYPE),
        (CACHE_CONTROL, "no-store"),
        // nginx holds answers back otherwise.
        (http::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

/// A place for as long as the stream may last. 429 if the project has too many viewers.
async fn take_place(
    app: &App,
    access: Access,
    life: Duration,
    now: Timestamp,
) -> Result<Place, ApiError> {
    let places = app.budgets.limits(access).await.viewers();
    app.places.take(access, places, now + life, now).await?.ok_or_else(|| {
        let message = format!("a project may have at most {places} live viewers at once");
        ApiError::rate_limited(message, TRY_AGAIN_SECONDS)
    })
}

/// `topic=task.*,run.created`: selectors as endpoints have them; an event is shown if one matches.
/// All are without.
fn topics(query: Option<&str>) -> Result<Vec<Selector>, ApiError> {
    let params = Params::read(query, &["topic"])?;
    let Some(text) = params.text("topic") else { return Ok(vec![Selector::All]) };
    let selectors: Result<Vec<Selector>, _> =
        text.split(',').map(|one| one.trim().parse()).collect();
    let selectors = selectors.map_err(|error| {
        ApiError::validation(
            "topic",
            format!("must be selectors separated by commas; each {error}"),
        )
    })?;
    if selectors.len() > MAX_TOPICS {
        return Err(ApiError::validation(
            "topic",
            format!("must have at most {MAX_TOPICS} selectors"),
        ));
    }
    Ok(selectors)
}

/// Behind the position that the viewer had last; without one, from now on. One that is older than
/// the log starts with the log.
fn start(headers: &HeaderMap, now: Timestamp) -> Result<EventId, ApiError> {
    let from_now_on = feed::before(now);
    let Some(header) = headers.get(LAST_EVENT_ID).filter(|header| !header.is_empty()) else {
        return Ok(from_now_on);
    };
    let last: Result<EventId, _> = header.to_str().unwrap_or_default().parse();
    // An event's own id may be ahead of the clock; nothing that comes from now on may be missed by
    // it.
    last.map(|last| last.min(from_now_on))
        .map_err(|error| ApiError::validation("Last-Event-ID", error.to_string()))
}

/// How long a stream may last: as set, and within the invocation's own time.
fn life(set: Duration, invocation: Option<&Context>, now: Timestamp) -> Duration {
    let left = invocation.map(|context| {
        Timestamp::from_millis(context.deadline).since(now).saturating_sub(BEFORE_DEADLINE)
    });
    left.map_or(set, |left| left.min(set))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn started(last: &str) -> Result<EventId, ApiError> {
        start(&HeaderMap::from_iter([(LAST_EVENT_ID.parse().unwrap(), last.parse().unwrap())]), NOW)
    }

    #[test]
    fn a_viewer_goes_on_behind_its_last_event_and_a_new_one_starts_now() {
        let last = EventId::new(Timestamp::from_seconds(1), 7);
        assert_eq!(started(&last.to_string()).unwrap(), last);
        assert_eq!(started("").unwrap(), feed::before(NOW));
        assert_eq!(start(&HeaderMap::new(), NOW).unwrap(), feed::before(NOW));
        let ahead = EventId::new(NOW + Duration::from_mins(1), 7);
        assert_eq!(started(&ahead.to_string()).unwrap(), feed::before(NOW));
    }

    #[test]
    fn a_malformed_last_event_id_is_refused_by_name() {
        for last in ["7", "evt_", "evt_1", "we_01ARYZ6S410000000000000000", "null"] {
            let error = started(last).unwrap_err();
            assert_eq!(error.status(), 400, "{last}");
        }
    }

    #[test]
    fn topics_are_selectors_separated_by_commas() {
        let wanted = topics(Some("topic=task.*,%20run.created")).unwrap();
        let texts: Vec<_> = wanted.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["task.*", "run.created"]);
        assert_eq!(topics(None).unwrap(), [Selector::All]);
        assert_eq!(topics(Some("topic=")).unwrap(), [Selector::All]);
        for query in ["topic=task*", "topic=a,,b", "topic=a&topic=b", "topics=a", "kind=a"] {
            assert_eq!(topics(Some(query)).unwrap_err().status(), 400, "{query}");
        }
    }

    #[test]
    fn a_stream_ends_ahead_of_its_invocation() {
        let set = Duration::from_mins(5);
        let mut context = Context::default();
        assert_eq!(life(set, None, NOW), set);
        context.deadline = (NOW + Duration::from_mins(15)).millis();
        assert_eq!(life(set, Some(&context), NOW), set);
        context.deadline = (NOW + Duration::from_mins(3)).millis();
        assert_eq!(life(set, Some(&context), NOW), Duration::from_secs(170));
        context.deadline = NOW.millis();
        assert_eq!(life(set, Some(&context), NOW), Duration::ZERO);
    }
}
