//! `POST /events`.

use domain::model::{Scope, Status, Trigger};
use emulator::{samples, testing::sample};
use serde_json::{Value as Json, json};

use super::support::{api, event, start, start_with};

#[tokio::test]
async fn the_sample_is_logged_and_on_the_queue_before_it_is_acknowledged() {
    let started = start().await;
    let answer = started.api.invoke(&sample("post-event.json")).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    let created_at = answer.body["created_at"].as_u64().unwrap();
    let data = json!({"id": "task_1", "status": "succeeded"});
    let expected = json!({"id": answer.text("id"), "object": "event", "kind": "task.succeeded",
        "data": data, "created_at": created_at});
    assert_eq!(answer.body, expected);

    let logged = started.logged(answer.text("id")).await.unwrap();
    let targets: Vec<_> = logged
        .targets
        .iter()
        .map(|target| (target.endpoint.to_string(), target.url.as_str()))
        .collect();
    assert_eq!(targets, [(samples::ENDPOINT.to_owned(), samples::RECEIVER)]);

    let [message] = started.messages().await.try_into().unwrap();
    assert_eq!(
        (message.project.to_string(), message.endpoint.to_string()),
        (samples::PROJECT.to_owned(), samples::ENDPOINT.to_owned())
    );
    assert_eq!(
        (message.event.id, message.event.data.get()),
        (logged.event.id, logged.event.data.get())
    );
    assert_eq!((message.trigger, message.round), (Trigger::Scheduled, None));
    // Of the reads, three are made once per process: the operator's key, the project that it acts
    // for, and the Query of what the project has. Whatever comes on top is paid for every event.
    let expected = json!([
        ["GetItem", "ok", 3],
        ["PutItem", "ok", 1],
        // Once an hour: that the project has events.
        ["PutItem", "ok", 1],
        ["Query", "ok", 1],
        ["SendMessageBatch", "ok", 1]
    ]);
    assert_eq!(started.calls(), expected);
}

#[tokio::test]
async fn data_keeps_its_order_its_numbers_and_its_characters_to_the_log_and_the_queue() {
    let started = start().await;
    // As text, since a parsed number would be another one.
    let data = r#"{"z":1,"a":[12345678901234567890,0.1,"é😀\u0000"]}"#;
    let mut request: Json = serde_json::from_str(&sample("post-event.json")).unwrap();
    request["body"] = format!(r#"{{"kind":"task.created","data":{data}}}"#).into();
    let answer = started.api.invoke(&request.to_string()).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert_eq!(started.logged(answer.text("id")).await.unwrap().event.data.get(), data);
    assert_eq!(started.messages().await[0].event.data.get(), data);
}

#[tokio::test]
async fn a_topic_that_does_not_exist_is_refused_by_name() {
    let started = start().await;
    let answer =
        started.api.ask("POST", "/events", json!({"kind": "song.released", "data": {}})).await;
    assert_eq!((answer.status, answer.text("field")), (400, "kind"));
    assert!(answer.text("message").contains("song.released"));
    assert!(started.messages().await.is_empty());
}

#[tokio::test]
async fn an_event_that_nobody_wants_is_logged_and_costs_no_message() {
    let mut paused = samples::endpoint(samples::RECEIVER).unwrap();
    paused.status = Status::Paused;
    let started = start_with(&[paused]).await;
    let answer = started.api.ask("POST", "/events", event()).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert!(started.logged(answer.text("id")).await.unwrap().targets.is_empty());
    assert_eq!(
        started.calls(),
        json!([
            ["GetItem", "ok", 3],
            ["PutItem", "ok", 1],
            ["PutItem", "ok", 1],
            ["Query", "ok", 1]
        ])
    );
}

#[tokio::test]
async fn without_its_messages_an_event_is_not_acknowledged() {
    let started = start().await;
    let nowhere = started.aws.queue_url("DeliveriesQueue") + "-gone";
    let answer = api(&started.aws, &[("DELIVERIES_QUEUE_URL", &nowhere)])
        .ask("POST", "/events", event())
        .await;
    assert_eq!(
        (answer.status, answer.text("kind"), answer.header("retry-after")),
        (503, "unavailable", "1")
    );
    assert!(!answer.body.to_string().contains("gone"), "faults of ours are for our own log");
}

#[tokio::test]
async fn a_key_needs_the_scope_and_is_looked_up_once() {
    let started = start().await;
    let reader = started
        .api
        .with_key(&started.aws.key_of(samples::PROJECT, &[Scope::Read, Scope::Endpoints]).await);
    let answer = reader.ask("POST", "/events", event()).await;
    assert_eq!((answer.status, answer.text("kind")), (403, "forbidden"));

    let producer =
        started.api.with_key(&started.aws.key_of(samples::PROJECT, &[Scope::Events]).await);
    started.aws.forget_calls();
    for _ in 0..3 {
        assert_eq!(producer.ask("POST", "/events", event()).await.status, 202);
    }
    let expected = json!([
        ["GetItem", "ok", 4],
        ["PutItem", "ok", 3],
        ["PutItem", "ok", 1],
        ["Query", "ok", 1],
        ["SendMessageBatch", "ok", 3]
    ]);
    assert_eq!(started.calls(), expected);
}

#[tokio::test]
async fn a_body_that_is_no_json_says_so() {
    let started = start().await;
    let mut request: Json = serde_json::from_str(&sample("post-event.json")).unwrap();
    request["headers"]["content-type"] = "text/plain".into();
    assert_eq!(started.api.invoke(&request.to_string()).await.status, 415);
    request["headers"]["content-type"] = "application/json; charset=utf-8".into();
    request["body"] = "{".into();
    let answer = started.api.invoke(&request.to_string()).await;
    assert_eq!((answer.status, answer.text("kind")), (400, "malformed_request"));
}

#[tokio::test]
async fn a_worker_whose_webhook_no_path_could_name_is_refused() {
    let started = start().await;
    for id in ["", "a/b", "a\\b", "a?b", "a#b", "100%", "a\nb", &"x".repeat(201)] {
        let event = json!({"kind": "task.created", "data": 1, "worker_id": id});
        for (path, body, field) in [
            ("/events", event.clone(), "worker_id"),
            ("/events/batch", json!({"events": [event.clone()]}), "events[0].worker_id"),
        ] {
            let answer = started.api.ask("POST", path, body).await;
            let told = if path == "/events" { &answer.body } else { &answer.body["errors"][0] };
            assert_eq!(
                (answer.status, &told["field"]),
                (400, &json!(field)),
                "{id:?}: {}",
                answer.body
            );
            assert!(
                told["message"].as_str().unwrap().contains("without control characters and `/`"),
                "{}",
                answer.body
            );
        }
    }
    for id in ["a b", "é", "worker:1", &"x".repeat(200)] {
        let event =
            json!({"kind": "task.created", "data": 1, "worker_id": id, "user_id": "a/b?c#d%"});
        assert_eq!(started.api.ask("POST", "/events", event).await.status, 202, "{id:?}");
    }
}

#[tokio::test]
async fn a_payload_over_the_limit_is_too_large() {
    let started = start().await;
    let event = |bytes: usize| json!({"kind": "task.created", "data": "x".repeat(bytes)});
    let answer = started.api.ask("POST", "/events", event(256 * 1_024 - 2)).await;
    assert_eq!(answer.status, 202);
    assert_eq!(started.messages().await[0].event.data.get().len(), 256 * 1_024);
    let answer = started.api.ask("POST", "/events", event(256 * 1_024)).await;
    assert_eq!(
        (answer.status, answer.text("kind"), answer.text("field")),
        (413, "payload_too_large", "data")
    );
}
