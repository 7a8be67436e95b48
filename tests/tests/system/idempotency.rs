//! The same event, posted again and again.

use std::collections::HashSet;

use domain::id::EventId;
use futures::future::join_all;
use http::Method;
use runtime::clock;
use serde_json::json;
use system_tests::{Event, Receiver, Stack};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_concurrent_posts_with_one_key_make_one_event_and_one_delivery() {
    let stack = Stack::shared().await;
    let project = stack.project().await;
    let receiver = Receiver::start().await;
    project.create_endpoint(&receiver.url("/"), &["*"]).await;

    let posts =
        (0..100).map(|_| project.post_event_once("order-7", "task.created", json!({"order": 7})));
    let answers = join_all(posts).await;
    let ids: HashSet<_> = answers.iter().map(|answer| answer.read::<Event>(202).id).collect();
    assert_eq!(ids.len(), 1);
    let id = ids.into_iter().next().unwrap();

    let again: Event =
        project.post_event_once("order-7", "task.created", json!({"order": 7})).await.read(202);
    assert_eq!(again.id, id, "later, the key gets the first answer");
    project.wait_for_message(&id, "succeeded").await;
    assert_eq!(project.get("/events").await.ids(), [id.as_str()], "the log has one event");

    // An event behind all of these: once it is there, the others have had their time.
    let last = project.post_event("task.updated", json!({})).await;
    project.wait_for_message(&last.id, "succeeded").await;
    assert_eq!(receiver.received().iter().filter(|request| request.webhook_id() == id).count(), 1);
    assert_eq!(project.attempts(&id).await.len(), 1);
}

#[tokio::test]
async fn a_key_with_another_body_is_refused() {
    let project = Stack::shared().await.project().await;
    project.post_event_once("k", "task.created", json!({"a": 1})).await.expect(202);
    project.post_event_once("k", "task.created", json!({"a": 2})).await.is_error(
        422,
        "unprocessable",
        "idempotency key",
        None,
    );
    project.post_event_once("k", "task.updated", json!({"a": 1})).await.is_error(
        422,
        "unprocessable",
        "idempotency key",
        None,
    );
    project.post_event_once("k2", "task.created", json!({"a": 2})).await.expect(202);
}

#[tokio::test]
async fn an_event_with_an_id_of_its_own_is_accepted_once() {
    let stack = Stack::shared().await;
    let project = stack.project().await;
    let receiver = Receiver::start().await;
    project.create_endpoint(&receiver.url("/"), &["*"]).await;
    let id = EventId::new(clock::now(), 7).to_string();
    let body = json!({"kind": "task.created", "data": {"a": 1}, "id": id});
    for _ in 0..3 {
        let event: Event = project.post("/events", body.clone()).await.read(202);
        assert_eq!(event.id, id);
    }
    let other = json!({"kind": "task.created", "data": {"a": 2}, "id": id});
    project.post("/events", other).await.is_error(422, "unprocessable", "id", None);
    project.wait_for_message(&id, "succeeded").await;
    let last = project.post_event("task.updated", json!({})).await;
    project.wait_for_message(&last.id, "succeeded").await;
    assert_eq!(receiver.received().len(), 2, "one request for three posts, and the last event");
    assert_eq!(project.get("/events").await.ids().len(), 2);
}

#[tokio::test]
async fn a_batch_has_one_key_for_all_of_its_events() {
    let project = Stack::shared().await.project().await;
    let body = json!({"events": [{"kind": "task.created", "data": 1}, {"kind": "task.updated",
        "data": 2}]})
    .to_string();
    let mut answers = Vec::new();
    for _ in 0..2 {
        let request = project
            .request(Method::POST, "/events/batch")
            .header("content-type", "application/json");
        answers.push(
            project
                .send(request.header("idempotency-key", "b").body(body.clone()))
                .await
                .expect(202),
        );
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(project.get("/events").await.ids().len(), 2);
}

#[tokio::test]
async fn two_projects_may_use_the_same_key() {
    let stack = Stack::shared().await;
    let (one, other) = (stack.project().await, stack.project().await);
    let first: Event = one.post_event_once("k", "task.created", json!({"a": 1})).await.read(202);
    let second: Event = other.post_event_once("k", "task.created", json!({"a": 2})).await.read(202);
    assert_ne!(first.id, second.id);
}
