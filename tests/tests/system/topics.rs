//! The topic catalogue: the deployment's, and a project's own.

use serde_json::json;
use system_tests::Stack;

#[tokio::test]
async fn the_catalogue_has_the_templates_topics_and_our_own_each_with_a_description() {
    let project = Stack::shared().await.project().await;
    let topics = project.get("/webhooks/topics").await.expect(200);
    let names: Vec<_> =
        topics.as_array().unwrap().iter().map(|topic| topic["name"].as_str().unwrap()).collect();
    let expected = [
        "run.created",
        "run.failed",
        "run.succeeded",
        "run.updated",
        "task.created",
        "task.failed",
        "task.succeeded",
        "task.updated",
        "webhook.delivery.failed",
        "webhook.endpoint.disabled",
        "webhook.endpoint.failing",
        "webhook.endpoint.recovered",
    ];
    assert_eq!(names, expected, "the template's eight, and Posthaste's own");
    assert!(
        topics
            .as_array()
            .unwrap()
            .iter()
            .all(|topic| !topic["description"].as_str().unwrap().is_empty())
    );
    assert_eq!(project.get("/webhooks/topics/task.created").await.expect(200), topics[4]);
}

#[tokio::test]
async fn a_project_defines_topics_of_its_own() {
    let stack = Stack::shared().await;
    let (project, other) = (stack.project().await, stack.project().await);
    let path = "/webhooks/topics/media.created";
    project.get(path).await.is_error(404, "not_found", "no such topic", None);
    project.post("/events", json!({"kind": "media.created", "data": 1})).await.is_error(
        400,
        "validation_error",
        "media.created",
        Some("kind"),
    );
    project.put(path, json!({"description": "New media"})).await.expect(201);
    project.put(path, json!({"description": "A medium was added"})).await.expect(200);
    assert_eq!(project.get(path).await.expect(200)["description"], "A medium was added");
    project.post_event("media.created", json!(1)).await;
    project.create_endpoint("https://example.com/", &["media.created", "media.*"]).await;
    other.get(path).await.is_error(404, "not_found", "no such topic", None);

    assert_eq!(project.delete(path).await.expect(200), json!({"success": true}));
    project.delete(path).await.is_error(404, "not_found", "no such topic", None);
    project.delete("/webhooks/topics/task.created").await.is_error(
        409,
        "conflict",
        "deployment",
        None,
    );
    project.put("/webhooks/topics/no%20topic", json!({})).await.is_error(
        400,
        "validation_error",
        "",
        Some("name"),
    );
}
