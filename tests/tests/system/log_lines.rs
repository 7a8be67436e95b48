//! What the functions' logs say of requests: one line each, by which the operator finds who causes
//! what.

use serde_json::{Value as Json, json};
use system_tests::{Client, Stack, eventually};

/// The lines about requests of this project.
fn lines(stack: &Stack, project: &str) -> Vec<Json> {
    let requests = stack.log_lines().into_iter().filter_map(|line| {
        let (_, line) = line.split_once(": ")?;
        let line: Json = serde_json::from_str(line).ok()?;
        (line["fields"]["message"] == "request").then(|| line["fields"].clone())
    });
    requests.filter(|fields| fields["project"] == project).collect()
}

async fn the_line(stack: &Stack, project: &str, route: &str) -> Json {
    eventually(&format!("a line about {route}"), async || {
        let mut found = lines(stack, project);
        found.retain(|line| line["route"] == route);
        assert!(found.len() <= 1, "one line: {found:?}");
        found.pop()
    })
    .await
}

#[tokio::test]
async fn each_request_gets_one_line_with_its_key_project_route_status_and_deliveries() {
    let stack = Stack::shared().await;
    let project: Client = stack.project().await;
    for path in ["a", "b", "c"] {
        let url = format!("https://example.com/{path}");
        project.create_endpoint(&url, &["task.created"]).await;
    }
    let event = json!({"kind": "task.created", "data": "a secret of the customer's"});
    project.post("/events", event).await.expect(202);
    let line = the_line(stack, project.project(), "POST /events").await;
    assert_eq!((&line["status"], &line["deliveries"]), (&json!(202), &json!(3)), "{line}");
    assert!(line["key"].as_str().unwrap().starts_with("key_"), "{line}");
    assert!(line["reads"].as_u64().unwrap() > 0, "{line}");

    project.post("/events/batch", json!({"events": []})).await.expect(400);
    let line = the_line(stack, project.project(), "POST /events/batch").await;
    assert_eq!((&line["status"], &line["deliveries"]), (&json!(400), &json!(0)), "{line}");
    stack.operator().acting_for(project.project()).get("/events").await.expect(200);
    let line = the_line(stack, project.project(), "GET /events").await;
    assert_eq!((&line["key"], &line["status"]), (&json!("operator"), &json!(200)), "{line}");
    let all = stack.log_lines();
    for secret in [project.key(), "a secret of the customer's"] {
        assert!(!all.iter().any(|line| line.contains(secret)), "no line has {secret}");
    }
}
