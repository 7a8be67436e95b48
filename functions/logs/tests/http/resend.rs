//! `POST /webhooks/messages/{id}/resend`.

use domain::model::{Outcome, Scope, Status, Trigger};
use emulator::samples;
use serde_json::{Value as Json, json};

use super::support::{attempt, minute, start, start_with};

#[tokio::test]
async fn the_same_event_goes_out_again_in_a_round_of_its_own() {
    let started = start().await;
    let event = started.event("task.created", minute(1)).await;
    started.record(&[attempt(&event, 1, Outcome::Succeeded, None)]).await;
    let path = format!("/webhooks/messages/{}/resend", event.event.id);
    let mut messages = Vec::new();
    for body in [Json::Null, json!({}), json!({"endpoint_id": samples::ENDPOINT})] {
        let answer = started.api.ask("POST", &path, body).await;
        assert_eq!(
            (answer.status, answer.text("id")),
            (202, event.event.id.to_string().as_str()),
            "{}",
            answer.body
        );
        // One that waits makes way for a later one.
        messages.extend(started.enqueued().await);
    }
    assert_eq!(messages.len(), 3);
    for message in &messages {
        assert_eq!(
            (message.event.id, message.event.data.get()),
            (event.event.id, event.event.data.get())
        );
        assert_eq!(
            (message.endpoint.to_string().as_str(), message.trigger),
            (samples::ENDPOINT, Trigger::Manual)
        );
    }
    let rounds: std::collections::BTreeSet<_> =
        messages.iter().map(|message| message.round.unwrap()).collect();
    assert_eq!(rounds.len(), 3);
}

#[tokio::test]
async fn it_takes_an_endpoint_that_the_message_went_to_and_that_is_active() {
    let mut paused = samples::endpoint(samples::RECEIVER).unwrap();
    paused.status = Status::Paused;
    let started = start_with(paused).await;
    let event = started.event("task.created", minute(1)).await;
    let path = format!("/webhooks/messages/{}/resend", event.event.id);
    let answer = started.api.ask("POST", &path, Json::Null).await;
    assert_eq!((answer.status, answer.text("kind")), (409, "conflict"));
    let answer = started
        .api
        .ask("POST", &path, json!({"endpoint_id": "we_01JZ0000000000000000000009"}))
        .await;
    assert_eq!((answer.status, answer.text("field")), (400, "endpoint_id"));
    let answer = started.api.ask("POST", &path, json!({"endpoint": samples::ENDPOINT})).await;
    assert_eq!((answer.status, answer.text("field")), (400, "endpoint"));
    assert!(started.enqueued().await.is_empty());
}

#[tokio::test]
async fn it_needs_the_scope_to_send() {
    let started = start().await;
    let event = started.event("task.created", minute(1)).await;
    let reader = started.api.with_key(&started.aws.key_of(samples::PROJECT, &[Scope::Read]).await);
    let answer = reader
        .ask("POST", &format!("/webhooks/messages/{}/resend", event.event.id), Json::Null)
        .await;
    assert_eq!((answer.status, answer.text("kind")), (403, "forbidden"));
}
