//! `/webhooks/secret`.

use domain::model::{Project, Scope};
use emulator::samples;
use futures::future::join_all;
use runtime::clock;
use serde_json::{Value as Json, json};
use store::{Access, Table, projects::ProjectStore};

use super::{Started, start, stranger};

async fn secret(started: &Started) -> String {
    let answer = started.api.ask("GET", "/webhooks/secret", Json::Null).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.text("secret").to_owned()
}

#[tokio::test]
async fn it_is_read_and_rotated_with_an_overlap() {
    let started = start().await;
    assert_eq!(secret(&started).await, samples::SECRET);
    let before = clock::now().seconds();
    let rotated =
        started.api.ask("POST", "/webhooks/secret/rotate", json!({"overlap_seconds": 60})).await;
    assert_eq!((rotated.status, rotated.text("secret")), (200, secret(&started).await.as_str()));
    assert!(
        rotated.text("secret").starts_with("whsec_") && rotated.text("secret") != samples::SECRET
    );
    let until = rotated.body["previous_expires_at"].as_u64().unwrap();
    assert!((before + 60..before + 90).contains(&until), "{until}");
    let by_default = started.api.ask("POST", "/webhooks/secret/rotate", Json::Null).await;
    assert!(
        by_default.body["previous_expires_at"].as_u64().unwrap() >= before + 86_400,
        "a day, and without a body"
    );
}

#[tokio::test]
async fn bad_rotations_name_the_field_and_change_nothing() {
    let started = start().await;
    for (field, body) in [
        ("overlap_seconds", json!({"overlap_seconds": 604_801})),
        ("overlap_seconds", json!({"overlap_seconds": -1})),
        ("secret", json!({"secret": "short"})),
        ("secret", json!({"secret": "no base64, and spaces"})),
        ("secret", json!({"secret": "sixteen-letters-that-are-no-key!"})),
        ("secret", json!({"secret": samples::SECRET})),
        ("colour", json!({"colour": "red"})),
    ] {
        let answer = started.api.ask("POST", "/webhooks/secret/rotate", body.clone()).await;
        assert_eq!((answer.status, answer.text("field")), (400, field), "{body}: {}", answer.body);
    }
    assert_eq!(secret(&started).await, samples::SECRET);
}

#[tokio::test]
async fn a_secret_that_is_no_base64_does_where_the_projects_styles_take_its_text() {
    let started = start().await;
    let config = Table::new(
        aws_sdk_dynamodb::Client::new(&started.aws.sdk_config()),
        started.aws.table_name(samples::CONFIG_TABLE),
    );
    let styles = vec!["digest".parse().unwrap(), "token".parse().unwrap()];
    let project = Project { signatures: Some(styles), ..samples::project().unwrap() };
    ProjectStore::new(config).replace(&project).await.unwrap();
    let own = json!({"secret": "the-platforms-own-of-long-ago"});
    let answer = started.api.ask("POST", "/webhooks/secret/rotate", own.clone()).await;
    assert_eq!((answer.status, &answer.body["secret"]), (200, &own["secret"]), "{}", answer.body);
}

#[tokio::test]
async fn rotations_at_the_same_time_all_count_or_are_conflicts() {
    let started = start().await;
    let rotate = || {
        let api = started.api.clone();
        async move { api.ask("POST", "/webhooks/secret/rotate", json!({})).await }
    };
    let answers = join_all((0..10).map(|_| rotate())).await;
    let now = secret(&started).await;
    assert!(
        answers.iter().any(|answer| answer.text("secret") == now),
        "the present one is somebody's"
    );
    for answer in answers {
        assert!(
            answer.status == 200 || (answer.status, answer.text("kind")) == (409, "conflict"),
            "{}",
            answer.body
        );
    }
}

#[tokio::test]
async fn a_project_that_is_not_there_has_none_and_gets_none() {
    let started = start().await;
    let foreign = stranger(&started).await;
    for (method, path) in [
        ("GET", "/webhooks/secret"),
        ("POST", "/webhooks/secret/rotate"),
        ("GET", "/webhooks/secret"),
    ] {
        let answer = foreign.ask(method, path, Json::Null).await;
        assert_eq!(
            (answer.status, answer.text("kind")),
            (404, "not_found"),
            "{method} {path}: {}",
            answer.body
        );
    }
    assert_eq!(secret(&started).await, samples::SECRET, "another's stays");
}

#[tokio::test]
async fn who_may_only_read_or_post_does_not_see_it() {
    let started = start().await;
    for scope in [Scope::Read, Scope::Events] {
        let api = started.api.with_key(&started.aws.key_of(samples::PROJECT, &[scope]).await);
        for (method, path) in [("GET", "/webhooks/secret"), ("POST", "/webhooks/secret/rotate")] {
            let answer = api.ask(method, path, Json::Null).await;
            assert_eq!((answer.status, answer.text("kind")), (403, "forbidden"), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn no_row_holds_it_in_the_clear() {
    let started = start().await;
    let token = started
        .api
        .ask("PUT", "/api/workers/w/webhook", json!({"url": "https://example.com/"}))
        .await;
    let rotated = started.api.ask("POST", "/webhooks/secret/rotate", json!({})).await;
    let project = Access::of_project(&samples::project().unwrap()).project().to_string();
    let config = aws_sdk_dynamodb::Client::new(&started.aws.sdk_config());
    let rows = config
        .scan()
        .table_name(started.aws.table_name(samples::CONFIG_TABLE))
        .send()
        .await
        .unwrap();
    let rows = format!("{:?}", rows.items());
    assert!(rows.contains(&project));
    for secret in [rotated.text("secret"), samples::SECRET, token.text("token")] {
        let kernel = secret.split_once('_').unwrap().1;
        assert!(!kernel.is_empty() && !rows.contains(kernel));
    }
}
