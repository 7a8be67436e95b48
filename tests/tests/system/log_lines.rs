//! What the functions' logs say of requests: one line each, by which the operator finds who causes
//! what.

use serde_json::json;
use system_tests::{Client, Stack, eventually};

/// The one line about a request of this project on this route.
async fn line(stack: &Stack, project: &Client, route: &str) -> String {
    let (project, route) =
        (format!("project={} ", project.project()), format!("route={route} status="));
    eventually(&format!("a line with {route}"), async || {
        let mut found = stack.log_lines();
        found.retain(|line| line.contains(&project) && line.contains(&route));
        assert!(found.len() <= 1, "one line: {found:?}");
        found.pop()
    })
    .await
}

#[tokio::test]
async fn each_request_gets_one_line_with_its_key_project_route_status_and_deliveries() {
    let stack = Stack::shared().await;
    let project = stack.project().await;
    for path in ["a", "b", "c"] {
        let url = format!("https://example.com/{path}");
        project.create_endpoint(&url, &["task.created"]).await;
    }
    let event = json!({"kind": "task.created", "data": "a secret of the customer's"});
    project.post("/events", event).await.expect(202);
    let found = line(stack, &project, "POST /events").await;
    assert!(found.contains("status=202 deliveries=3 reads="), "{found}");
    assert!(found.contains("key=key_"), "{found}");

    project.post("/events/batch", json!({"events": []})).await.expect(400);
    let found = line(stack, &project, "POST /events/batch").await;
    assert!(found.contains("status=400 deliveries=0"), "{found}");
    stack.operator().acting_for(project.project()).get("/events").await.expect(200);
    let found = line(stack, &project, "GET /events").await;
    assert!(found.contains("key=operator ") && found.contains("status=200"), "{found}");
    let all = stack.log_lines();
    for secret in [project.key(), "a secret of the customer's"] {
        assert!(!all.iter().any(|line| line.contains(secret)), "no line has {secret}");
    }
}
