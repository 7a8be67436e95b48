//! `POST /webhooks/endpoints/{id}/test`.

use domain::model::{Endpoint, Scope, Status, Trigger};
use emulator::samples;
use serde_json::{Value as Json, json};

use super::support::{start, start_with};

fn path() -> String {
    format!("/webhooks/endpoints/{}/test", samples::ENDPOINT)
}

fn endpoint() -> Endpoint {
    samples::endpoint(samples::RECEIVER).unwrap()
}

#[tokio::test]
async fn it_sends_the_example_of_any_topic_to_this_endpoint_alone() {
    let other = "we_01JZ0000000000000000000001".parse().unwrap();
    let other = samples::endpoint_of(other, samples::RECEIVER, samples::SECRETS_KEY).unwrap();
    let started =
        start_with(&[Endpoint { topics: vec!["run.*".parse().unwrap()], ..endpoint() }, other])
            .await;
    for (body, kind) in [
        (Json::Null, "run.created"),
        (json!({}), "run.created"),
        (json!({"kind": null, "data": null}), "run.created"),
        (json!({"kind": "task.failed"}), "task.failed"),
    ] {
        let answer = started.api.ask("POST", &path(), body.clone()).await;
        let (object, status) = kind.split_once('.').unwrap();
        let example =
            json!({"id": format!("{object}_example"), "object": object, "status": status});
        assert_eq!(
            (answer.status, answer.text("kind"), &answer.body["data"]),
            (202, kind, &example),
            "{body}: {}",
            answer.body
        );
        let [message] = started.messages().await.try_into().unwrap();
        assert_eq!(
            (message.endpoint.to_string().as_str(), message.trigger),
            (samples::ENDPOINT, Trigger::Test)
        );
        let logged = started.logged(answer.text("id")).await.unwrap();
        assert_eq!((logged.targets.len(), logged.event.id), (1, message.event.id));
    }
}

#[tokio::test]
async fn data_of_ones_own_is_sent_as_an_events_would_be() {
    let started = start().await;
    let answer =
        started.api.ask("POST", &path(), json!({"kind": "task.created", "data": {"n": 1.0}})).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert_eq!(started.messages().await[0].event.data.get(), r#"{"n":1}"#);
    let large = started.api.ask("POST", &path(), json!({"data": "x".repeat(256 * 1_024)})).await;
    assert_eq!((large.status, large.text("field")), (413, "data"));
}

#[tokio::test]
async fn an_example_is_made_to_fit_an_envelope_and_data_that_does_not_is_refused() {
    let started = start_with(&[Endpoint { body: "envelope".parse().unwrap(), ..endpoint() }]).await;
    let answer = started.api.ask("POST", &path(), json!({"kind": "task.failed"})).await;
    assert_eq!(answer.body["data"]["task"]["status"], "failed", "{}", answer.body);
    for body in [json!({"kind": "task.failed", "data": {"id": 1}}), json!({"kind": "run.failed"})] {
        let answer = started.api.ask("POST", &path(), body.clone()).await;
        assert_eq!((answer.status, answer.text("field")), (400, "data"), "{body}: {}", answer.body);
        assert!(answer.text("message").contains("task"), "{}", answer.body);
    }
}

#[tokio::test]
async fn bad_input_names_the_field_and_nothing_is_sent() {
    let started = start().await;
    for (field, body) in [
        ("kind", json!({"kind": "song.released"})),
        ("kind", json!({"kind": "task.*"})),
        ("kind", json!({"kind": 7})),
        ("colour", json!({"colour": "red"})),
    ] {
        let answer = started.api.ask("POST", &path(), body.clone()).await;
        assert_eq!(
            (answer.status, answer.text("kind"), answer.text("field")),
            (400, "validation_error", field),
            "{body}: {}",
            answer.body
        );
    }
    assert!(started.messages().await.is_empty());
}

#[tokio::test]
async fn an_endpoint_must_be_there_active_and_ones_own() {
    for status in [Status::Paused, Status::Disabled] {
        let started = start_with(&[Endpoint { status, ..endpoint() }]).await;
        let answer = started.api.ask("POST", &path(), Json::Null).await;
        assert_eq!((answer.status, answer.text("kind")), (409, "conflict"));
    }
    let started = start().await;
    let stranger = started
        .api
        .with_key(&started.aws.key_of("proj_01JZ0000000000000000000009", &Scope::ALL).await);
    assert_eq!(stranger.ask("POST", &path(), Json::Null).await.status, 404);
    for id in ["we_01JZ0000000000000000000009", "nonsense"] {
        let answer =
            started.api.ask("POST", &format!("/webhooks/endpoints/{id}/test"), Json::Null).await;
        assert_eq!((answer.status, answer.text("message")), (404, "no such endpoint"));
    }
    let producer = started
        .api
        .with_key(&started.aws.key_of(samples::PROJECT, &[Scope::Events, Scope::Read]).await);
    assert_eq!(
        producer.ask("POST", &path(), Json::Null).await.status,
        403,
        "it is for who manages endpoints"
    );
    let manager =
        started.api.with_key(&started.aws.key_of(samples::PROJECT, &[Scope::Endpoints]).await);
    assert_eq!(manager.ask("POST", &path(), Json::Null).await.status, 202);
}
