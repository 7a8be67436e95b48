//! Sending a message again by hand.

use serde_json::json;
use system_tests::{Receiver, Reply, Stack};

#[tokio::test]
async fn a_resend_after_success_makes_a_manual_attempt() {
    let project = Stack::shared().await.project().await;
    let receiver = Receiver::start().await;
    let endpoint = project.create_endpoint(&receiver.url("/"), &["*"]).await;
    let event = project.post_event("task.created", json!({"a": 1})).await;
    project.wait_for_message(&event.id, "succeeded").await;

    let answer = project
        .post(&format!("/webhooks/messages/{}/resend", event.id), json!({}))
        .await
        .expect(202);
    assert_eq!(
        (answer["id"].as_str(), answer["object"].as_str()),
        (Some(event.id.as_str()), Some("message"))
    );
    let attempts = project.wait_for_attempts(&event.id, 2).await;
    assert_eq!(
        (attempts[1].number, attempts[1].trigger.as_str(), attempts[1].outcome.as_str()),
        (2, "manual", "succeeded")
    );
    let requests = receiver.wait_for(2).await;
    requests[1].verify(endpoint.secret());
    assert_eq!((requests[1].webhook_id(), &requests[1].body), (event.id, &requests[0].body));
}

#[tokio::test]
async fn a_resend_of_what_has_failed_delivers() {
    let project = Stack::shared().await.project().await;
    let receiver = Receiver::start().await;
    receiver.always(Reply::status(500));
    project
        .create_endpoint_with(
            json!({"url": receiver.url("/"), "topics": ["*"], "retry_schedule": [1]}),
        )
        .await;
    let event = project.post_event("task.created", json!({})).await;
    project.wait_for_message(&event.id, "failed").await;
    receiver.always(Reply::status(200));
    // A body is not needed.
    let request =
        project.request(http::Method::POST, &format!("/webhooks/messages/{}/resend", event.id));
    project.send(request).await.expect(202);
    assert_eq!(project.wait_for_message(&event.id, "succeeded").await.deliveries[0].attempts, 3);
}

#[tokio::test]
async fn a_resend_that_fails_is_retried_by_a_schedule_of_its_own() {
    let project = Stack::shared().await.project().await;
    let receiver = Receiver::start().await;
    project
        .create_endpoint_with(
            json!({"url": receiver.url("/"), "topics": ["*"], "retry_schedule": [1]}),
        )
        .await;
    let event = project.post_event("task.created", json!({})).await;
    project.wait_for_message(&event.id, "succeeded").await;
    receiver.failing(1);
    project.post(&format!("/webhooks/messages/{}/resend", event.id), json!({})).await.expect(202);
    let attempts = project.wait_for_attempts(&event.id, 3).await;
    let told: Vec<_> = attempts
        .iter()
        .map(|attempt| (attempt.number, attempt.trigger.as_str(), attempt.outcome.as_str()))
        .collect();
    assert_eq!(
        told,
        [(1, "scheduled", "succeeded"), (2, "manual", "http_error"), (3, "manual", "succeeded")]
    );
}

#[tokio::test]
async fn a_resend_may_name_one_endpoint_also_a_newer_one() {
    let project = Stack::shared().await.project().await;
    let receiver = Receiver::start().await;
    let one = project.create_endpoint(&receiver.url("/one"), &["*"]).await;
    project.create_endpoint(&receiver.url("/other"), &["*"]).await;
    let event = project.post_event("task.created", json!({})).await;
    project.wait_for_message(&event.id, "succeeded").await;
    let late = project.create_endpoint(&receiver.url("/late"), &["*"]).await;

    let path = format!("/webhooks/messages/{}/resend", event.id);
    project.post(&path, json!({"endpoint_id": one.id})).await.expect(202);
    project.wait_for_attempts(&event.id, 3).await;
    assert_eq!((receiver.received_at("/one").len(), receiver.received_at("/other").len()), (2, 1));
    project.post(&path, json!({"endpoint_id": late.id})).await.expect(202);
    project.wait_for_attempts(&event.id, 4).await;
    assert_eq!(receiver.received_at("/late").len(), 1);
    let unknown = json!({"endpoint_id": "we_01JZ0000000000000000000009"});
    let refused = project.post(&path, unknown).await;
    refused.is_error(400, "validation_error", "no such endpoint", Some("endpoint_id"));

    project
        .patch(&format!("/webhooks/endpoints/{}", one.id), json!({"status": "paused"}))
        .await
        .expect(200);
    project
        .post(&path, json!({"endpoint_id": one.id}))
        .await
        .is_error(409, "conflict", "active", None);
}
