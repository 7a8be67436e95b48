//! What no route matches comes to this function.

use serde_json::{Value as Json, json};

use super::{key, project, start};

#[tokio::test]
async fn a_path_that_is_not_there_is_not_found() {
    let started = start().await;
    for path in ["/", "/nowhere", "/webhooks", "/webhooks/endpoints/a/b/c"] {
        let answer = started.api.ask("GET", path, Json::Null).await;
        assert_eq!((answer.status, answer.text("kind")), (404, "not_found"), "{path}");
    }
}

#[tokio::test]
async fn another_functions_path_with_a_wrong_method_says_which_it_takes() {
    let started = start().await;
    for (method, path, allow) in [
        ("PUT", "/events", "GET, POST"),
        ("POST", "/webhooks/endpoints/we_1", "DELETE, GET, PATCH, PUT"),
    ] {
        let answer = started.api.ask(method, path, json!({})).await;
        assert_eq!((answer.status, answer.header("allow")), (405, allow), "{method} {path}");
    }
}

/// API Gateway has no route for these as they were sent, and passes on what is before the `?`.
#[tokio::test]
async fn a_path_that_is_a_route_only_when_decoded_is_not_found_and_changes_nothing() {
    let started = start().await;
    let project = project(&started.api, "Acme").await;
    let key = key(&started.api, &project, json!({"name": "CI"})).await;
    let path = format!("/projects/{project}/keys/{}", key["id"].as_str().unwrap());
    let there = format!("/projects/{project}/keys");
    let before = started.api.ask("GET", &there, Json::Null).await.body;
    for (method, path) in [
        ("DELETE", format!("{path}%3F/x")),
        ("POST", format!("{there}%3F/x/y")),
        ("PATCH", format!("/projects/{project}%3F/x")),
        ("DELETE", "/webhooks/endpoints/we_1%3F/x/y".to_owned()),
    ] {
        let answer = started.api.ask(method, &path, json!({"name": "Other"})).await;
        assert_eq!((answer.status, answer.text("kind")), (404, "not_found"), "{method} {path}");
    }
    assert_eq!(started.api.ask("GET", &there, Json::Null).await.body, before);
}
