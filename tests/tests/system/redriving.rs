//! Deliveries that were given up, and come back when an operator redrives the dead-letter queue.
//!
//! Each test has a stack of its own: it counts what is in the queues.

use serde_json::json;
use system_tests::{Client, Receiver, Reply, Stack};

const DEAD_LETTERS: &str = "-retries-dead-letter";

/// Events that fail for good: their ids, once all of them are in the dead-letter queue.
async fn exhaust(
    stack: &Stack,
    project: &Client,
    receiver: &Receiver,
    events: usize,
) -> Vec<String> {
    receiver.always(Reply::status(500).body("no"));
    project
        .create_endpoint_with(
            json!({"url": receiver.url("/"), "topics": ["*"], "retry_schedule": [1]}),
        )
        .await;
    let mut ids = Vec::new();
    for number in 0..events {
        ids.push(project.post_event("task.created", json!({"number": number})).await.id);
    }
    for id in &ids {
        let message = project.wait_for_message(id, "failed").await;
        assert_eq!(
            (message.deliveries[0].attempts, message.deliveries[0].next_attempt_at),
            (2, None)
        );
    }
    stack.queues().wait_until_idle().await;
    stack.queues().wait_for(DEAD_LETTERS, events).await;
    ids
}

#[tokio::test]
async fn what_never_succeeds_is_dead_lettered_and_redriven_to_the_retries_queue_arrives_once() {
    let stack = Stack::start().await;
    let (project, receiver, queues) =
        (stack.project().await, Receiver::start().await, stack.queues());
    let ids = exhaust(&stack, &project, &receiver, 3).await;
    let dead = queues.peek(DEAD_LETTERS).await;
    let before = receiver.received().len();
    assert_eq!(before, 6, "two attempts for each of three events");

    receiver.always(Reply::status(204));
    queues.redrive(DEAD_LETTERS, Some("-retries")).await;
    for id in &ids {
        let message = project.wait_for_message(id, "succeeded").await;
        assert_eq!(message.deliveries[0].attempts, 3);
    }
    queues.wait_until_idle().await;
    queues.wait_for(DEAD_LETTERS, 0).await;
    assert_eq!(receiver.received().len(), before + 3, "each of them once");

    // The same message again, as from a second redrive or a copy that SQS has delivered twice.
    for queue in ["-retries", DEAD_LETTERS] {
        queues.send(queue, &dead).await;
    }
    queues.redrive(DEAD_LETTERS, Some("-retries")).await;
    queues.wait_until_idle().await;
    queues.wait_for(DEAD_LETTERS, 0).await;
    assert_eq!(receiver.received().len(), before + 3, "what has succeeded is sent to nobody again");
}

#[tokio::test]
async fn a_redrive_without_a_destination_delivers_too() {
    let stack = Stack::start().await;
    let (project, receiver, queues) =
        (stack.project().await, Receiver::start().await, stack.queues());
    let ids = exhaust(&stack, &project, &receiver, 2).await;
    receiver.always(Reply::status(200));
    queues.redrive(DEAD_LETTERS, None).await;
    for id in &ids {
        project.wait_for_message(id, "succeeded").await;
    }
    queues.wait_until_idle().await;
    assert_eq!(receiver.received().len(), 6, "two failures and a success for each");
}

#[tokio::test]
async fn redriven_while_the_receiver_still_fails_they_come_back_to_the_dead_letter_queue() {
    let stack = Stack::start().await;
    let (project, receiver, queues) =
        (stack.project().await, Receiver::start().await, stack.queues());
    let ids = exhaust(&stack, &project, &receiver, 1).await;
    queues.redrive(DEAD_LETTERS, Some("-retries")).await;
    receiver.wait_for(3).await;
    queues.wait_until_idle().await;
    queues.wait_for(DEAD_LETTERS, 1).await;
    let message = project.message(&ids[0]).await;
    assert_eq!(
        (message.deliveries[0].status.as_str(), message.deliveries[0].attempts),
        ("failed", 3)
    );
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
