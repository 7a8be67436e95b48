//! All rows at once: one event, and an endpoint of each style and shape that wants it.

use serde_json::{Value as Json, json};
use system_tests::{Receiver, Request};

use crate::{
    platform::{platform, project_secret},
    proofs::{digest_is_of, standard_is_of, svix_is_of, timestamped_is_of},
    servers::Server,
};

const STYLES: [&str; 5] = ["standard", "svix", "timestamped", "digest", "token"];
const SHAPES: [&str; 5] = ["event", "data", "standard", "envelope", "cloudevents"];

fn verify(request: &Request, style: &str, secret: &str) {
    let genuine = match style {
        "standard" => standard_is_of(request, secret),
        "svix" => svix_is_of(request, secret),
        "timestamped" => timestamped_is_of(request, "acme-signature", secret),
        "digest" => digest_is_of(request, "acme-signature", secret),
        _ => request.header("x-acme-token") == secret,
    };
    assert!(genuine, "{style} at {}", request.path);
}

/// The event's data in a body of this shape.
fn data(shape: &str, body: &Json) -> Json {
    if shape == "data" { body.clone() } else { body["data"].clone() }
}

#[tokio::test]
async fn one_event_reaches_every_style_and_shape_and_everybody_without_an_endpoint() {
    let project = platform("Acme", json!({"signatures": ["timestamped"]}), &[]).await;
    let receiver = Receiver::with_tls().await;
    let mut expected = Vec::new();
    for style in STYLES {
        for shape in SHAPES {
            let path = format!("/{style}/{shape}");
            let body = json!({"url": receiver.url(&path), "topics": ["task.*"],
                "signatures": [style], "body": shape});
            let endpoint = project.create_endpoint_with(body).await;
            expected.push((path, style, shape, endpoint.secret().to_owned()));
        }
    }
    let step = json!({"kind": "webhook", "url": receiver.url("/automation"), "ref": "notify"});
    let automation =
        json!({"trigger": {"kind": "event", "event": "task.created"}, "workflow": [step]});
    let automation = project.post("/automations", automation).await.expect(201);
    let worker = project
        .put("/api/workers/worker_1/webhook", json!({"url": receiver.url("/worker")}))
        .await
        .expect(200);
    let secret = project_secret(&project).await;
    expected.push(("/automation".to_owned(), "timestamped", "data", secret.clone()));
    expected.push(("/task".to_owned(), "timestamped", "data", secret));
    expected.push((
        "/worker".to_owned(),
        "token",
        "event",
        worker["token"].as_str().unwrap().to_owned(),
    ));

    let task = json!({"task": {"id": "task_1", "n": 1.5, "text": "grüße 😀"}});
    let event = json!({"kind": "task.created", "data": task, "worker_id": "worker_1",
        "webhook_url": receiver.url("/task")});
    let id = project.post("/events", event).await.expect(202)["id"].as_str().unwrap().to_owned();
    let message = project.wait_for_message(&id, "succeeded").await;
    assert_eq!(
        (message.deliveries.len(), receiver.received().len()),
        (expected.len(), expected.len()),
        "each one once"
    );
    for (path, style, shape, secret) in expected {
        let request =
            receiver.received_at(&path).pop().unwrap_or_else(|| panic!("nothing came to {path}"));
        verify(&request, style, &secret);
        let mut wanted = task.clone();
        if path == "/automation" {
            wanted["automation_id"] = automation["id"].clone();
        }
        assert_eq!(data(shape, &request.json()), wanted, "{path}");
    }
}

#[tokio::test]
async fn one_event_reaches_customers_servers_of_every_row_that_signs() {
    let project = platform("Ittybit", json!({}), &[]).await;
    let mut servers = Vec::new();
    for (row, style, shape) in [
        ("endpoints", "standard", "event"),
        ("automations", "timestamped", "data"),
        ("jobs", "digest", "data"),
        ("messages", "svix", "envelope"),
    ] {
        for mut server in Server::in_each_language(row).await {
            let body = json!({"url": server.url(), "topics": ["task.*"], "signatures": [style],
                "body": shape});
            server.knows(project.create_endpoint_with(body).await.secret()).await;
            servers.push(server);
        }
    }
    if servers.is_empty() {
        return;
    }
    let resource = json!({"id": "task_1", "object": "task", "status": "succeeded",
        "task": {"id": "task_1"}, "text": "grüße 😀"});
    let event = project.post_event("task.succeeded", resource).await;
    project.wait_for_message(&event.id, "succeeded").await;
    let attempts = project.attempts(&event.id).await;
    assert_eq!(attempts.len(), servers.len(), "each took it at once: {attempts:?}");
}
