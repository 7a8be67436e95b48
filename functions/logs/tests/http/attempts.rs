//! The log of attempts.

use domain::{
    id::{EndpointId, ProjectId},
    model::{Attempt, Origin, Outcome, Project, Scope, Target, event::LoggedEvent},
};
use emulator::samples;
use serde_json::{Value as Json, json};
use store::{Access, endpoints::EndpointStore, events::EventWriter};

use super::support::{STRANGER, Started, attempt, minute, start};

/// Two events; the older has three attempts, the newer one.
async fn with_past() -> (Started, Vec<Attempt>) {
    let started = start().await;
    let (older, newer) = (
        started.event("task.created", minute(1)).await,
        started.event("task.failed", minute(2)).await,
    );
    let attempts = vec![
        attempt(&older, 1, Outcome::HttpError, Some(minute(1))),
        attempt(&older, 2, Outcome::Timeout, Some(minute(1))),
        attempt(&older, 3, Outcome::Succeeded, None),
        attempt(&newer, 1, Outcome::Succeeded, None),
    ];
    started.record(&attempts).await;
    (started, attempts)
}

async fn listed(started: &Started, path: &str) -> Vec<String> {
    let answer = started.api.ask("GET", path, Json::Null).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer
        .body
        .as_array()
        .unwrap()
        .iter()
        .map(|attempt| attempt["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn an_attempt_says_what_was_sent_and_what_came_back() {
    let (started, attempts) = with_past().await;
    let path = format!("/webhooks/delivery-attempts?message_id={}", attempts[3].event);
    let answer = started.api.ask("GET", &path, Json::Null).await;
    let expected = json!([{
        "id": attempts[3].id, "object": "attempt", "message_id": attempts[3].event,
        "endpoint_id": samples::ENDPOINT, "kind": "task.failed",
        "url": samples::RECEIVER, "number": 1, "trigger": "scheduled", "outcome": "succeeded",
        "response_status": 200,
        "response_body": "b", "error": null, "duration_ms": 7,
        "created_at": attempts[3].created_at.seconds(), "next_attempt_at": null,
    }]);
    assert_eq!(answer.body, expected);
}

#[tokio::test]
async fn an_endpoints_attempts_are_listed_newest_first_and_page_by_page() {
    let (started, attempts) = with_past().await;
    let ids: Vec<_> = [3, 2, 1, 0].map(|place: usize| attempts[place].id.to_string()).into();
    for base in [
        format!("/webhooks/endpoints/{}/deliveries?", samples::ENDPOINT),
        format!("/webhooks/delivery-attempts?endpoint_id={}&", samples::ENDPOINT),
    ] {
        assert_eq!(listed(&started, &base).await, ids);
        assert_eq!(listed(&started, &format!("{base}limit=2")).await, ids[..2]);
        assert_eq!(listed(&started, &format!("{base}limit=2&after={}", ids[1])).await, ids[2..]);
        assert_eq!(listed(&started, &format!("{base}limit=1&before={}", ids[2])).await, ids[1..2]);
        assert_eq!(listed(&started, &format!("{base}status=failed")).await, ids[2..]);
        assert_eq!(listed(&started, &format!("{base}outcome=timeout")).await, ids[2..3]);
        assert_eq!(listed(&started, &format!("{base}kind=task.failed")).await, ids[..1]);
    }
}

#[tokio::test]
async fn a_messages_attempts_are_listed_newest_first_and_page_by_page() {
    let (started, attempts) = with_past().await;
    let ids: Vec<_> = [2, 1, 0].map(|place: usize| attempts[place].id.to_string()).into();
    let base = format!("/webhooks/delivery-attempts?message_id={}", attempts[0].event);
    assert_eq!(listed(&started, &base).await, ids);
    assert_eq!(listed(&started, &format!("{base}&limit=1&after={}", ids[0])).await, ids[1..2]);
    assert_eq!(listed(&started, &format!("{base}&limit=1&before={}", ids[2])).await, ids[1..2]);
    assert_eq!(listed(&started, &format!("{base}&order=asc&limit=1")).await, ids[2..]);
    assert_eq!(listed(&started, &format!("{base}&status=succeeded")).await, ids[..1]);
}

#[tokio::test]
async fn attempts_of_nothing_in_particular_are_not_listed() {
    let started = start().await;
    let answer = started.api.ask("GET", "/webhooks/delivery-attempts", Json::Null).await;
    assert_eq!((answer.status, answer.text("field")), (400, "message_id"));
}

/// A deleted endpoint has no row that says whose it was; its attempts' events do. But producers
/// choose the ids of events.
#[tokio::test]
async fn a_deleted_endpoints_attempts_stay_its_projects_whatever_ids_another_project_uses() {
    let (started, attempts) = with_past().await;
    let newest = started.event("task.created", minute(3)).await;
    started.record(&[attempt(&newest, 1, Outcome::Succeeded, None)]).await;
    let endpoint: EndpointId = samples::ENDPOINT.parse().unwrap();
    EndpointStore::new(started.config()).delete(project(samples::PROJECT), endpoint).await.unwrap();

    let theirs = Target::new(
        EndpointId::new(minute(1), 1),
        "https://example.com/theirs".to_owned(),
        Origin::Endpoint,
    );
    let same_id = LoggedEvent { targets: vec![theirs], ..newest };
    let log = EventWriter::new(started.log(), 30);
    log.record(project(STRANGER), &[same_id], || minute(3)).await.unwrap();
    let stranger = started.api.with_key(&started.aws.key_of(STRANGER, &Scope::ALL).await);

    for path in [
        format!("/webhooks/endpoints/{endpoint}/deliveries"),
        format!("/webhooks/delivery-attempts?endpoint_id={endpoint}"),
    ] {
        assert_eq!(listed(&started, &path).await.len(), attempts.len() + 1, "{path}");
        let answer = stranger.ask("GET", &path, Json::Null).await;
        assert_eq!((answer.status, answer.text("kind")), (404, "not_found"), "{path}");
    }
}

fn project(id: &str) -> Access {
    let id: ProjectId = id.parse().unwrap();
    Access::of_project(&Project::new(id, String::new(), id.time()))
}
