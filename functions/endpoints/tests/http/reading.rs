//! Reading and deleting endpoints, and who may.

use emulator::samples;
use serde_json::{Value as Json, json};

use super::{create, minimal, path_of, start};

#[tokio::test]
async fn the_secret_is_shown_where_it_is_asked_for_and_nowhere_else() {
    let started = start().await;
    let created = create(&started.api, minimal()).await;
    let path = path_of(&created);
    let read = started.api.ask("GET", &path, Json::Null).await;
    let list = started.api.ask("GET", "/webhooks/endpoints", Json::Null).await;
    let changed = started.api.ask("PATCH", &path, json!({"name": "x"})).await;
    let secret = created["secret"].as_str().unwrap();
    for answer in [&read, &list, &changed] {
        assert_eq!(answer.status, 200);
        assert!(
            !answer.body.to_string().contains(secret)
                && !answer.body.to_string().contains("\"secret\""),
            "{}",
            answer.body
        );
    }
    let shown = started.api.ask("GET", &format!("{path}/secret"), Json::Null).await;
    assert_eq!((shown.status, shown.text("secret")), (200, secret));
}

#[tokio::test]
async fn lists_are_newest_first_and_lead_from_page_to_page() {
    let started = start().await;
    let mut created = Vec::new();
    for _ in 0..3 {
        created.push(create(&started.api, minimal()).await["id"].as_str().unwrap().to_owned());
    }
    // Ids of one millisecond are in no order but their own.
    created.sort();
    let first = started.api.ask("GET", "/webhooks/endpoints?limit=2", Json::Null).await;
    let ids = |body: &Json| {
        body.as_array()
            .unwrap()
            .iter()
            .map(|endpoint| endpoint["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&first.body), [created[2].clone(), created[1].clone()]);
    assert_eq!(first.header("has-more"), "true");
    let next =
        first.header("link").split_once('<').unwrap().1.split_once('>').unwrap().0.to_owned();
    let second = started.api.ask("GET", &next, Json::Null).await;
    assert_eq!((ids(&second.body), second.header("has-more")), (vec![created[0].clone()], "false"));
    let unknown = started.api.ask("GET", "/webhooks/endpoints?colour=red", Json::Null).await;
    assert_eq!((unknown.status, unknown.text("field")), (400, "colour"));
}

#[tokio::test]
async fn what_was_deleted_is_gone() {
    let started = start().await;
    let path = path_of(&create(&started.api, minimal()).await);
    let deleted = started.api.ask("DELETE", &path, Json::Null).await;
    assert_eq!((deleted.status, deleted.body), (200, json!({"success": true})));
    for (method, body) in [
        ("GET", Json::Null),
        ("DELETE", Json::Null),
        ("PATCH", json!({"name": "x"})),
        ("PUT", minimal()),
    ] {
        let answer = started.api.ask(method, &path, body).await;
        assert_eq!((answer.status, answer.text("kind")), (404, "not_found"), "{method}");
    }
}

#[tokio::test]
async fn without_a_valid_key_nothing_is_said() {
    let started = start().await;
    let path = path_of(&create(&started.api, minimal()).await);
    for api in [
        started.api.with_key("phk_nobody"),
        started.api.with_header("authorization", "Basic b3BlcmF0b3I6"),
    ] {
        let answer = api.ask("GET", &path, Json::Null).await;
        assert_eq!(
            (answer.status, answer.text("kind"), answer.header("www-authenticate")),
            (401, "unauthorized", "Bearer")
        );
    }
}

#[tokio::test]
async fn the_operator_must_name_a_project_that_exists() {
    let started = start().await;
    let nobody = started.api.with_key(samples::OPERATOR_KEY);
    let answer = nobody.ask("GET", "/webhooks/endpoints", Json::Null).await;
    assert_eq!((answer.status, answer.text("field")), (400, "Posthaste-Project"));
    let other = started.api.with_header("posthaste-project", "proj_01JZ0000000000000000000009");
    assert_eq!(other.ask("GET", "/webhooks/endpoints", Json::Null).await.status, 404);
}

#[tokio::test]
async fn routes_that_are_not_there_answer_in_the_same_shape() {
    let started = start().await;
    let wrong = started.api.ask("POST", "/webhooks/endpoints/we_1", json!({})).await;
    assert_eq!(
        (wrong.status, wrong.text("kind"), wrong.header("allow")),
        (405, "method_not_allowed", "DELETE, GET, PATCH, PUT")
    );
    assert_eq!(started.api.ask("GET", "/nowhere", Json::Null).await.text("kind"), "not_found");
}
