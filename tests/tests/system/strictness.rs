//! `--strict-targets`: as deployed.

use serde_json::json;
use system_tests::{Receiver, Stack};

#[tokio::test]
async fn with_strict_targets_neither_plain_http_nor_this_machine_is_a_target() {
    let stack = Stack::with(&["--strict-targets"]).await;
    let project = stack.project().await;
    let (plain, tls) = (Receiver::start().await, Receiver::with_tls().await);
    for url in [
        "http://example.com/".to_owned(),
        plain.url("/"),
        tls.url("/"),
        "https://127.0.0.1/".to_owned(),
        "https://[::1]/".to_owned(),
    ] {
        let answer =
            project.post("/webhooks/endpoints", json!({"url": url, "topics": ["*"]})).await;
        eprintln!("{url} → {}", answer.text);
        answer.is_error(400, "validation_error", "", Some("url"));
    }
    project.create_endpoint("https://example.com/hooks", &["*"]).await;
}

#[tokio::test]
async fn an_endpoint_from_before_is_refused_at_delivery_once_targets_are_strict() {
    let mut stack = Stack::start().await;
    let project = stack.project().await;
    let receiver = Receiver::start().await;
    project
        .create_endpoint_with(
            json!({"url": receiver.url("/"), "topics": ["*"], "retry_schedule": []}),
        )
        .await;
    stack.restart_with(&["--strict-targets"]).await;
    let project = project.at(stack.base_url());
    let event = project.post_event("task.created", json!({})).await;
    project.wait_for_message(&event.id, "failed").await;
    assert_eq!(project.attempts(&event.id).await[0].outcome, "refused");
    assert!(receiver.received().is_empty());
}
