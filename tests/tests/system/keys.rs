//! Who may call.

use std::time::Instant;

use futures::future::join_all;
use serde_json::{Value as Json, json};
use system_tests::{Stack, eventually};

#[tokio::test]
async fn without_a_valid_key_nothing_is_answered() {
    let stack = Stack::shared().await;
    let project = stack.project().await;
    for path in ["/events", "/webhooks/endpoints", "/webhooks/messages", "/projects"] {
        for key in ["nonsense", "", "phk_0000000000000000000000000000000000000000000"] {
            let answer = project.with_key(key).get(path).await;
            assert_eq!(
                (answer.status, answer.json()["kind"].as_str()),
                (401, Some("unauthorized")),
                "{path} {key:?}: {}",
                answer.text
            );
            assert!(answer.header("www-authenticate").starts_with("Bearer"));
        }
    }
}

#[tokio::test]
async fn a_key_may_do_what_its_scopes_say_and_no_more() {
    let stack = Stack::shared().await;
    let project = stack.project().await;
    let operator = stack.operator();
    let (_, endpoints) = operator.new_key(project.project(), &["endpoints"]).await;
    let (_, events) = operator.new_key(project.project(), &["events"]).await;
    let (_, read) = operator.new_key(project.project(), &["read"]).await;
    let event = json!({"kind": "task.created", "data": 1});
    let endpoint = json!({"url": "https://example.com/", "topics": ["*"]});

    let made = endpoints.post("/webhooks/endpoints", endpoint.clone()).await.expect(201);
    let secret = format!("/webhooks/endpoints/{}/secret", made["id"].as_str().unwrap());
    endpoints.get(&secret).await.expect(200);
    events.post("/events", event.clone()).await.expect(202);
    read.get("/events").await.expect(200);
    read.get("/webhooks/endpoints").await.expect(200);

    for refused in [
        endpoints.post("/events", event.clone()).await,
        endpoints.get("/events").await,
        events.post("/webhooks/endpoints", endpoint.clone()).await,
        events.get("/webhooks/messages").await,
        read.post("/events", event).await,
        read.post("/webhooks/endpoints", endpoint).await,
        read.get(&secret).await,
    ] {
        refused.is_error(403, "forbidden", "scope", None);
    }
    for refused in
        [project.get("/projects").await, project.post("/projects", json!({"name": "x"})).await]
    {
        refused.is_error(403, "forbidden", "operator", None);
    }
}

#[tokio::test]
async fn a_key_is_shown_once_and_listed_without_itself() {
    let stack = Stack::shared().await;
    let (project, operator) = (stack.project().await, stack.operator());
    let path = format!("/projects/{}/keys", project.project());
    let made = operator.post(&path, json!({"name": "CI", "scopes": ["events"]})).await.expect(201);
    assert_eq!(
        (made["object"].as_str(), made["name"].as_str(), &made["scopes"]),
        (Some("api_key"), Some("CI"), &json!(["events"]))
    );
    let listed = operator.get(&path).await;
    assert_eq!(listed.ids().len(), 2, "the project's own, and this one");
    assert!(!listed.text.contains(made["key"].as_str().unwrap()));
    assert!(listed.expect(200).as_array().unwrap().iter().all(|key| key["key"] == Json::Null));
    operator.post(&path, json!({"scopes": []})).await.is_error(
        400,
        "validation_error",
        "scope",
        Some("scopes"),
    );
    operator.post(&path, json!({"scopes": ["everything"]})).await.is_error(
        400,
        "validation_error",
        "",
        Some("scopes[0]"),
    );
}

#[tokio::test]
async fn a_revoked_key_opens_nothing_within_a_minute() {
    let stack = Stack::shared().await;
    let (project, operator) = (stack.project().await, stack.operator());
    let (id, client) = operator.new_key(project.project(), &["events", "endpoints", "read"]).await;
    // All functions know the key now.
    for path in ["/events", "/webhooks/endpoints"] {
        client.get(path).await.expect(200);
    }
    client.post_event("task.created", json!({})).await;

    let path = format!("/projects/{}/keys/{id}", project.project());
    assert_eq!(operator.delete(&path).await.expect(200), json!({"success": true}));
    operator.delete(&path).await.is_error(404, "not_found", "no such key", None);
    let revoked = Instant::now();
    eventually("the key opens nothing", async || {
        // Many at once, so that every process of a function is asked.
        let asks = (0..8).map(|_| async {
            let event = json!({"kind": "task.created", "data": 1});
            let answers = tokio::join!(
                client.get("/events"),
                client.get("/webhooks/endpoints"),
                client.post("/events", event)
            );
            [answers.0, answers.1, answers.2].iter().all(|answer| answer.status == 401)
        });
        join_all(asks).await.into_iter().all(|refused| refused).then_some(())
    })
    .await;
    eprintln!("revoked after {:.1} s", revoked.elapsed().as_secs_f64());
    assert!(revoked.elapsed().as_secs() <= 60, "a revocation takes effect within a minute");
    project.get("/events").await.expect(200);
}

#[tokio::test]
async fn projects_are_made_listed_and_changed_by_the_operator() {
    let stack = Stack::shared().await;
    let operator = stack.operator();
    let made =
        operator.post("/projects", json!({"name": "Acme", "brand": "Acme-Pay"})).await.expect(201);
    assert_eq!(
        (made["object"].as_str(), made["name"].as_str(), made["brand"].as_str()),
        (Some("project"), Some("Acme"), Some("Acme-Pay"))
    );
    let path = format!("/projects/{}", made["id"].as_str().unwrap());
    assert_eq!(operator.get(&path).await.expect(200), made);
    assert_eq!(
        operator.patch(&path, json!({"name": "Acme 2"})).await.expect(200)["name"],
        "Acme 2"
    );
    assert!(
        operator
            .get("/projects?limit=100")
            .await
            .ids()
            .contains(&made["id"].as_str().unwrap().to_owned())
    );
    operator.post("/projects", json!({"name": ""})).await.is_error(
        400,
        "validation_error",
        "",
        Some("name"),
    );
    operator.post("/projects", json!({"name": "x", "brand": "a b"})).await.is_error(
        400,
        "validation_error",
        "",
        Some("brand"),
    );
    operator.get("/projects/proj_nothing").await.is_error(
        404,
        "not_found",
        "no such project",
        None,
    );
}
