//! What is large stays within what Lambda and DynamoDB take.

use http::Method;
use serde_json::json;
use system_tests::Stack;

/// 30 of them are more than an answer can hold, though they compress to nothing.
const EVENTS: usize = 30;

#[tokio::test]
async fn a_list_of_large_events_comes_in_pages_that_lambda_can_answer() {
    let project = Stack::shared().await.project().await;
    let mut posted = Vec::new();
    for _ in 0..EVENTS {
        posted.push(project.post_event("task.created", json!("x".repeat(240_000))).await.id);
    }
    posted.reverse();
    let (mut seen, mut next) = (Vec::new(), Some("/events?limit=100".to_owned()));
    while let Some(path) = next {
        let page = project.get(&path).await;
        assert!(page.text.len() < 3 << 20, "a page has {} bytes", page.text.len());
        seen.extend(page.ids());
        next = page.link("next");
    }
    assert_eq!(seen, posted, "each once, over as many pages as it takes");
}

#[tokio::test]
async fn a_batch_that_grows_beyond_an_answer_is_refused_before_anything_is_done() {
    let project = Stack::shared().await.project().await;
    // Written out, as JavaScript would, `1e20` has 21 digits.
    let event = format!(r#"{{"kind":"task.created","data":[{}]}}"#, vec!["1e20"; 10_000].join(","));
    let batch = format!(r#"{{"events":[{}]}}"#, vec![event.as_str(); 20].join(","));
    let answer = project.send_text(Method::POST, "/events/batch", &batch).await;
    answer.is_error(413, "payload_too_large", "in all", Some("events"));
    assert!(project.get("/events").await.ids().is_empty());
}

#[tokio::test]
async fn many_endpoints_with_long_urls_leave_room_for_the_event() {
    let project = Stack::shared().await.project().await;
    for n in 0..40 {
        // Paused endpoints would not be targets. These are, at an address where nothing listens.
        let url = format!("http://127.0.0.1:1/{n}/{}", "a1".repeat(950));
        project
            .create_endpoint_with(
                json!({"url": url, "topics": ["run.failed"], "retry_schedule": []}),
            )
            .await;
    }
    let event = project.post_event("run.failed", json!("y".repeat(200_000))).await;
    assert_eq!(project.message(&event.id).await.deliveries.len(), 40);
}
