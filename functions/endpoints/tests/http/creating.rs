//! `POST /webhooks/endpoints`.

use std::collections::BTreeMap;

use emulator::testing::{AwsStandIn, HOST, sample};
use serde_json::{Value as Json, json};

use super::{create, minimal, path_of, start, start_with};

#[tokio::test]
async fn the_sample_creates_an_endpoint_and_the_answer_holds_its_secret() {
    let started = start().await;
    let answer = started.api.invoke(&sample("create-endpoint.json")).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let body = &answer.body;
    assert!(answer.text("id").starts_with("we_"));
    assert!(answer.text("secret").starts_with("whsec_"));
    assert!(body["created_at"].is_u64() && body["created_at"] == body["updated_at"], "{body}");
    let mut rest = body.clone();
    for field in ["id", "secret", "created_at", "updated_at"] {
        rest.as_object_mut().unwrap().remove(field);
    }
    let health = json!({
        "state": "healthy", "consecutive_failures": 0, "failing_since": null,
        "last_failure_at": null, "last_success_at": null,
        "parking": false,
    });
    let expected = json!({
        "object": "webhook_endpoint", "name": "Example", "url": "https://example.com/webhooks",
        "topics": ["task.*"], "status": "active",
        "disabled_reason": null, "health": health, "description": null, "metadata": {},
        "headers": {}, "signatures": ["standard"], "body": "event",
        "timeout_seconds": 5, "rate_limit": null, "retry_schedule": [5, 300],
    });
    assert_eq!(rest, expected);
}

#[tokio::test]
async fn the_bad_sample_is_refused_by_the_topic_that_does_not_exist() {
    let started = start().await;
    let answer = started.api.invoke(&sample("bad-create-endpoint.json")).await;
    assert_eq!(
        (answer.status, answer.text("kind"), answer.text("field")),
        (400, "validation_error", "topics[1]")
    );
    assert!(answer.text("message").contains("song.released"), "{}", answer.body);
    let list = started.api.ask("GET", "/webhooks/endpoints", Json::Null).await;
    assert_eq!(list.body, json!([]), "nothing was made");
}

#[tokio::test]
async fn bad_fields_are_named() {
    let started = start().await;
    for (field, change) in [
        ("url", json!({"url": null})),
        ("url", json!({"url": "not a url"})),
        ("url", json!({"url": "https://user:pass@example.com/"})),
        ("topics", json!({"topics": []})),
        ("topics[0]", json!({"topics": ["task.*.x"]})),
        ("timeout_seconds", json!({"timeout_seconds": 31})),
        ("timeout_seconds", json!({"timeout_seconds": "5"})),
        ("retry_schedule", json!({"retry_schedule": [0]})),
        ("headers", json!({"headers": {"Webhook-Id": "x"}})),
        ("signatures", json!({"signatures": []})),
        ("status", json!({"status": "disabled"})),
        ("secret", json!({"secret": "whsec_short"})),
        ("metadata", json!({"metadata": {"": "x"}})),
        (
            "metadata",
            json!({"metadata": (0..33).map(|number| (number.to_string(),
                "x".repeat(500))).collect::<BTreeMap<_, _>>()}),
        ),
        ("colour", json!({"colour": "red"})),
    ] {
        let mut body = minimal();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let answer = started.api.ask("POST", "/webhooks/endpoints", body).await;
        assert_eq!(
            (answer.status, answer.text("field")),
            (400, field),
            "{change}: {}",
            answer.body
        );
    }
}

#[tokio::test]
async fn the_services_own_host_is_refused_and_so_is_the_configured_one() {
    let aws = AwsStandIn::start().await;
    let mut variables = aws.environment_of("endpoints");
    variables.insert("OWN_HOST".to_owned(), "hooks.example.org".to_owned());
    let settings = variables.into_iter().collect();
    let started = start_with(aws, &settings).await;
    for url in [
        &format!("https://{HOST}/events"),
        "https://hooks.example.org/",
        "https://HOOKS.example.org.:443/x",
    ] {
        let answer = started
            .api
            .ask("POST", "/webhooks/endpoints", json!({"url": url, "topics": ["*"]}))
            .await;
        assert_eq!((answer.status, answer.text("field")), (400, "url"), "{url}: {}", answer.body);
    }
}

#[tokio::test]
async fn as_deployed_no_receiver_on_this_machine_is_taken() {
    let aws = AwsStandIn::start().await;
    let settings = aws.environment_of("endpoints").into_iter().collect();
    let started = start_with(aws, &settings).await;
    for url in [
        "http://example.com/",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://169.254.169.254/",
    ] {
        let answer = started
            .api
            .ask("POST", "/webhooks/endpoints", json!({"url": url, "topics": ["*"]}))
            .await;
        assert_eq!((answer.status, answer.text("field")), (400, "url"), "{url}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_customers_own_secret_is_taken_as_it_is() {
    let started = start().await;
    let mut body = minimal();
    body["secret"] = json!(emulator::samples::SECRET);
    assert_eq!(create(&started.api, body).await["secret"], emulator::samples::SECRET);
}

#[tokio::test]
async fn no_row_of_the_table_holds_a_secret_in_the_clear() {
    let started = start().await;
    let created = create(&started.api, minimal()).await;
    let rotated =
        started.api.ask("POST", &format!("{}/secret/rotate", path_of(&created)), json!({})).await;
    let config = aws_sdk_dynamodb::Client::new(&started.aws.sdk_config());
    let rows =
        config.scan().table_name(started.aws.table_name("ConfigTable")).send().await.unwrap();
    let rows = format!("{:?}", rows.items());
    for secret in [created["secret"].as_str(), rotated.body["secret"].as_str()] {
        let secret = secret.unwrap();
        assert!(
            rows.contains(created["id"].as_str().unwrap())
                && !rows.contains(&secret["whsec_".len()..]),
            "{rows}"
        );
    }
}
