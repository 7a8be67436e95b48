//! Endpoints, as the customers of a platform like system A manage them.

use serde_json::{Value as Json, json};
use system_tests::{Client, Stack};

const URL: &str = "https://receiver.example.com/hooks";

async fn project() -> Client {
    Stack::shared().await.project().await
}

#[tokio::test]
async fn endpoints_are_found_by_status_and_by_a_topic_that_they_want() {
    let project = Stack::shared().await.project().await;
    let tasks = project.create_endpoint("https://example.com/tasks", &["task.*"]).await.id;
    let runs = project.create_endpoint("https://example.com/runs", &["run.created"]).await.id;
    project
        .patch(&format!("/webhooks/endpoints/{runs}"), json!({"status": "paused"}))
        .await
        .expect(200);
    let found =
        async |query: &str| project.get(&format!("/webhooks/endpoints?{query}")).await.ids();
    assert_eq!(found("status=active").await, std::slice::from_ref(&tasks));
    assert_eq!(found("status=paused").await, [runs]);
    assert_eq!(found("topic=task.failed").await, [tasks]);
    assert_eq!(found("topic=run.created&status=active").await, Vec::<String>::new());
    project.get("/webhooks/endpoints?status=gone").await.is_error(
        400,
        "validation_error",
        "active, paused, disabled",
        Some("status"),
    );
}

#[tokio::test]
async fn an_endpoint_is_created_read_changed_replaced_and_deleted() {
    let project = project().await;
    let body = json!({"url": URL, "topics": ["task.succeeded", "task.failed"], "name": "Mine"});
    let created = project.post("/webhooks/endpoints", body).await.expect(201);
    let id = created["id"].as_str().unwrap();
    assert!(id.starts_with("we_"));
    assert_eq!(created["object"], "webhook_endpoint");
    assert_eq!(
        (created["name"].as_str(), created["url"].as_str(), created["status"].as_str()),
        (Some("Mine"), Some(URL), Some("active"))
    );
    assert_eq!(created["topics"], json!(["task.succeeded", "task.failed"]));
    assert_eq!(created["signatures"], json!(["standard"]));
    assert!(created["secret"].as_str().unwrap().starts_with("whsec_"));
    assert!(
        created["created_at"].as_u64().is_some() && created["created_at"] == created["updated_at"],
        "Unix seconds"
    );

    let path = format!("/webhooks/endpoints/{id}");
    let read = project.get(&path).await.expect(200);
    assert_eq!(read["secret"], Json::Null, "the secret is shown once, and on request");
    assert_eq!(
        project.get(&format!("{path}/secret")).await.expect(200)["secret"],
        created["secret"]
    );

    let changes = json!({"name": "Yours", "url": "https://other.example.com/", "topics": ["*"],
        "status": "paused"});
    let read = project.patch(&path, changes.clone()).await.expect(200);
    for (field, value) in changes.as_object().unwrap() {
        assert_eq!(&read[field], value);
    }
    assert_eq!(read["created_at"], created["created_at"]);

    let replaced = project
        .put(&path, json!({"url": URL, "topics": ["run.*"], "description": "d"}))
        .await
        .expect(200);
    assert_eq!(
        (&replaced["name"], replaced["description"].as_str(), &replaced["id"]),
        (&Json::Null, Some("d"), &created["id"])
    );
    assert_eq!(
        project.get(&format!("{path}/secret")).await.expect(200)["secret"],
        created["secret"],
        "a replacement keeps the secret"
    );

    assert_eq!(project.delete(&path).await.expect(200), json!({"success": true}));
    for answer in [
        project.get(&path).await,
        project.delete(&path).await,
        project.patch(&path, json!({})).await,
    ] {
        answer.is_error(404, "not_found", "no such endpoint", None);
    }
    assert!(project.get("/webhooks/endpoints").await.ids().is_empty());
}

#[tokio::test]
async fn what_was_read_can_be_put_back() {
    let project = project().await;
    let body = json!({"url": URL, "topics": ["*"], "name": "n", "description": "d",
        "metadata": {"a": "b"}, "headers": {"X-A": "b"},
        "timeout_seconds": 7, "retry_schedule": [1, 2, 3]});
    let endpoint = project.create_endpoint_with(body).await;
    let path = format!("/webhooks/endpoints/{}", endpoint.id);
    let mut read = project.get(&path).await.expect(200);
    let mut put = project.put(&path, read.clone()).await.expect(200);
    for view in [&mut read, &mut put] {
        view["updated_at"] = Json::Null;
    }
    assert_eq!(read, put);
}

#[tokio::test]
async fn a_field_that_breaks_a_rule_is_refused_by_name() {
    let project = project().await;
    for (field, value, part) in [
        ("url", json!("not a url"), ""),
        ("url", json!("ftp://example.com/"), ""),
        ("url", json!("https://user:pass@example.com/"), ""),
        ("url", json!("https://10.0.0.1/"), ""),
        ("url", json!("https://169.254.169.254/latest/meta-data"), ""),
        ("url", json!("https://metadata.internal/"), ""),
        ("url", Json::Null, ""),
        ("topics", json!([]), "1 to"),
        ("topics[0]", json!(["task.exploded"]), "task.exploded"),
        ("topics[1]", json!(["task.created", "nothing.*"]), "nothing.*"),
        ("timeout_seconds", json!(0), "1 to 30"),
        ("timeout_seconds", json!(31), "1 to 30"),
        ("retry_schedule", json!([0]), "1 to"),
        ("rate_limit", json!(0), "1 to 500"),
        ("rate_limit", json!(501), "1 to 500"),
        ("status", json!("disabled"), "active"),
        ("signatures[0]", json!(["rot13"]), "standard"),
        ("headers", json!({"webhook-id": "mine"}), ""),
        ("secret", json!("short"), ""),
        ("colour", json!("red"), "unknown"),
    ] {
        let mut body = json!({"url": URL, "topics": ["*"]});
        body[field.split('[').next().unwrap()] = value;
        let answer = project.post("/webhooks/endpoints", body.clone()).await;
        eprintln!("{body} → {}", answer.text);
        answer.is_error(400, "validation_error", part, Some(field));
    }
    for field in ["url", "topics"] {
        let mut body = json!({"url": URL, "topics": ["*"]});
        body.as_object_mut().unwrap().remove(field);
        project.post("/webhooks/endpoints", body).await.is_error(
            400,
            "validation_error",
            "required",
            Some(field),
        );
    }
    assert!(
        project.get("/webhooks/endpoints").await.ids().is_empty(),
        "what is refused leaves nothing behind"
    );
}

#[tokio::test]
async fn the_services_own_address_is_no_target() {
    let stack = Stack::shared().await;
    let project = stack.project().await;
    let url = format!("{}/events", stack.base_url());
    project.post("/webhooks/endpoints", json!({"url": url, "topics": ["*"]})).await.is_error(
        400,
        "validation_error",
        "",
        Some("url"),
    );
}

#[tokio::test]
async fn changes_at_the_same_time_lose_nothing() {
    let project = project().await;
    let endpoint = project.create_endpoint(URL, &["*"]).await;
    let path = format!("/webhooks/endpoints/{}", endpoint.id);
    let (name, description) = tokio::join!(
        project.patch(&path, json!({"name": "n"})),
        project.patch(&path, json!({"description": "d"}))
    );
    name.expect(200);
    description.expect(200);
    let read = project.get(&path).await.expect(200);
    assert_eq!((read["name"].as_str(), read["description"].as_str()), (Some("n"), Some("d")));
}
