//! An event's whole way, when all goes well.

use serde_json::json;
use system_tests::{Receiver, Stack};

#[tokio::test]
async fn an_event_arrives_signed_over_tls_and_the_log_says_so() {
    let stack = Stack::shared().await;
    let project = stack.project().await;
    let receiver = Receiver::with_tls().await;
    let endpoint =
        project.create_endpoint(&receiver.url("/hooks?from=posthaste"), &["task.succeeded"]).await;

    let event = project
        .post_event(
            "task.succeeded",
            json!({"id": "task_1", "object": "task", "status": "succeeded"}),
        )
        .await;
    let request = receiver.wait_for(1).await.remove(0);
    request.verify(endpoint.secret());
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/hooks?from=posthaste"));
    assert_eq!(request.header("content-type"), "application/json");
    assert_eq!(request.webhook_id(), event.id);

    let message = project.wait_for_message(&event.id, "succeeded").await;
    let [delivery] = message.deliveries.as_slice() else {
        panic!("one endpoint, one delivery: {message:?}")
    };
    assert_eq!(
        (&delivery.endpoint_id, &delivery.url, delivery.attempts),
        (&endpoint.id, &endpoint.url, 1)
    );
    assert_eq!(delivery.next_attempt_at, None);
    let attempts = project.attempts(&event.id).await;
    let [attempt] = attempts.as_slice() else { panic!("a success has one attempt: {attempts:?}") };
    assert_eq!(
        (attempt.number, attempt.trigger.as_str(), attempt.outcome.as_str()),
        (1, "scheduled", "succeeded")
    );
    assert_eq!(
        (attempt.response_status, &attempt.error, &attempt.message_id),
        (Some(200), &None, &event.id)
    );
    assert_eq!(
        project.get(&format!("/events/{}", event.id)).await.expect(200)["kind"],
        "task.succeeded"
    );
}

#[tokio::test]
async fn a_forged_request_does_not_verify() {
    let stack = Stack::shared().await;
    let project = stack.project().await;
    let receiver = Receiver::start().await;
    let endpoint = project.create_endpoint(&receiver.url("/"), &["*"]).await;
    project.post_event("task.created", json!({"amount": 1})).await;
    let request = receiver.wait_for(1).await.remove(0);
    let library = standardwebhooks::Webhook::new(endpoint.secret()).unwrap();
    assert!(library.verify(&request.body, &request.headers).is_ok());
    let forged = request.text().replace("\"amount\":1", "\"amount\":2");
    assert_ne!(forged, request.text());
    assert!(library.verify(forged.as_bytes(), &request.headers).is_err());
}

#[tokio::test]
async fn the_body_is_the_event_and_the_datas_bytes_survive() {
    let stack = Stack::shared().await;
    let project = stack.project().await;
    let receiver = Receiver::start().await;
    let endpoint = project.create_endpoint(&receiver.url("/"), &["*"]).await;

    let data = r#"{"z":1,"a":"ü € 😀","price":1.50,"whole":1.0,"huge":12345678901234567891,"small":1e-7,"none":null,"list":[ 3, 1 ],"esc":"\u00e9\/"}"#;
    let canonical = r#"{"z":1,"a":"ü € 😀","price":1.5,"whole":1,"huge":12345678901234567891,"small":1e-7,"none":null,"list":[3,1],"esc":"é/"}"#;
    let posted = format!(
        r#"{{"kind":"run.updated","data":{data},"created_at":1735689886,"metadata":{{"a":1}}}}"#
    );
    let event: system_tests::Event =
        project.send_text(http::Method::POST, "/events", &posted).await.read(202);
    assert_eq!(event.data.get(), canonical, "the answer shows what will be sent");

    let request = receiver.wait_for(1).await.remove(0);
    request.verify(endpoint.secret());
    let expected = format!(
        r#"{{"id":"{}","object":"event","kind":"run.updated","data":{canonical},"created_at":1735689886}}"#,
        event.id
    );
    assert_eq!(request.text(), expected);
    let read: system_tests::Event = project.get(&format!("/events/{}", event.id)).await.read(200);
    assert_eq!(read.data.get(), canonical, "the log has the same bytes");
}

#[tokio::test]
async fn one_event_goes_to_every_endpoint_that_wants_it_and_to_no_other() {
    let stack = Stack::shared().await;
    let project = stack.project().await;
    let receiver = Receiver::start().await;
    for (path, topics) in [
        ("/exact", &["task.created"][..]),
        ("/prefix", &["task.*"]),
        ("/all", &["*"]),
        ("/twice", &["task.created", "task.*"]),
        ("/other", &["run.created", "task.updated"]),
        ("/other-prefix", &["run.*"]),
    ] {
        project.create_endpoint(&receiver.url(path), topics).await;
    }
    let event = project.post_event("task.created", json!({})).await;
    let message = project.wait_for_message(&event.id, "succeeded").await;
    assert_eq!(message.deliveries.len(), 4);
    let mut paths: Vec<_> = receiver.received().into_iter().map(|request| request.path).collect();
    paths.sort();
    assert_eq!(paths, ["/all", "/exact", "/prefix", "/twice"]);
}

#[tokio::test]
async fn paused_and_deleted_endpoints_get_nothing_and_a_resumed_one_does() {
    let stack = Stack::shared().await;
    let project = stack.project().await;
    let receiver = Receiver::start().await;
    let paused = project.create_endpoint(&receiver.url("/paused"), &["*"]).await;
    let deleted = project.create_endpoint(&receiver.url("/deleted"), &["*"]).await;
    project.create_endpoint(&receiver.url("/live"), &["*"]).await;
    project
        .patch(&format!("/webhooks/endpoints/{}", paused.id), json!({"status": "paused"}))
        .await
        .expect(200);
    assert_eq!(
        project.delete(&format!("/webhooks/endpoints/{}", deleted.id)).await.expect(200),
        json!({"success": true})
    );

    let first = project.post_event("task.created", json!({})).await;
    assert_eq!(
        project.wait_for_message(&first.id, "succeeded").await.deliveries.len(),
        1,
        "only the live one is a target"
    );
    project
        .patch(&format!("/webhooks/endpoints/{}", paused.id), json!({"status": "active"}))
        .await
        .expect(200);
    let second = project.post_event("task.created", json!({})).await;
    assert_eq!(project.wait_for_message(&second.id, "succeeded").await.deliveries.len(), 2);

    assert_eq!(receiver.received_at("/live").len(), 2);
    assert_eq!(receiver.received_at("/paused").len(), 1);
    assert_eq!(receiver.received_at("/deleted").len(), 0);
}

#[tokio::test]
async fn an_endpoints_own_headers_are_sent() {
    let stack = Stack::shared().await;
    let project = stack.project().await;
    let receiver = Receiver::start().await;
    let headers = json!({"X-Team": "billing"});
    project
        .create_endpoint_with(
            json!({"url": receiver.url("/"), "topics": ["*"], "headers": headers}),
        )
        .await;
    project.post_event("task.created", json!({})).await;
    assert_eq!(receiver.wait_for(1).await[0].header("x-team"), "billing");
    let refused = project
        .post(
            "/webhooks/endpoints",
            json!({"url": receiver.url("/"), "topics": ["*"], "headers": {"Host": "x"}}),
        )
        .await;
    refused.is_error(400, "validation_error", "", Some("headers"));
}
