//! What receivers do, and what is made of it.

use std::time::Duration;

use serde_json::json;
use system_tests::{Attempt, Client, Receiver, Reply, Stack, eventually};

/// A receiver's endpoint that is tried once.
async fn only_attempt(project: &Client, receiver: &Receiver) -> Attempt {
    let body = json!({"url": receiver.url("/"), "topics": ["*"], "retry_schedule": [],
        "timeout_seconds": 1});
    project.create_endpoint_with(body).await;
    let event = project.post_event("task.created", json!({})).await;
    project.wait_for_message(&event.id, "failed").await;
    let mut attempts = project.attempts(&event.id).await;
    assert_eq!(attempts.len(), 1, "an empty schedule means one attempt");
    attempts.remove(0)
}

#[tokio::test]
async fn a_receiver_that_is_too_slow_has_timed_out() {
    let project = Stack::shared().await.project().await;
    let receiver = Receiver::start().await;
    receiver.always(Reply::slow(Duration::from_secs(30)));
    let attempt = only_attempt(&project, &receiver).await;
    assert_eq!((attempt.outcome.as_str(), attempt.response_status), ("timeout", None));
    assert!(attempt.duration_ms >= 1_000, "{attempt:?}");
    assert!(attempt.error.is_some());
}

#[tokio::test]
async fn a_receiver_that_hangs_up_is_unreachable() {
    let project = Stack::shared().await.project().await;
    let receiver = Receiver::start().await;
    receiver.always(Reply::hang_up());
    let attempt = only_attempt(&project, &receiver).await;
    assert_eq!((attempt.outcome.as_str(), attempt.response_status), ("unreachable", None));
}

#[tokio::test]
async fn a_receiver_that_nobody_runs_is_unreachable() {
    let project = Stack::shared().await.project().await;
    let gone = Receiver::start().await.url("/");
    let body = json!({"url": gone, "topics": ["*"], "retry_schedule": []});
    project.create_endpoint_with(body).await;
    let event = project.post_event("task.created", json!({})).await;
    project.wait_for_message(&event.id, "failed").await;
    let attempt = project.attempts(&event.id).await.remove(0);
    assert_eq!((attempt.outcome.as_str(), attempt.response_status), ("unreachable", None));
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let project = Stack::shared().await.project().await;
    let receiver = Receiver::with_strange_tls().await;
    let attempt = only_attempt(&project, &receiver).await;
    assert_eq!(attempt.outcome, "unreachable");
    assert!(attempt.error.as_deref().is_some_and(|error| error.contains("tls")), "{attempt:?}");
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let project = Stack::shared().await.project().await;
    let receiver = Receiver::start().await;
    receiver.always(Reply::status(307).header("location", receiver.url("/elsewhere")));
    let attempt = only_attempt(&project, &receiver).await;
    assert_eq!((attempt.outcome.as_str(), attempt.response_status), ("http_error", Some(307)));
    assert!(attempt.error.unwrap().contains("redirect"));
    assert!(receiver.received_at("/elsewhere").is_empty());
}

#[tokio::test]
async fn a_receiver_that_is_gone_disables_its_endpoint_which_can_be_enabled_again() {
    let project = Stack::shared().await.project().await;
    let receiver = Receiver::start().await;
    receiver.always(Reply::status(410));
    let endpoint = project.create_endpoint(&receiver.url("/"), &["*"]).await;
    let path = format!("/webhooks/endpoints/{}", endpoint.id);
    let event = project.post_event("task.created", json!({})).await;
    project.wait_for_message(&event.id, "failed").await;

    // The attempt is recorded first.
    let disabled = eventually("a gone endpoint is disabled", async || {
        let endpoint = project.endpoint(&endpoint.id).await;
        (endpoint.status == "disabled").then_some(endpoint)
    });
    assert!(disabled.await.disabled_reason.is_some_and(|reason| reason.contains("410")));
    let unwanted = project.post_event("task.created", json!({})).await;
    assert!(
        project.message(&unwanted.id).await.deliveries.is_empty(),
        "a disabled endpoint wants nothing"
    );

    receiver.always(Reply::status(200));
    let enabled = project.patch(&path, json!({"status": "active"})).await.expect(200);
    assert_eq!(
        (enabled["status"].as_str(), enabled["disabled_reason"].as_str()),
        (Some("active"), None)
    );
    let wanted = project.post_event("task.created", json!({})).await;
    project.wait_for_message(&wanted.id, "succeeded").await;
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test]
async fn retry_after_is_honoured() {
    let project = Stack::shared().await.project().await;
    let receiver = Receiver::start().await;
    receiver.first(1, Reply::status(429).header("retry-after", "3"));
    project
        .create_endpoint_with(
            json!({"url": receiver.url("/"), "topics": ["*"], "retry_schedule": [1]}),
        )
        .await;
    let event = project.post_event("task.created", json!({})).await;
    let requests = receiver.wait_for(2).await;
    let waited = requests[1].arrived - requests[0].arrived;
    assert!(
        waited >= Duration::from_secs(3),
        "the receiver asked for three seconds and got {waited:?}"
    );
    project.wait_for_message(&event.id, "succeeded").await;
}

#[tokio::test]
async fn only_the_start_of_a_long_answer_is_kept() {
    let project = Stack::shared().await.project().await;
    let receiver = Receiver::start().await;
    receiver.always(Reply::status(500).body("x".repeat(100_000)));
    let attempt = only_attempt(&project, &receiver).await;
    assert_eq!(attempt.response_body.map(|body| body.len()), Some(1_024));
}
