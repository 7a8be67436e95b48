//! The end of what fails: a delivery that is given up ends in the log; the dead-letter queue has
//! what nobody could deal with, until the operator redrives it.
//!
//! Each test has a stack of its own: it counts what is in the queues.

use runtime::clock;
use serde_json::json;
use system_tests::{Receiver, Reply, Stack, eventually};

const DEAD_LETTERS: &str = "-dead-letters";

#[tokio::test]
async fn what_is_given_up_is_in_the_log_and_in_no_queue_until_a_recovery_sends_it_again() {
    let stack = Stack::start().await;
    let (project, receiver, queues) =
        (stack.project().await, Receiver::start().await, stack.queues());
    receiver.always(Reply::status(500).body("no"));
    let endpoint = json!({"url": receiver.url("/"), "topics": ["*"], "retry_schedule": [1]});
    let endpoint = project.create_endpoint_with(endpoint).await;
    let mut ids = Vec::new();
    for number in 0..3 {
        ids.push(project.post_event("task.created", json!({"number": number})).await.id);
    }
    for id in &ids {
        let message = project.wait_for_message(id, "failed").await;
        let delivery = &message.deliveries[0];
        assert_eq!((delivery.attempts, delivery.next_attempt_at), (2, None));
    }
    queues.wait_until_idle().await;
    assert_eq!(queues.depth(DEAD_LETTERS).await, (0, 0));
    assert_eq!(receiver.received().len(), 6, "two attempts for each of three events");

    receiver.always(Reply::status(204));
    let recover = format!("/webhooks/endpoints/{}/recover", endpoint.id);
    let since = clock::now().seconds() - 3_600;
    project.post(&recover, json!({"since": since})).await.expect(202);
    for id in &ids {
        let message = project.wait_for_message(id, "succeeded").await;
        assert_eq!(message.deliveries[0].attempts, 3);
    }
    queues.wait_until_idle().await;
    assert_eq!(receiver.received().len(), 9, "each of them once");
}

#[tokio::test]
async fn a_delivery_that_is_redriven_arrives_once_however_often() {
    let stack = Stack::start().await;
    let (project, receiver, queues) =
        (stack.project().await, Receiver::start().await, stack.queues());
    let endpoint = project.create_endpoint(&receiver.url("/"), &["*"]).await;
    // SQS has moved it here after a thousand receipts, an hour after it was accepted.
    let id = format!("evt_{}", "01JZ1MH2000000000000000002");
    let event = json!({"id": id, "kind": "task.created", "data": {}, "created_at": 1});
    let enqueued_at = clock::now().millis() - 3_600_000;
    let first = json!({"project": project.project(), "endpoint": endpoint.id, "event": event,
        "enqueued_at": enqueued_at, "trigger": "scheduled"});
    let message = json!({"v": 1, "first": first}).to_string();
    for _ in 0..2 {
        queues.send(DEAD_LETTERS, &message).await;
        queues.redrive(DEAD_LETTERS, Some("-deliveries")).await;
        eventually("the request", async || (!receiver.received().is_empty()).then_some(())).await;
        queues.wait_until_idle().await;
    }
    assert_eq!(receiver.received().len(), 1);
    assert_eq!(queues.depth(DEAD_LETTERS).await, (0, 0));
}

#[tokio::test]
async fn what_is_no_delivery_goes_to_the_dead_letter_queue_and_holds_up_nobody() {
    let stack = Stack::start().await;
    let (project, receiver, queues) =
        (stack.project().await, Receiver::start().await, stack.queues());
    project.create_endpoint(&receiver.url("/"), &["*"]).await;
    for poison in ["not json", "{}", "[]", r#"{"v":1}"#] {
        queues.send("-deliveries", poison).await;
    }
    let event = project.post_event("task.created", json!({})).await;
    project.wait_for_message(&event.id, "succeeded").await;
    queues.wait_for(DEAD_LETTERS, 4).await;
    queues.wait_until_idle().await;
}
