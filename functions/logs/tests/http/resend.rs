//! `POST /webhooks/messages/{id}/resend`.

use domain::{
    id::EndpointId,
    model::{Outcome, Scope, Status, Trigger},
};
use emulator::samples;
use serde_json::{Value as Json, json};

use super::support::{attempt, event, minute, start, start_with};

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
async fn it_takes_an_active_endpoint_of_the_project() {
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
async fn an_endpoint_that_the_message_did_not_go_to_gets_it_too() {
    let mut other = samples::endpoint(samples::RECEIVER).unwrap();
    other.topics = vec!["run.*".parse().unwrap()];
    let started = start_with(other).await;
    let event = started.logged(event("[]", minute(1)), vec![], minute(1)).await;
    let path = format!("/webhooks/messages/{}/resend", event.event.id);
    let to_it = json!({"endpoint_id": samples::ENDPOINT});
    let answer = started.api.ask("POST", &path, to_it).await;
    assert_eq!(
        (answer.status, answer.body["endpoint_ids"].clone()),
        (202, json!([samples::ENDPOINT]))
    );
    let messages = started.enqueued().await;
    assert_eq!((messages.len(), messages[0].event.id), (1, event.event.id));
    let message = started.api.ask("GET", &path.replace("/resend", ""), Json::Null).await;
    assert_eq!(message.body["deliveries"][0]["endpoint_id"], samples::ENDPOINT);

    // What its body shape can't hold is refused.
    let id = EndpointId::new(minute(0), 7);
    let mut envelope = samples::endpoint_of(id, samples::RECEIVER, samples::SECRETS_KEY).unwrap();
    envelope.body = "envelope".parse().unwrap();
    started.aws.plant(&[envelope]).await;
    let answer = started.api.ask("POST", &path, json!({"endpoint_id": id})).await;
    assert_eq!((answer.status, answer.text("field")), (400, "endpoint_id"), "{}", answer.body);
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
