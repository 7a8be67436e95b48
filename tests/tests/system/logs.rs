//! What happened, found by filters.

use serde_json::json;
use system_tests::{Attempt, Client, Receiver, Reply, Stack};

struct Scene {
    project: Client,
    _receiver: Receiver,
    good: String,
    bad: String,
    succeeded: String,
    failed: String,
    pending: String,
}

/// One event that arrived, one that failed, one whose retry waits.
async fn scene() -> Scene {
    let project = Stack::shared().await.project().await;
    let receiver = Receiver::start().await;
    receiver.always_at("/bad", Reply::status(500));
    let good =
        project.create_endpoint(&receiver.url("/good"), &["task.created", "run.created"]).await.id;
    let bad = json!({"url": receiver.url("/bad"), "topics": ["task.failed"], "retry_schedule": []});
    let bad = project.create_endpoint_with(bad).await.id;
    let waiting =
        json!({"url": receiver.url("/bad"), "topics": ["run.*"], "retry_schedule": [3600]});
    project.create_endpoint_with(waiting).await;
    let succeeded = project.post_event("task.created", json!({})).await.id;
    let failed = project.post_event("task.failed", json!({})).await.id;
    let pending = project.post_event("run.created", json!({})).await.id;
    project.wait_for_message(&succeeded, "succeeded").await;
    project.wait_for_message(&failed, "failed").await;
    project.wait_for_attempts(&pending, 2).await;
    Scene { project, _receiver: receiver, good, bad, succeeded, failed, pending }
}

#[tokio::test]
async fn events_and_messages_are_found_by_kind_status_endpoint_and_time() {
    let scene = scene().await;
    let (s, f, p) = (scene.succeeded.as_str(), scene.failed.as_str(), scene.pending.as_str());
    let found = async |path: String| scene.project.get(&path).await.ids();
    for list in ["/events", "/webhooks/messages"] {
        assert_eq!(found(list.to_owned()).await, [p, f, s]);
        assert_eq!(found(format!("{list}?kind=task.failed")).await, [f]);
        assert_eq!(found(format!("{list}?kind=task.*")).await, [f, s]);
        assert_eq!(found(format!("{list}?kind=run.failed")).await, [""; 0]);
        let since = scene.project.get(&format!("/events/{s}")).await.expect(200)["created_at"]
            .as_u64()
            .unwrap();
        assert_eq!(found(format!("{list}?since={since}")).await.len(), 3, "since is included");
        assert_eq!(found(format!("{list}?until={since}")).await.len(), 0, "until is not");
        assert_eq!(found(format!("{list}?since={}", since + 3_600)).await.len(), 0);
        assert_eq!(
            found(format!("{list}?since={since}&until={}&kind=run.created", since + 3_600)).await,
            [p]
        );
        scene.project.get(&format!("{list}?since=yesterday")).await.is_error(
            400,
            "validation_error",
            "Unix seconds",
            Some("since"),
        );
    }
    // The pending one has another delivery that has succeeded.
    assert_eq!(found("/webhooks/messages?status=succeeded".to_owned()).await, [p, s]);
    assert_eq!(found("/webhooks/messages?status=failed".to_owned()).await, [f]);
    assert_eq!(found("/webhooks/messages?status=pending".to_owned()).await, [p]);
    assert_eq!(found(format!("/webhooks/messages?endpoint_id={}", scene.good)).await, [p, s]);
    assert_eq!(
        found(format!("/webhooks/messages?endpoint_id={}&status=failed", scene.bad)).await,
        [f]
    );
    scene.project.get("/webhooks/messages?status=lost").await.is_error(
        400,
        "validation_error",
        "pending",
        Some("status"),
    );
    scene.project.get("/events?status=failed").await.is_error(
        400,
        "validation_error",
        "no such query parameter",
        Some("status"),
    );
}

#[tokio::test]
async fn attempts_are_found_by_message_endpoint_outcome_kind_and_time() {
    let scene = scene().await;
    let found = async |query: String| -> Vec<Attempt> { scene.project.get(&query).await.read(200) };
    let all = found(format!("/webhooks/delivery-attempts?message_id={}", scene.pending)).await;
    assert_eq!(all.len(), 2);
    let of_good = found(format!(
        "/webhooks/delivery-attempts?message_id={}&endpoint_id={}",
        scene.pending, scene.good
    ))
    .await;
    assert!(of_good.len() == 1 && of_good[0].outcome == "succeeded");

    for path in [
        format!("/webhooks/endpoints/{}/deliveries?", scene.good),
        format!("/webhooks/delivery-attempts?endpoint_id={}&", scene.good),
    ] {
        let count = async |query: &str| found(format!("{path}{query}")).await.len();
        assert_eq!(count("limit=100").await, 2);
        assert_eq!(count("outcome=succeeded").await, 2);
        assert_eq!(count("status=failed").await, 0);
        assert_eq!(count("kind=run.created").await, 1);
        let since = all[0].created_at;
        assert_eq!(count(&format!("since={}", since + 3_600)).await, 0);
        assert_eq!(count(&format!("until={}", since + 3_600)).await, 2);
    }
    let failures = found(format!(
        "/webhooks/endpoints/{}/deliveries?outcome=http_error&status=failed",
        scene.bad
    ))
    .await;
    assert!(
        failures.len() == 1
            && failures[0].message_id == scene.failed
            && failures[0].response_status == Some(500)
    );

    let project = &scene.project;
    project.get("/webhooks/delivery-attempts").await.is_error(
        400,
        "validation_error",
        "required",
        Some("message_id"),
    );
    project.get("/webhooks/delivery-attempts?message_id=evt_nothing").await.is_error(
        404,
        "not_found",
        "no such message",
        None,
    );
    let path = format!("/webhooks/endpoints/{}/deliveries?outcome=lost", scene.bad);
    project.get(&path).await.is_error(400, "validation_error", "timeout", Some("outcome"));
}
