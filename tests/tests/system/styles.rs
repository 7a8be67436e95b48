//! Signature styles, body shapes and secrets, as receivers meet them.

use serde_json::json;
use system_tests::{Receiver, Stack};

#[tokio::test]
async fn one_event_reaches_an_endpoint_of_every_style_and_shape() {
    let stack = Stack::shared().await;
    let project = stack.project().await;
    let mut receivers = Vec::new();
    for (style, shape) in [
        ("standard", "event"),
        ("svix", "envelope"),
        ("timestamped", "data"),
        ("digest", "standard"),
        ("token", "cloudevents"),
    ] {
        let receiver = Receiver::start().await;
        let body = json!({"url": receiver.url("/"), "topics": ["task.created"],
            "signatures": [style], "body": shape});
        let endpoint = project.create_endpoint_with(body).await;
        receivers.push((style, shape, endpoint, receiver));
    }
    let event = project.post_event("task.created", json!({"task": {"id": "task_1"}})).await;

    for (style, shape, endpoint, receiver) in receivers {
        let request = receiver.wait_for(1).await.remove(0);
        match style {
            "timestamped" => {
                assert!(request.header("posthaste-signature").starts_with("t="), "{style}");
            }
            "digest" => assert_eq!(
                request.header("posthaste-signature").len(),
                64,
                "{style}: hex of SHA-256"
            ),
            "token" => assert_eq!(request.header("x-posthaste-token"), endpoint.secret()),
            "svix" => svix::webhooks::Webhook::new(endpoint.secret())
                .unwrap()
                .verify(&request.body, &request.headers)
                .unwrap(),
            _ => request.verify(endpoint.secret()),
        }
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        let task = json!({"id": "task_1"});
        match shape {
            "data" => assert_eq!(body, json!({"task": task})),
            "envelope" => assert_eq!(
                (&body["event_id"], &body["data"]),
                (&json!(event.id), &json!({"task": task}))
            ),
            "standard" => {
                assert_eq!((&body["type"], &body["data"]["task"]), (&json!("task.created"), &task));
            }
            "cloudevents" => {
                assert_eq!((&body["specversion"], &body["data"]["task"]), (&json!("1.0"), &task));
                assert_eq!(request.header("content-type"), "application/cloudevents+json");
            }
            _ => assert_eq!(body["object"], "event"),
        }
    }
}

#[tokio::test]
async fn an_event_that_cannot_have_an_endpoints_shape_is_refused_when_posted() {
    let stack = Stack::shared().await;
    let project = stack.project().await;
    let receiver = Receiver::start().await;
    project
        .create_endpoint_with(
            json!({"url": receiver.url("/"), "topics": ["task.*"], "body": "envelope"}),
        )
        .await;
    let answer =
        project.post("/events", json!({"kind": "task.created", "data": {"id": "task_1"}})).await;
    answer.is_error(400, "validation_error", "an object with a `task`", Some("data"));
    project.post_event("run.created", json!({"id": "run_1"})).await;
}

#[tokio::test]
async fn both_secrets_verify_within_the_overlap_of_a_rotation_and_only_the_new_one_without() {
    let stack = Stack::shared().await;
    let project = stack.project().await;
    let receiver = Receiver::start().await;
    let endpoint = project.create_endpoint(&receiver.url("/"), &["*"]).await;
    let rotate = format!("/webhooks/endpoints/{}/secret/rotate", endpoint.id);

    let rotated = project.post(&rotate, json!({})).await.expect(200);
    let new = rotated["secret"].as_str().unwrap().to_owned();
    assert_ne!(new, endpoint.secret());
    project.post_event("task.created", json!(1)).await;
    let request = receiver.wait_for(1).await.remove(0);
    request.verify(endpoint.secret());
    request.verify(&new);

    let newest = project.post(&rotate, json!({"overlap_seconds": 0})).await.expect(200)["secret"]
        .as_str()
        .unwrap()
        .to_owned();
    let now = project.get(&format!("/webhooks/endpoints/{}/secret", endpoint.id)).await.expect(200);
    assert_eq!(now, json!({"secret": newest}));
    project.post_event("task.created", json!(2)).await;
    let request = receiver.wait_for(2).await.remove(1);
    request.verify(&newest);
    let void = standardwebhooks::Webhook::new(&new).unwrap();
    assert!(
        void.verify(&request.body, &request.headers).is_err(),
        "without overlap the old one is void at once"
    );

    project.post(&rotate, json!({"overlap_seconds": 604_801})).await.is_error(
        400,
        "validation_error",
        "604800",
        Some("overlap_seconds"),
    );
    project.post(&rotate, json!({"secret": "short"})).await.is_error(
        400,
        "validation_error",
        "16 to 256",
        Some("secret"),
    );
}
