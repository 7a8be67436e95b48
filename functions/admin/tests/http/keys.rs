//! A project's keys.

use domain::model::{ApiKey, Scope};
use serde_json::{Value as Json, json};
use store::{Table, api_keys::KeyReader};

use super::{Started, key, project, start};

pub(super) async fn opens(started: &Started, text: &str) -> bool {
    let config = Table::new(
        aws_sdk_dynamodb::Client::new(&started.aws.sdk_config()),
        started.aws.table_name("ConfigTable"),
    );
    KeyReader::new(config).find(&ApiKey::presented(text).hash()).await.unwrap().is_some()
}

#[tokio::test]
async fn a_key_is_shown_once_and_kept_as_its_hash() {
    let started = start().await;
    let project = project(&started.api, "Acme").await;
    let made = key(&started.api, &project, json!({"name": "CI"})).await;
    let text = made["key"].as_str().unwrap();
    assert!(text.starts_with("phk_") && opens(&started, text).await);
    assert_eq!(
        (&made["object"], &made["name"], &made["scopes"]),
        (&json!("api_key"), &json!("CI"), &json!(["endpoints", "events", "read"]))
    );

    let list = started.api.ask("GET", &format!("/projects/{project}/keys"), Json::Null).await;
    assert_eq!((list.status, &list.body[0]["id"]), (200, &made["id"]));
    assert!(list.body[0].get("key").is_none() && !list.body.to_string().contains(text));
    let rows = aws_sdk_dynamodb::Client::new(&started.aws.sdk_config())
        .scan()
        .table_name(started.aws.table_name("ConfigTable"));
    assert!(
        !format!("{:?}", rows.send().await.unwrap().items()).contains(text),
        "not even in the table"
    );
}

#[tokio::test]
async fn a_key_has_the_scopes_that_it_was_made_with() {
    let started = start().await;
    let project = project(&started.api, "Acme").await;
    let made = key(&started.api, &project, json!({"scopes": ["read", "events", "read"]})).await;
    assert_eq!(made["scopes"], json!(["events", "read"]));
    for scopes in [json!([]), json!(["everything"])] {
        let answer = started
            .api
            .ask("POST", &format!("/projects/{project}/keys"), json!({"scopes": scopes}))
            .await;
        assert_eq!(answer.status, 400);
        assert!(answer.text("field").starts_with("scopes"), "{}", answer.body);
    }
}

#[tokio::test]
async fn a_revoked_key_is_gone_and_others_stay() {
    let started = start().await;
    let project = project(&started.api, "Acme").await;
    let (kept, revoked) = (
        key(&started.api, &project, json!({})).await,
        key(&started.api, &project, json!({})).await,
    );
    let path = format!("/projects/{project}/keys/{}", revoked["id"].as_str().unwrap());
    let answer = started.api.ask("DELETE", &path, Json::Null).await;
    assert_eq!((answer.status, answer.body), (200, json!({"success": true})));
    assert!(!opens(&started, revoked["key"].as_str().unwrap()).await);
    assert!(opens(&started, kept["key"].as_str().unwrap()).await);
    assert_eq!(started.api.ask("DELETE", &path, Json::Null).await.status, 404);
}

#[tokio::test]
async fn a_key_is_revoked_only_through_its_own_project() {
    let started = start().await;
    let (project, other) =
        (project(&started.api, "Acme").await, project(&started.api, "Other").await);
    let made = key(&started.api, &project, json!({})).await;
    let id = made["id"].as_str().unwrap();
    assert_eq!(
        started.api.ask("DELETE", &format!("/projects/{other}/keys/{id}"), Json::Null).await.status,
        404
    );
    assert!(opens(&started, made["key"].as_str().unwrap()).await);
    assert_eq!(
        started.api.ask("GET", &format!("/projects/{other}/keys"), Json::Null).await.body,
        json!([])
    );
}

#[tokio::test]
async fn a_project_that_is_not_there_has_no_keys() {
    let started = start().await;
    for id in ["proj_01JZ0000000000000000000009", "x"] {
        let answer = started
            .api
            .ask("POST", &format!("/projects/{id}/keys"), json!({"scopes": [Scope::Read]}))
            .await;
        assert_eq!((answer.status, answer.text("kind")), (404, "not_found"));
    }
}

#[tokio::test]
async fn a_project_has_at_most_100_keys() {
    let started = start().await;
    let project = project(&started.api, "Acme").await;
    let path = format!("/projects/{project}/keys");
    let mut last = Json::Null;
    for _ in 0..100 {
        last = key(&started.api, &project, json!({})).await;
    }
    let refused = started.api.ask("POST", &path, json!({})).await;
    assert_eq!((refused.status, refused.text("kind")), (409, "conflict"), "{}", refused.body);
    assert!(refused.text("message").contains("100 keys"));
    assert_eq!(
        started
            .api
            .ask("DELETE", &format!("{path}/{}", last["id"].as_str().unwrap()), Json::Null)
            .await
            .status,
        200
    );
    key(&started.api, &project, json!({})).await;
}
