//! Row A: endpoints and topics.

use http::Method;
use serde_json::{Value as Json, json};
use system_tests::{Receiver, Stack};

use crate::{
    platform::{platform, post},
    proofs::{members, standard_is_of},
    servers::{Server, answer_once_it_knows},
};

#[tokio::test]
async fn a_customer_manages_endpoints_as_the_platform_documents_it() {
    let project = platform("Ittybit", json!({}), &[]).await;
    let wanted = json!({"name": "Production", "url": "https://example.com/webhooks",
        "topics": ["task.succeeded", "task.failed"]});
    let created = project.post("/webhooks/endpoints", wanted.clone()).await.expect(201);
    for published in
        ["id", "object", "name", "url", "topics", "status", "secret", "created_at", "updated_at"]
    {
        assert!(members(&created).contains(&published), "{published}");
    }
    let id = created["id"].as_str().unwrap();
    assert!(id.starts_with("we_") && created["secret"].as_str().unwrap().starts_with("whsec_"));
    assert_eq!(
        (&created["object"], &created["status"]),
        (&json!("webhook_endpoint"), &json!("active"))
    );
    assert!(created["created_at"].is_u64() && created["updated_at"].is_u64(), "Unix seconds");
    for field in ["name", "url", "topics"] {
        assert_eq!(created[field], wanted[field]);
    }

    let path = format!("/webhooks/endpoints/{id}");
    for change in [
        json!({"name": "Staging"}),
        json!({"url": "https://example.com/staging"}),
        json!({"topics": ["run.created", "run.updated", "run.succeeded", "run.failed"]}),
        json!({"status": "paused"}),
        json!({"status": "active"}),
    ] {
        let changed = project.patch(&path, change.clone()).await.expect(200);
        for (field, value) in change.as_object().unwrap() {
            assert_eq!(changed[field], *value);
        }
    }
    let listed = project.get("/webhooks/endpoints").await.expect(200);
    assert_eq!(
        (listed.as_array().unwrap().len(), &listed[0]["id"], &listed[0]["name"]),
        (1, &created["id"], &json!("Staging"))
    );
    project.delete(&path).await.expect(200);
    assert_eq!(project.get("/webhooks/endpoints").await.expect(200), json!([]));
}

#[tokio::test]
async fn the_eight_topics_are_known_and_no_other_is() {
    let project = platform("Ittybit", json!({}), &[]).await;
    let topics = project.get("/webhooks/topics").await.expect(200);
    // What Posthaste itself tells (an endpoint was disabled, a delivery has failed) has topics of
    // its own.
    let names = topics.as_array().unwrap().iter().map(|topic| topic["name"].as_str().unwrap());
    let names: Vec<_> = names.filter(|name| !name.starts_with("webhook.")).collect();
    let of = |thing: &str| {
        ["created", "failed", "succeeded", "updated"].map(|state| format!("{thing}.{state}"))
    };
    assert_eq!(names, [of("run"), of("task")].concat());
    assert!(
        topics
            .as_array()
            .unwrap()
            .iter()
            .all(|topic| !topic["description"].as_str().unwrap().is_empty())
    );
    let unknown = project
        .post(
            "/webhooks/endpoints",
            json!({"url": "https://example.com/", "topics": ["task.succeeded", "task.lost"]}),
        )
        .await;
    unknown.is_error(400, "validation_error", "task.lost", Some("topics[1]"));
}

#[tokio::test]
async fn an_event_arrives_in_its_published_form_and_is_listed() {
    let project = platform("Ittybit", json!({}), &[]).await;
    let receiver = Receiver::with_tls().await;
    let endpoint = project.create_endpoint(&receiver.url("/webhooks"), &["task.succeeded"]).await;
    let task =
        r#"{"id":"task_abcdefgh12345678","object":"task","kind":"video","status":"succeeded"}"#;
    let id = post(
        &project,
        &format!(r#"{{"kind":"task.succeeded","data":{task},"created_at":1735689886}}"#),
    )
    .await;

    let request = receiver.wait_for(1).await.remove(0);
    assert!(standard_is_of(&request, endpoint.secret()));
    let published = format!(
        r#"{{"id":"{id}","object":"event","kind":"task.succeeded","data":{task},"created_at":1735689886}}"#
    );
    assert_eq!((request.method.clone(), request.text()), (Method::POST, published.as_str()));

    let read = project.get(&format!("/events/{id}")).await.expect(200);
    assert_eq!(
        read,
        serde_json::from_str::<Json>(&published).unwrap(),
        "it is read as it was sent"
    );
    let later =
        post(&project, r#"{"kind":"task.failed","data":{"id":"task_2","object":"task"}}"#).await;
    assert_eq!(project.get("/events").await.ids(), [later.as_str(), &id], "newest first");
    assert_eq!(project.get("/events?kind=task.succeeded").await.ids(), [id.as_str()]);
    assert_eq!(project.get(&format!("/events?before={id}")).await.ids(), [later.as_str()]);
    let page = project.get("/events?limit=1&order=asc").await;
    assert_eq!(
        (page.ids(), page.header("has-more"), page.header("limit")),
        (vec![id.clone()], "true", "1")
    );
    assert_eq!(project.get(&page.link("next").unwrap()).await.ids(), [later.as_str()]);
    project.get("/events?limit=101").await.is_error(
        400,
        "validation_error",
        "1 to 100",
        Some("limit"),
    );
}

#[tokio::test]
async fn plain_http_is_refused_wherever_a_url_may_stand() {
    let stack = Stack::with(&["--strict-targets"]).await;
    let project = stack.project().await;
    let url = "http://example.com/webhooks";
    let refused = async |path: &str, body: Json, field: &str| {
        let answer = if path.starts_with("/api") {
            project.put(path, body).await
        } else {
            project.post(path, body).await
        };
        answer.is_error(400, "validation_error", "https", Some(field));
    };
    refused("/webhooks/endpoints", json!({"url": url, "topics": ["*"]}), "url").await;
    let step = json!({"kind": "webhook", "url": url});
    refused(
        "/automations",
        json!({"trigger": {"kind": "event", "event": "task.created"}, "workflow": [step]}),
        "workflow[0].url",
    )
    .await;
    refused(
        "/events",
        json!({"kind": "task.created", "data": {}, "webhook_url": url}),
        "webhook_url",
    )
    .await;
    refused("/api/workers/worker_1/webhook", json!({"url": url}), "url").await;
}

#[tokio::test]
async fn customers_servers_verify_with_the_library_of_standard_webhooks() {
    let project = platform("Ittybit", json!({}), &[]).await;
    for mut server in Server::in_each_language("endpoints").await {
        let wanted = json!({"url": server.url(), "topics": ["task.succeeded"], "retry_schedule": [1,
            1, 1, 1, 1]});
        let endpoint = project.create_endpoint_with(wanted).await;
        let event = project
            .post_event(
                "task.succeeded",
                json!({"id": "task_1", "object": "task", "n": 1.5, "text": "grüße 😀"}),
            )
            .await;
        let answer =
            answer_once_it_knows(&mut server, endpoint.secret(), &project, &event.id).await;
        assert_eq!(answer, "task.succeeded task_1");
        project.delete(&format!("/webhooks/endpoints/{}", endpoint.id)).await.expect(200);
    }
}
