//! Row D: messages, attempts, test events; Svix's headers.

use serde_json::{Value as Json, json};
use system_tests::{Client, Receiver};

use crate::{
    platform::platform,
    proofs::{members, standard_is_of, svix_is_of},
    servers::{Server, answer_once_it_knows},
};

const TOPICS: [&str; 3] = ["task.progress", "task.completed", "task.failed"];

async fn aspect() -> Client {
    platform("Aspect", json!({"signatures": ["svix"], "body": "envelope"}), &TOPICS[..2]).await
}

fn task() -> Json {
    let features = json!({"proxy": {"state": "completed"}, "preview": {"state": "processing"},
        "visual": {"state": "queued"}, "transcription": {"state": "na"}});
    json!({"id": "task_1", "asset_id": "asset_1", "features": features, "user_id": "user_1",
        "created": 1_735_689_825, "updated": 1_735_689_886})
}

fn event(kind: &str) -> Json {
    json!({"kind": kind, "data": {"task": task()}, "user_id": "user_1",
        "created_at": 1_735_689_886})
}

#[tokio::test]
async fn an_endpoint_is_created_replaced_and_deleted_as_the_platform_documents_it() {
    let project = aspect().await;
    let created = project
        .post("/webhooks/endpoints", json!({"url": "https://example.com/a", "topics": TOPICS}))
        .await
        .expect(201);
    assert!(
        created["secret"].as_str().unwrap().starts_with("whsec_"),
        "the answer holds the secret"
    );
    let path = format!("/webhooks/endpoints/{}", created["id"].as_str().unwrap());
    let replaced = project
        .put(&path, json!({"url": "https://example.com/b", "topics": ["task.failed"]}))
        .await
        .expect(200);
    assert_eq!(
        (&replaced["url"], &replaced["topics"]),
        (&json!("https://example.com/b"), &json!(["task.failed"]))
    );
    assert_eq!(
        project.get(&format!("{path}/secret")).await.expect(200)["secret"],
        created["secret"],
        "it keeps its secret"
    );
    assert_eq!(project.delete(&path).await.expect(200), json!({"success": true}));
}

#[tokio::test]
async fn an_event_arrives_in_its_envelope_and_the_stock_libraries_verify_it() {
    let project = aspect().await;
    let receiver = Receiver::with_tls().await;
    let endpoint = project.create_endpoint(&receiver.url("/"), &["task.*"]).await;
    let mut posted = event("task.completed");
    posted["data"]["project"] = json!("is not sent");
    let id = project.post("/events", posted).await.expect(202)["id"].as_str().unwrap().to_owned();

    let mut request = receiver.wait_for(1).await.remove(0);
    let body = request.json();
    assert_eq!(members(&body), ["data", "event_id", "event_type", "timestamp", "user_id"]);
    assert_eq!(body["data"], json!({"task": task()}), "only the task is set");
    assert_eq!(
        (&body["event_id"], &body["event_type"], &body["user_id"]),
        (&json!(id), &json!("task.completed"), &json!("user_1"))
    );
    assert_eq!(
        (&body["timestamp"], request.header("svix-id")),
        (&json!(1_735_689_886), id.as_str())
    );
    let bare = endpoint.secret().strip_prefix("whsec_").unwrap();
    assert!(
        svix_is_of(&request, endpoint.secret()) && svix_is_of(&request, bare),
        "with and without its prefix"
    );
    for name in ["id", "timestamp", "signature"] {
        let value = request.headers[format!("svix-{name}").as_str()].clone();
        request.headers.insert(
            ["webhook-id", "webhook-timestamp", "webhook-signature"]
                .into_iter()
                .find(|to| to.ends_with(name))
                .unwrap(),
            value,
        );
    }
    assert!(
        standard_is_of(&request, endpoint.secret()) && standard_is_of(&request, bare),
        "the same scheme by its other names"
    );
}

#[tokio::test]
async fn messages_and_attempts_tell_what_became_of_an_event() {
    let project = aspect().await;
    let receiver = Receiver::start().await;
    receiver.failing(1);
    let wanted = json!({"url": receiver.url("/"), "topics": ["task.*"], "retry_schedule": [1]});
    let endpoint = project.create_endpoint_with(wanted).await;
    let quiet = project.post("/events", event("task.progress")).await.expect(202)["id"]
        .as_str()
        .unwrap()
        .to_owned();
    project.wait_for_message(&quiet, "succeeded").await;

    let messages = project.get("/webhooks/messages").await.expect(200);
    assert_eq!(
        (messages.as_array().unwrap().len(), &messages[0]["id"], &messages[0]["kind"]),
        (1, &json!(quiet), &json!("task.progress"))
    );
    let mut lists = Vec::new();
    for path in [
        format!("/webhooks/delivery-attempts?message_id={quiet}"),
        format!("/webhooks/delivery-attempts?endpoint_id={}", endpoint.id),
        format!("/webhooks/endpoints/{}/deliveries", endpoint.id),
    ] {
        lists.push(project.get(&path).await.expect(200));
    }
    let outcomes: Vec<_> =
        lists[0].as_array().unwrap().iter().map(|attempt| &attempt["outcome"]).collect();
    assert_eq!(outcomes, [&json!("succeeded"), &json!("http_error")], "newest first");
    assert!(lists[1] == lists[0] && lists[2] == lists[0], "whichever way one asks");
}

#[tokio::test]
async fn a_test_event_of_any_topic_shows_its_example() {
    let project = aspect().await;
    let receiver = Receiver::start().await;
    let example = json!({"task": task()});
    project
        .put(
            "/webhooks/topics/task.completed",
            json!({"description": "A task is done", "example": example}),
        )
        .await
        .expect(200);
    let endpoint = project.create_endpoint(&receiver.url("/"), &["task.failed"]).await;
    let path = format!("/webhooks/endpoints/{}/test", endpoint.id);
    for (count, (kind, data)) in [
        ("task.completed", example),
        (
            "task.failed",
            json!({"task": {"id": "task_example", "object": "task", "status": "failed"}}),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let sent = project.post(&path, json!({"kind": kind})).await.expect(202);
        let request = receiver.wait_for(count + 1).await.pop().unwrap();
        assert!(svix_is_of(&request, endpoint.secret()));
        let body = request.json();
        assert_eq!(
            (&body["event_type"], &body["event_id"], &body["data"]),
            (&json!(kind), &sent["id"], &data)
        );
        let attempt = project.wait_for_attempts(sent["id"].as_str().unwrap(), 1).await.remove(0);
        assert_eq!((attempt.trigger.as_str(), attempt.outcome.as_str()), ("test", "succeeded"));
    }
    project.post(&path, json!({"kind": "task.lost"})).await.is_error(
        400,
        "validation_error",
        "task.lost",
        Some("kind"),
    );
}

#[tokio::test]
async fn customers_servers_verify_with_the_library_of_svix() {
    let project = aspect().await;
    for mut server in Server::in_each_language("messages").await {
        let wanted = json!({"url": server.url(), "topics": ["task.completed"], "retry_schedule": [1,
            1, 1, 1, 1]});
        let endpoint = project.create_endpoint_with(wanted).await;
        let id = project.post("/events", event("task.completed")).await.expect(202)["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let answer = answer_once_it_knows(&mut server, endpoint.secret(), &project, &id).await;
        assert_eq!(answer, "task.completed task_1");

        // The secret as some of the platform's pages show it.
        server.knows(endpoint.secret().strip_prefix("whsec_").unwrap()).await;
        let sent = project
            .post(&format!("/webhooks/endpoints/{}/test", endpoint.id), json!({}))
            .await
            .expect(202);
        let attempt = project.wait_for_attempts(sent["id"].as_str().unwrap(), 1).await.remove(0);
        assert_eq!(
            attempt.response_body.as_deref(),
            Some("task.completed task_example"),
            "{}",
            server.language
        );
        project.delete(&format!("/webhooks/endpoints/{}", endpoint.id)).await.expect(200);
    }
}
