//! `GET /projects/{id}/usage`.

use domain::{model::Outcome, usage::hour_of};
use emulator::samples;
use runtime::clock;
use serde_json::{Value as Json, json};

use super::support::{attempt, minute, start};

fn path(query: &str) -> String {
    format!("/projects/{}/usage{query}", samples::PROJECT)
}

#[tokio::test]
async fn what_is_sent_again_counts_at_once_and_an_hour_that_is_not_over_is_not_complete() {
    let started = start().await;
    let nothing = started.api.ask("GET", &path(""), Json::Null).await;
    assert_eq!((nothing.status, &nothing.body), (200, &json!([])));
    let event = started.event("task.created", minute(1)).await;
    started.record(&[attempt(&event, 1, Outcome::Succeeded, None)]).await;
    let resend = format!("/webhooks/messages/{}/resend", event.event.id);
    for _ in 0..2 {
        assert_eq!(started.api.ask("POST", &resend, Json::Null).await.status, 202);
    }
    let used = started.api.ask("GET", &path(""), Json::Null).await.body;
    let hour = hour_of(clock::now()).seconds();
    let bytes = event.event.data.get().len() * 2;
    assert_eq!(used[0]["object"], "usage");
    assert_eq!(
        (&used[0]["deliveries"], &used[0]["bytes"], &used[0]["complete"]),
        (&json!(2), &json!(bytes), &json!(false))
    );
    assert!(used[0]["since"].as_u64().unwrap() <= hour);
    let days = started.api.ask("GET", &path("?by=day"), Json::Null).await.body;
    assert_eq!(
        (&days[0]["deliveries"], days[0]["since"].as_u64().unwrap() % 86_400),
        (&json!(2), 0)
    );
}

#[tokio::test]
async fn only_the_operator_reads_usage_and_of_projects_that_there_are() {
    let started = start().await;
    let key = started.aws.key_of(samples::PROJECT, &domain::model::Scope::ALL).await;
    let own = started.api.with_key(&key);
    assert_eq!(own.ask("GET", &path(""), Json::Null).await.status, 403);
    for id in ["proj_01JZ0000000000000000000077", "nothing"] {
        let answer = started.api.ask("GET", &format!("/projects/{id}/usage"), Json::Null).await;
        assert_eq!(answer.status, 404, "{id}");
    }
}

#[tokio::test]
async fn bad_parameters_are_named() {
    let started = start().await;
    for (query, field) in [
        ("?by=week", "by"),
        ("?since=x", "since"),
        ("?since=200&until=100", "since"),
        ("?since=100&until=100000000", "since"),
        ("?limit=5", "limit"),
    ] {
        let answer = started.api.ask("GET", &path(query), Json::Null).await;
        assert_eq!((answer.status, answer.text("field")), (400, field), "{query}");
    }
}
