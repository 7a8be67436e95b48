//! What producers may post, and what is refused.

use http::Method;
use serde_json::{Value as Json, json};
use system_tests::{Client, Event, Receiver, Stack};

/// The largest payload: 256 KiB.
const MAX_PAYLOAD: usize = 256 * 1_024;

async fn project() -> Client {
    Stack::shared().await.project().await
}

#[tokio::test]
async fn a_batch_of_a_hundred_is_accepted_in_its_order_and_delivered() {
    let project = project().await;
    let receiver = Receiver::start().await;
    project.create_endpoint(&receiver.url("/"), &["task.*"]).await;
    let events: Vec<_> = (0..100)
        .map(|number| json!({"kind": "task.created", "data": {"number": number}}))
        .collect();
    let accepted: Vec<Event> =
        project.post("/events/batch", json!({"events": events})).await.read(202);
    let numbers: Vec<_> = accepted.iter().map(|event| event.data.get().to_owned()).collect();
    assert_eq!(
        numbers,
        (0..100).map(|number| format!("{{\"number\":{number}}}")).collect::<Vec<_>>()
    );
    assert!(
        accepted.is_sorted_by_key(|event| event.id.clone()),
        "a batch's events sort as they were posted"
    );
    let mut arrived: Vec<_> =
        receiver.wait_for(100).await.iter().map(system_tests::Request::webhook_id).collect();
    arrived.sort();
    assert_eq!(arrived, accepted.iter().map(|event| event.id.clone()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_batch_with_one_bad_entry_is_refused_whole_and_the_entry_is_named() {
    let project = project().await;
    let good = json!({"kind": "task.created", "data": 1});
    for (bad, field) in [
        (json!({"kind": "task.exploded", "data": 1}), "events[1].kind"),
        (json!({"kind": "task.created"}), "events[1].data"),
        (json!({"kind": "task.created", "data": 1, "colour": 2}), "events[1].colour"),
    ] {
        let answer =
            project.post("/events/batch", json!({"events": [good, bad, good]})).await.expect(400);
        let errors = answer["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 1, "{answer}");
        assert_eq!(
            (errors[0]["index"].as_u64(), errors[0]["field"].as_str()),
            (Some(1), Some(field)),
            "{answer}"
        );
    }
    assert!(project.get("/events").await.ids().is_empty(), "none was accepted");
    let events = vec![good; 101];
    project.post("/events/batch", json!({"events": events})).await.is_error(
        400,
        "validation_error",
        "100",
        Some("events"),
    );
    project.post("/events/batch", json!({"events": []})).await.is_error(
        400,
        "validation_error",
        "",
        Some("events"),
    );
}

#[tokio::test]
async fn a_payload_of_256_kib_arrives_and_one_more_byte_is_too_much() {
    let project = project().await;
    let receiver = Receiver::start().await;
    project.create_endpoint(&receiver.url("/"), &["*"]).await;
    // With its quotes it is as long as may be. Quotes and control characters would grow on the way
    // through SQS.
    let text: String = "a\"".repeat(MAX_PAYLOAD / 3 - 1);
    let padding = "b".repeat(MAX_PAYLOAD - 2 - (MAX_PAYLOAD / 3 - 1) * 3);
    let largest = json!(format!("{text}{padding}"));
    assert_eq!(largest.to_string().len(), MAX_PAYLOAD);
    project.post_event("task.created", largest.clone()).await;
    assert_eq!(receiver.wait_for(1).await[0].json()["data"], largest);

    let larger = json!(format!("{text}{padding}b"));
    let answer = project.post("/events", json!({"kind": "task.created", "data": larger})).await;
    answer.is_error(413, "payload_too_large", "262144", Some("data"));
    let answer = project
        .post("/events", json!({"kind": "task.created", "data": "c".repeat(2_000_000)}))
        .await;
    assert_eq!((answer.status, answer.json()["kind"].as_str()), (413, Some("payload_too_large")));
    assert_eq!(project.get("/events").await.ids().len(), 1);
}

#[tokio::test]
async fn a_body_that_is_no_event_is_refused_with_the_right_status() {
    let project = project().await;
    for (body, kind, field) in [
        ("", "malformed_request", None),
        ("{", "malformed_request", None),
        ("[]", "malformed_request", None),
        (r#"{"kind":"task.created","data":{}"#, "malformed_request", None),
        (r#"{"kind":"task.created","data":01}"#, "malformed_request", None),
        (r#"{"data":{}}"#, "validation_error", Some("kind")),
        (r#"{"kind":"task.created"}"#, "validation_error", Some("data")),
        (r#"{"kind":"no topic","data":{}}"#, "validation_error", Some("kind")),
        (r#"{"kind":"task.exploded","data":{}}"#, "validation_error", Some("kind")),
        (r#"{"kind":"task.created","data":{},"id":"7"}"#, "validation_error", Some("id")),
        (
            r#"{"kind":"task.created","data":{},"created_at":1735689886000}"#,
            "validation_error",
            Some("created_at"),
        ),
        (r#"{"kind":"task.created","data":{},"webhook":"x"}"#, "validation_error", Some("webhook")),
    ] {
        let answer = project.send_text(Method::POST, "/events", body).await;
        eprintln!("{body} → {} {}", answer.status, answer.text);
        answer.is_error(400, kind, "", field);
    }
    let request = project
        .request(Method::POST, "/events")
        .header("content-type", "text/xml")
        .body("<event/>");
    project.send(request).await.is_error(415, "unsupported_media_type", "application/json", None);
    assert!(project.get("/events").await.ids().is_empty());
}

#[tokio::test]
async fn an_event_keeps_what_its_producer_said_of_it() {
    let project = project().await;
    let body = json!({"kind": "run.created", "data": {"a": [1, "é"]}, "user_id": "u",
        "worker_id": "w", "metadata": {"m": 1}, "created_at": 5});
    let posted = project.post("/events", body.clone()).await.expect(202);
    assert_eq!(posted["object"], "event");
    let read =
        project.get(&format!("/events/{}", posted["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(read, posted);
    for (field, value) in body.as_object().unwrap() {
        assert_eq!(&read[field], value);
    }
    let message = project
        .get(&format!("/webhooks/messages/{}", posted["id"].as_str().unwrap()))
        .await
        .expect(200);
    assert_eq!(
        (message["object"].as_str(), &message["deliveries"]),
        (Some("message"), &Json::Array(Vec::new()))
    );
}
