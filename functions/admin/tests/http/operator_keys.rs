//! Operator keys, over HTTP and by direct invocation.

use std::sync::Arc;

use admin::{App, handle};
use emulator::{samples, testing::Api};
use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value as Json, json, value::to_raw_value};

use super::{Started, start};

/// What the function answers to an event that is no request of the API; or its error.
async fn invoke(started: &Started, event: Json) -> Result<Json, String> {
    let settings = started.aws.settings_of("admin");
    let app = Arc::new(App::new(&started.aws.sdk_config_of("admin"), &settings).unwrap());
    let router = api::router(admin::routes(), Arc::clone(&app));
    let event = LambdaEvent::new(to_raw_value(&event).unwrap(), Context::default());
    handle(&app, router, event).await.map_err(|error| error.to_string())
}

async fn create(api: &Api, name: &str) -> Json {
    let answer = api.ask("POST", "/operator-keys", json!({"name": name})).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.body
}

/// The status of a request that only the operator may make.
async fn status_with(started: &Started, key: &Json) -> u16 {
    let api = started.api.with_key(key.as_str().unwrap());
    api.ask("GET", "/projects", Json::Null).await.status
}

#[tokio::test]
async fn the_first_operator_key_is_made_by_who_may_invoke_the_function() {
    let started = start().await;
    let command = json!({"create_operator_key": {"name": "first"}});
    let made = invoke(&started, command.clone()).await.unwrap();
    assert_eq!((&made["object"], &made["name"]), (&json!("operator_key"), &json!("first")));
    assert_eq!(status_with(&started, &made["key"]).await, 200);

    // A second call, for example by someone who runs the commands twice, says so and changes
    // nothing.
    let again = invoke(&started, command).await.unwrap();
    assert_eq!(again["kind"], "conflict");
    assert!(again["message"].as_str().unwrap().contains("`first`") && again.get("key").is_none());
    assert_eq!(status_with(&started, &made["key"]).await, 200);
}

#[tokio::test]
async fn a_command_that_is_wrong_is_answered_with_the_rule() {
    let started = start().await;
    let refused = invoke(&started, json!({"create_operator_key": {"name": " "}})).await.unwrap();
    assert_eq!((&refused["kind"], &refused["field"]), (&json!("validation_error"), &json!("name")));
    for event in [
        json!({}),
        json!([]),
        json!({"create_operator_key": {}}),
        json!({"create_operator_key": {"name": "x", "scopes": []}}),
        json!({"create_operator_keys": {"name": "x"}}),
        json!({"create_operator_key": {"name": "x"}, "more": 1}),
    ] {
        let error = invoke(&started, event.clone()).await.unwrap_err();
        assert!(error.contains("create_operator_key"), "{event}: {error}");
    }
    let list = started.api.ask("GET", "/operator-keys", Json::Null).await;
    assert_eq!(list.body.as_array().unwrap().len(), 1, "only the stand-in's own: {}", list.body);
}

#[tokio::test]
async fn no_caller_of_the_api_can_give_a_command() {
    let started = start().await;
    let anonymous = started.api.with_key("operator_wrong");
    let command = json!({"create_operator_key": {"name": "mine"}});
    for path in ["/projects", "/operator-keys", "/", "/create_operator_key"] {
        let answer = anonymous.ask("POST", path, command.clone()).await;
        assert!([401, 404].contains(&answer.status), "{path}: {}", answer.body);
    }
    let mut event: Json =
        serde_json::from_str(&emulator::testing::sample("create-endpoint.json")).unwrap();
    event["rawPath"] = json!("/operator-keys");
    event["routeKey"] = json!("POST /operator-keys");
    event["requestContext"]["routeKey"] = json!("POST /operator-keys");
    event["requestContext"]["http"]["path"] = json!("/operator-keys");
    event["headers"]["authorization"] = json!("Bearer operator_wrong");
    event["body"] = json!(command.to_string());
    assert_eq!(invoke(&started, event).await.unwrap()["statusCode"], 401);
    let list = started.api.ask("GET", "/operator-keys", Json::Null).await;
    assert_eq!(list.body.as_array().unwrap().len(), 1, "{}", list.body);
}

#[tokio::test]
async fn an_operator_key_is_shown_once_and_kept_as_its_hash() {
    let started = start().await;
    let made = create(&started.api, "Billing").await;
    let key = made["key"].as_str().unwrap();
    assert!(key.starts_with("operator_") && key.len() == "operator_".len() + 64);
    let list = started.api.ask("GET", "/operator-keys?limit=1", Json::Null).await;
    assert_eq!((&list.body[0]["id"], list.header("has-more")), (&made["id"], "true"));
    assert!(!list.body.to_string().contains(key));
    let rows = started.aws.rows("ConfigTable").await;
    assert!(!format!("{rows:?}").contains(key), "not even in the table");
}

#[tokio::test]
async fn a_revoked_operator_key_opens_nothing_and_others_stay() {
    let started = start().await;
    let (kept, revoked) = (create(&started.api, "a").await, create(&started.api, "b").await);
    let path = format!("/operator-keys/{}", revoked["id"].as_str().unwrap());
    let answer = started.api.ask("DELETE", &path, Json::Null).await;
    assert_eq!((answer.status, answer.body), (200, json!({"success": true})));
    assert_eq!(status_with(&started, &revoked["key"]).await, 401);
    assert_eq!(status_with(&started, &kept["key"]).await, 200);
    assert_eq!(started.api.ask("DELETE", &path, Json::Null).await.status, 404);
    assert_eq!(started.api.ask("DELETE", "/operator-keys/x", Json::Null).await.status, 404);
    create(&started.api, "b").await;
}

#[tokio::test]
async fn two_operator_keys_have_different_names_of_1_to_200_characters() {
    let started = start().await;
    create(&started.api, "Billing").await;
    let long = "x".repeat(201);
    for (name, status) in [
        (json!("Billing"), 409),
        (json!(" Billing "), 409),
        (json!(""), 400),
        (json!(long), 400),
        (json!(null), 400),
        (json!(7), 400),
    ] {
        let answer = started.api.ask("POST", "/operator-keys", json!({"name": name})).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.body);
        if status == 400 {
            assert_eq!(answer.text("field"), "name", "{}", answer.body);
        }
    }
}

#[tokio::test]
async fn a_projects_key_may_not_touch_operator_keys() {
    let started = start().await;
    let made = create(&started.api, "Billing").await;
    let key = started.aws.key_of(samples::PROJECT, &domain::model::Scope::ALL).await;
    let project = started.api.with_key(&key);
    let path = format!("/operator-keys/{}", made["id"].as_str().unwrap());
    for (method, path) in [("GET", "/operator-keys"), ("POST", "/operator-keys"), ("DELETE", &path)]
    {
        assert_eq!(project.ask(method, path, json!({"name": "x"})).await.status, 403, "{method}");
    }
    assert_eq!(status_with(&started, &made["key"]).await, 200);
}
