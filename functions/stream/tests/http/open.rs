//! What may be asked, and by whom.

use domain::model::Scope;
use emulator::samples;
use serde_json::Value as Json;

use crate::support::{Viewer, start};

#[tokio::test]
async fn what_is_malformed_is_refused_by_name() {
    let started = start(60).await;
    for (path, field) in [
        ("/events/stream?topics=task.created", "topics"),
        ("/events/stream?topic=task*", "topic"),
        ("/events/stream?topic=a&topic=b", "topic"),
        ("/events/stream?last_event_id=1", "last_event_id"),
    ] {
        let answer = started.api.ask("GET", path, Json::Null).await;
        assert_eq!((answer.status, answer.text("field")), (400, field), "{path}: {}", answer.body);
    }
    let answer = started
        .api
        .with_header("last-event-id", "7")
        .ask("GET", "/events/stream", Json::Null)
        .await;
    assert_eq!((answer.status, answer.text("field")), (400, "Last-Event-ID"), "{}", answer.body);
}

#[tokio::test]
async fn only_a_key_that_may_read_opens_a_stream() {
    let started = start(60).await;
    let anonymous = started.api.with_key("nonsense").ask("GET", "/events/stream", Json::Null).await;
    assert_eq!((anonymous.status, anonymous.text("kind")), (401, "unauthorized"));
    let posting = started.aws.key_of(samples::PROJECT, &[Scope::Events, Scope::Endpoints]).await;
    assert_eq!(
        started.api.with_key(&posting).ask("GET", "/events/stream", Json::Null).await.status,
        403
    );
    let reading = started.aws.key_of(samples::PROJECT, &[Scope::Read]).await;
    Viewer::of(&started.api.with_key(&reading), "").await;
}

#[tokio::test]
async fn the_function_answers_any_other_path_and_method_as_the_api_does() {
    let started = start(60).await;
    let answer = started.api.ask("GET", "/nowhere", Json::Null).await;
    assert_eq!((answer.status, answer.text("kind")), (404, "not_found"));
    let answer = started.api.ask("POST", "/events/stream", Json::Null).await;
    assert_eq!((answer.status, answer.header("allow")), (405, "GET"));
}
