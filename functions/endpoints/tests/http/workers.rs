//! `/api/workers/{id}/webhook`.

use domain::model::Scope;
use emulator::{samples, testing::HOST};
use futures::future::join_all;
use serde_json::{Value as Json, json};

use super::{start, stranger};

const PATH: &str = "/api/workers/worker_1/webhook";

fn none() -> Json {
    json!({"token": null, "url": null})
}

#[tokio::test]
async fn the_first_put_mints_the_token_and_all_first_puts_at_once_mint_one() {
    let started = start().await;
    assert_eq!(started.api.ask("GET", PATH, Json::Null).await.body, none());
    let put = |number: u32| {
        let api = started.api.clone();
        async move {
            api.ask("PUT", PATH, json!({"url": format!("https://example.com/{number}")})).await
        }
    };
    let answers = join_all((0..3).map(put)).await;
    let token = answers[0].text("token").to_owned();
    assert!(token.starts_with("whk_") && token.len() > 40, "{token}");
    for answer in &answers {
        assert_eq!((answer.status, answer.text("token")), (200, token.as_str()), "{}", answer.body);
    }
    let read = started.api.ask("GET", PATH, Json::Null).await.body;
    assert!(answers.iter().any(|answer| answer.body == read), "one of them was the last");
    assert_eq!(
        started.api.ask("PUT", PATH, read.clone()).await.body,
        read,
        "what was read can be put back"
    );
}

#[tokio::test]
async fn a_token_from_elsewhere_is_kept_by_the_first_put_and_changes_nothing_later() {
    let started = start().await;
    let put = async |token: &str| {
        started.api.ask("PUT", PATH, json!({"url": "https://example.com/", "token": token})).await
    };
    for bad in ["short", "sixteen letters!"] {
        let answer = put(bad).await;
        assert_eq!((answer.status, answer.text("field")), (400, "token"), "{}", answer.body);
        assert!(
            answer.text("message").contains("16 to 256") && !answer.text("message").contains(bad),
            "{}",
            answer.body
        );
    }
    let own = "whk_of_the_platform_before";
    assert_eq!(put(own).await.text("token"), own);
    assert_eq!(put("whk_another_one_later_on").await.text("token"), own);
    let regenerated =
        started.api.ask("POST", &format!("{PATH}/regenerate-token"), Json::Null).await;
    assert_ne!(regenerated.text("token"), own);
}

#[tokio::test]
async fn null_and_delete_remove_it_and_are_harmless_when_there_is_none() {
    let started = start().await;
    for (method, body) in [("PUT", json!({"url": null})), ("DELETE", Json::Null)] {
        let put = started.api.ask("PUT", PATH, json!({"url": "https://example.com/"})).await;
        for _ in 0..2 {
            let answer = started.api.ask(method, PATH, body.clone()).await;
            assert_eq!((answer.status, answer.body), (200, none()), "{method}");
        }
        assert_eq!(started.api.ask("GET", PATH, Json::Null).await.body, none());
        let again = started.api.ask("PUT", PATH, json!({"url": "https://example.com/"})).await;
        assert_ne!(again.text("token"), put.text("token"), "the token went with it");
    }
}

#[tokio::test]
async fn a_regenerated_token_takes_the_place_of_the_old_one() {
    let started = start().await;
    let path = format!("{PATH}/regenerate-token");
    let without = started.api.ask("POST", &path, Json::Null).await;
    assert_eq!((without.status, without.text("message")), (404, "no such webhook"));
    let old = started.api.ask("PUT", PATH, json!({"url": "https://example.com/"})).await.body;
    for body in [Json::Null, json!({})] {
        let new = started.api.ask("POST", &path, body).await;
        assert_eq!((new.status, &new.body["url"]), (200, &old["url"]));
        assert_ne!(new.body["token"], old["token"]);
        assert_eq!(started.api.ask("GET", PATH, Json::Null).await.body, new.body);
    }
}

#[tokio::test]
async fn bad_input_names_the_field() {
    let started = start().await;
    let long = format!("https://example.com/{}", "x".repeat(2_048));
    for (field, body) in [
        ("url", json!({})),
        ("url", json!({"url": 1})),
        ("url", json!({"url": ""})),
        ("url", json!({"url": "example.com"})),
        ("url", json!({"url": "ftp://example.com/"})),
        ("url", json!({"url": "https://10.0.0.1/"})),
        ("url", json!({"url": format!("https://{HOST}/")})),
        ("url", json!({"url": long})),
        ("colour", json!({"url": "https://example.com/", "colour": 1})),
    ] {
        let answer = started.api.ask("PUT", PATH, body.clone()).await;
        assert_eq!((answer.status, answer.text("field")), (400, field), "{body}: {}", answer.body);
    }
    for id in ["%00".to_owned(), "a%2525".to_owned(), "x".repeat(201)] {
        for method in ["GET", "DELETE"] {
            let answer =
                started.api.ask(method, &format!("/api/workers/{id}/webhook"), Json::Null).await;
            assert_eq!((answer.status, answer.text("field")), (400, "id"), "{id}: {}", answer.body);
        }
    }
    // Decoded by API Gateway, these part or end the path, or would be decoded once more.
    for id in ["a%2Fb", "a%5Cb", "a%3Fb", "a%23b", "a%252Fb", "a%253Fb", "a%2523b", "a%252541"] {
        let answer = started
            .api
            .ask(
                "PUT",
                &format!("/api/workers/{id}/webhook"),
                json!({"url": "https://example.com/"}),
            )
            .await;
        assert_eq!(
            (answer.status, answer.text("kind")),
            (404, "not_found"),
            "{id}: {}",
            answer.body
        );
    }
    assert_eq!(started.api.ask("GET", PATH, Json::Null).await.body, none());
}

#[tokio::test]
async fn any_id_that_a_platform_may_have_names_a_worker_of_its_own() {
    let started = start().await;
    let mut tokens = Vec::new();
    let long = "x".repeat(200);
    for id in [
        "1",
        "01",
        "a%20b",
        "%C3%A9",
        "EP",
        "PROJ",
        "worker-1",
        "Worker-1",
        "%22%3C%3E%5E%60%7B%7C%7D",
        "a+b;c=d&e:f@g,h!~*'()$",
        &long,
    ] {
        let path = format!("/api/workers/{id}/webhook");
        let put = started.api.ask("PUT", &path, json!({"url": "https://example.com/"})).await;
        assert_eq!(put.status, 200, "{id}: {}", put.body);
        assert_eq!(started.api.ask("GET", &path, Json::Null).await.body, put.body, "{id}");
        tokens.push(put.text("token").to_owned());
    }
    let all = tokens.len();
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), all, "no two share a webhook");
    let endpoints = started.api.ask("GET", "/webhooks/endpoints", Json::Null).await;
    assert_eq!(endpoints.body, json!([]), "they are no endpoints of the project's");
}

#[tokio::test]
async fn another_project_has_workers_of_its_own_and_a_reader_sees_no_token() {
    let started = start().await;
    let put = started.api.ask("PUT", PATH, json!({"url": "https://example.com/"})).await.body;
    let foreign = stranger(&started).await;
    assert_eq!(foreign.ask("GET", PATH, Json::Null).await.body, none());
    assert_eq!(
        foreign.ask("POST", &format!("{PATH}/regenerate-token"), Json::Null).await.status,
        404
    );
    assert_eq!(foreign.ask("DELETE", PATH, Json::Null).await.body, none());
    assert_eq!(started.api.ask("GET", PATH, Json::Null).await.body, put, "it is still there");

    let reader = started
        .api
        .with_key(&started.aws.key_of(samples::PROJECT, &[Scope::Read, Scope::Events]).await);
    for (method, path, body) in [
        ("GET", PATH.to_owned(), Json::Null),
        ("PUT", PATH.to_owned(), json!({"url": null})),
        ("DELETE", PATH.to_owned(), Json::Null),
        ("POST", format!("{PATH}/regenerate-token"), Json::Null),
    ] {
        let answer = reader.ask(method, &path, body).await;
        assert_eq!((answer.status, answer.text("kind")), (403, "forbidden"), "{method} {path}");
    }
}
