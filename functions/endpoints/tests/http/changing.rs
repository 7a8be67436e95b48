//! `PATCH` and `PUT /webhooks/endpoints/{id}`.

use futures::future::join_all;
use serde_json::{Value as Json, json};

use super::{create, minimal, path_of, start};

fn full() -> Json {
    json!({
        "url": "https://example.com/hooks", "topics": ["task.*", "run.failed"], "name": "N",
        "description": "D",
        "metadata": {"team": "a"}, "headers": {"X-Team": "a"}, "timeout_seconds": 9,
        "retry_schedule": [1, 2],
    })
}

#[tokio::test]
async fn a_change_leaves_what_it_does_not_name_and_null_sets_a_default() {
    let started = start().await;
    let created = create(&started.api, full()).await;
    let path = path_of(&created);
    let answer = started
        .api
        .ask("PATCH", &path, json!({"name": "M", "description": null, "timeout_seconds": null}))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(
        (answer.text("name"), &answer.body["description"], &answer.body["timeout_seconds"]),
        ("M", &Json::Null, &json!(5))
    );
    for field in ["url", "topics", "metadata", "headers", "retry_schedule", "status", "created_at"]
    {
        assert_eq!(answer.body[field], created[field], "{field}");
    }
    assert_eq!(started.api.ask("GET", &path, Json::Null).await.body, answer.body);
}

#[tokio::test]
async fn what_must_be_there_cannot_be_null() {
    let started = start().await;
    let path = path_of(&create(&started.api, full()).await);
    for field in ["url", "topics", "status"] {
        let answer = started.api.ask("PATCH", &path, json!({ field: null })).await;
        assert_eq!((answer.status, answer.text("field")), (400, field), "{}", answer.body);
    }
}

#[tokio::test]
async fn a_replacement_sets_what_it_does_not_name_to_the_default() {
    let started = start().await;
    let created = create(&started.api, full()).await;
    let path = path_of(&created);
    let answer = started
        .api
        .ask("PUT", &path, json!({"url": "https://example.org/", "topics": ["*"]}))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let body = &answer.body;
    assert_eq!(
        (body["url"].as_str(), &body["topics"]),
        (Some("https://example.org/"), &json!(["*"]))
    );
    assert_eq!(
        (&body["name"], &body["metadata"], &body["headers"]),
        (&Json::Null, &json!({}), &json!({}))
    );
    assert_eq!(body["timeout_seconds"], 5);
    assert_eq!(body["created_at"], created["created_at"]);
    let secret = started.api.ask("GET", &format!("{path}/secret"), Json::Null).await;
    assert_eq!(secret.body["secret"], created["secret"], "a replacement keeps the secret");
    let partial = started.api.ask("PUT", &path, json!({"url": "https://example.org/"})).await;
    assert_eq!((partial.status, partial.text("field")), (400, "topics"));
}

#[tokio::test]
async fn what_was_read_can_be_put_back() {
    let started = start().await;
    let path = path_of(&create(&started.api, full()).await);
    let read = started.api.ask("GET", &path, Json::Null).await.body;
    let put = started.api.ask("PUT", &path, read.clone()).await;
    assert_eq!(put.status, 200, "{}", put.body);
    let without_time = |mut body: Json| {
        body.as_object_mut().unwrap().remove("updated_at");
        body
    };
    assert_eq!(without_time(put.body), without_time(read));
}

#[tokio::test]
async fn an_endpoint_can_be_paused_and_go_on() {
    let started = start().await;
    let path = path_of(&create(&started.api, minimal()).await);
    for status in ["paused", "active"] {
        let answer = started.api.ask("PATCH", &path, json!({"status": status})).await;
        assert_eq!((answer.status, answer.text("status")), (200, status));
    }
}

#[tokio::test]
async fn the_secret_cannot_be_changed_on_the_way() {
    let started = start().await;
    let path = path_of(&create(&started.api, minimal()).await);
    let answer =
        started.api.ask("PATCH", &path, json!({"secret": emulator::samples::SECRET})).await;
    assert_eq!((answer.status, answer.text("field")), (400, "secret"));
}

#[tokio::test]
async fn changes_at_the_same_time_do_not_undo_each_other() {
    let started = start().await;
    let path = path_of(&create(&started.api, minimal()).await);
    let (name, description) = tokio::join!(
        started.api.ask("PATCH", &path, json!({"name": "N"})),
        started.api.ask("PATCH", &path, json!({"description": "D"})),
    );
    assert_eq!((name.status, description.status), (200, 200));
    let read = started.api.ask("GET", &path, Json::Null).await;
    assert_eq!((read.text("name"), read.text("description")), ("N", "D"));
}

#[tokio::test]
async fn a_change_that_loses_too_often_is_a_conflict_and_never_a_fault() {
    let started = start().await;
    let path = path_of(&create(&started.api, minimal()).await);
    let answers =
        join_all((0..20).map(|number| {
            let (api, path) = (started.api.clone(), path.clone());
            async move {
                api.ask("PATCH", &path, json!({"metadata": {"number": number.to_string()}})).await
            }
        }))
        .await;
    assert!(answers.iter().any(|answer| answer.status == 200));
    for answer in answers {
        assert!(
            answer.status == 200 || (answer.status, answer.text("kind")) == (409, "conflict"),
            "{}",
            answer.body
        );
    }
}
