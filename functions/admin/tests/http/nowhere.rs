//! What no route matches comes to this function.

use serde_json::{Value as Json, json};

use super::start;

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
