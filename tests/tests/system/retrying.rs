//! Receivers that fail at first, or for good.

use std::time::Duration;

use serde_json::json;
use system_tests::{Receiver, Reply, Stack, eventually};

/// A schedule's wait is varied by a fifth; what arrives may only be later than that.
fn at_least(seconds: u64) -> Duration {
    Duration::from_millis(seconds * 800)
}

#[tokio::test]
async fn a_receiver_that_fails_three_times_gets_four_requests_spaced_by_its_schedule() {
    let stack = Stack::shared().await;
    let project = stack.project().await;
    let receiver = Receiver::with_tls().await;
    receiver.failing(3);
    let schedule = [1, 1, 2];
    let endpoint = project
        .create_endpoint_with(
            json!({"url": receiver.url("/"), "topics": ["task.*"], "retry_schedule": schedule}),
        )
        .await;
    let event = project.post_event("task.failed", json!({"id": "task_1"})).await;

    let requests = receiver.wait_for(4).await;
    for request in &requests {
        request.verify(endpoint.secret());
        assert_eq!(request.webhook_id(), event.id, "a receiver recognises a retry by its id");
        assert_eq!(request.body, requests[0].body);
    }
    for (pair, wait) in requests.windows(2).zip(schedule) {
        let waited = pair[1].arrived - pair[0].arrived;
        assert!(waited >= at_least(wait), "{waited:?} is less than a wait of {wait} s allows");
    }
    assert!(
        requests[3].timestamp() >= requests[0].timestamp() + 3,
        "each attempt is signed at its own time"
    );
    assert!(
        requests
            .windows(2)
            .all(|pair| pair[1].header("webhook-signature") != pair[0].header("webhook-signature"))
    );

    let message = project.wait_for_message(&event.id, "succeeded").await;
    assert_eq!(message.deliveries[0].attempts, 4);
    let attempts = project.attempts(&event.id).await;
    let told: Vec<_> = attempts
        .iter()
        .map(|attempt| (attempt.number, attempt.outcome.as_str(), attempt.response_status))
        .collect();
    assert_eq!(
        told,
        [
            (1, "http_error", Some(500)),
            (2, "http_error", Some(500)),
            (3, "http_error", Some(500)),
            (4, "succeeded", Some(200))
        ]
    );
    assert!(
        attempts[..3]
            .iter()
            .all(|attempt| attempt.next_attempt_at.is_some_and(|next| next >= attempt.created_at))
    );
    assert_eq!(receiver.received().len(), 4, "nothing is sent after a success");
}

#[tokio::test]
async fn while_a_retry_waits_the_message_is_pending_and_says_when() {
    let stack = Stack::shared().await;
    let project = stack.project().await;
    let receiver = Receiver::start().await;
    receiver.always(Reply::status(503).body("come later"));
    project
        .create_endpoint_with(
            json!({"url": receiver.url("/"), "topics": ["*"], "retry_schedule": [3600]}),
        )
        .await;
    let event = project.post_event("task.created", json!({})).await;

    let attempt = project.wait_for_attempts(&event.id, 1).await.remove(0);
    assert_eq!(
        (attempt.response_status, attempt.response_body.as_deref()),
        (Some(503), Some("come later"))
    );
    let message = project.message(&event.id).await;
    assert_eq!(
        (message.deliveries[0].status.as_str(), message.deliveries[0].attempts),
        ("pending", 1)
    );
    let waits =
        message.deliveries[0].next_attempt_at.expect("a retry is planned") - attempt.created_at;
    assert!((2_880..=4_330).contains(&waits), "{waits} s is not an hour ± 20 %");
}

#[tokio::test]
async fn a_failing_endpoint_does_not_hold_up_another() {
    let stack = Stack::shared().await;
    let project = stack.project().await;
    let receiver = Receiver::start().await;
    receiver.always_at("/bad", Reply::status(500));
    let bad = project
        .create_endpoint_with(
            json!({"url": receiver.url("/bad"), "topics": ["*"], "retry_schedule": [1, 1]}),
        )
        .await;
    let good = project.create_endpoint(&receiver.url("/good"), &["*"]).await;
    let event = project.post_event("task.created", json!({})).await;

    let message = eventually("both deliveries have ended", async || {
        let message = project.message(&event.id).await;
        message.deliveries.iter().all(|delivery| delivery.status != "pending").then_some(message)
    })
    .await;
    let of = |id: &str| {
        message.deliveries.iter().find(|delivery| delivery.endpoint_id == id).unwrap().clone()
    };
    assert_eq!((of(&good.id).status.as_str(), of(&good.id).attempts), ("succeeded", 1));
    assert_eq!((of(&bad.id).status.as_str(), of(&bad.id).attempts), ("failed", 3));
    assert_eq!(receiver.received_at("/good").len(), 1);
}

#[tokio::test]
async fn a_retry_goes_to_where_the_endpoint_is_by_then() {
    let stack = Stack::shared().await;
    let project = stack.project().await;
    let receiver = Receiver::start().await;
    receiver.always_at("/old", Reply::status(500));
    let endpoint = project
        .create_endpoint_with(json!({"url": receiver.url("/old"), "topics": ["*"],
            "retry_schedule": [1, 1, 1, 1, 1]}))
        .await;
    let event = project.post_event("task.created", json!({})).await;
    receiver.wait_for(1).await;
    project
        .patch(
            &format!("/webhooks/endpoints/{}", endpoint.id),
            json!({"url": receiver.url("/new")}),
        )
        .await
        .expect(200);
    project.wait_for_message(&event.id, "succeeded").await;
    assert_eq!(receiver.received_at("/new").len(), 1);
}
