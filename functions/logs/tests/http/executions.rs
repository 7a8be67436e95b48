//! `GET /api/workers/{id}/webhook/executions`.

use domain::{
    id::EndpointId,
    model::{Attempt, Event, Origin, Outcome, Scope, Target},
};
use emulator::samples;
use runtime::clock;
use serde_json::{Value as Json, json};
use store::{
    Access,
    attempt_reader::{AttemptReader, Count},
};

use super::support::{STRANGER, Started, attempt, event, minute, start};

fn path(worker: &str) -> String {
    format!("/api/workers/{worker}/webhook/executions")
}

/// Logs attempts at a worker's webhook: each of an event of its own, the later the higher its
/// number.
async fn record(started: &Started, worker: &str, numbers: std::ops::Range<u64>) {
    let endpoint = EndpointId::of_worker(samples::PROJECT.parse().unwrap(), worker);
    let mut attempts: Vec<Attempt> = Vec::new();
    for number in numbers {
        let data = format!(r#"{{"task":{{"id":"task_{number}","title":"Task {number}"}}}}"#);
        let event = Event { worker_id: Some(worker.to_owned()), ..event(&data, minute(number)) };
        let target = Target::new(endpoint, samples::RECEIVER.to_owned(), Origin::Worker);
        let logged = started.logged(event, vec![target], minute(number)).await;
        attempts.push(attempt(&logged, 1, Outcome::Succeeded, None));
    }
    for some in attempts.chunks(25) {
        started.record(some).await;
    }
}

fn tasks(page: &Json) -> Vec<&str> {
    page["logs"].as_array().unwrap().iter().map(|log| log["taskId"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn pages_hold_fifty_newest_first_and_count_all() {
    let started = start().await;
    record(&started, "worker_1", 0..52).await;
    record(&started, "worker_2", 52..54).await;
    let page = async |query: &str| {
        let answer =
            started.api.ask("GET", &format!("{}{query}", path("worker_1")), Json::Null).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    };
    let newest_first: Vec<_> = (0..52).rev().map(|number| format!("task_{number}")).collect();
    let (first, second, beyond) = (page("").await, page("?page=2").await, page("?page=3").await);
    assert_eq!(tasks(&first), newest_first[..50]);
    assert_eq!(tasks(&second), newest_first[50..]);
    assert_eq!(beyond["logs"], json!([]));
    for (number, page) in [(1, &first), (2, &second), (3, &beyond)] {
        assert_eq!(
            (&page["page"], &page["pageCount"], &page["totalCount"]),
            (&json!(number), &json!(2), &json!(52))
        );
    }
    assert_eq!(page("?page=1").await, first);
}

#[tokio::test]
async fn a_count_stops_behind_its_most() {
    let started = start().await;
    record(&started, "worker_1", 0..60).await;
    let project = Access::of_project(&samples::project().unwrap());
    let reader = AttemptReader::new(started.log());
    let endpoint = EndpointId::of_worker(project.project(), "worker_1");
    let count = async |most| reader.count(project, endpoint, most, clock::now()).await.unwrap();
    assert_eq!(count(61).await, Count { number: 60, complete: true });
    assert_eq!(count(60).await, Count { number: 60, complete: true }, "all, and no more");
    assert_eq!(count(59).await, Count { number: 59, complete: false });
    let before = started.aws.faults().calls();
    assert_eq!(count(1).await, Count { number: 1, complete: false });
    let calls = started.aws.faults().calls() - before;
    assert!(calls <= 8, "a query of each partition has found enough, and {calls} calls were made");
}

#[tokio::test]
async fn an_execution_tells_how_it_went() {
    let started = start().await;
    let endpoint = EndpointId::of_worker(samples::PROJECT.parse().unwrap(), "worker_1");
    let target = Target::new(endpoint, samples::RECEIVER.to_owned(), Origin::Worker);
    let logged = started.logged(event(r#"{"run":1}"#, minute(1)), vec![target], minute(1)).await;
    let failed = Attempt {
        error: Some("it took too long".to_owned()),
        response_status: None,
        ..attempt(&logged, 1, Outcome::Timeout, Some(minute(2)))
    };
    started.record(&[failed.clone(), attempt(&logged, 2, Outcome::Succeeded, None)]).await;
    let logs = started.api.ask("GET", &path("worker_1"), Json::Null).await.body["logs"].clone();
    let mut told: Json = logs[1].clone();
    let created_at = told.as_object_mut().unwrap().remove("createdAt").unwrap();
    assert!(created_at.as_str().unwrap().ends_with('Z'), "a date-time: {created_at}");
    let expected = json!({
        "id": failed.id, "durationMs": 7, "errorMessage": "it took too long",
        "requestStatus": "error", "responseStatus": null,
        "taskId": null, "taskTitle": null, "url": samples::RECEIVER, "workerId": "worker_1",
    });
    assert_eq!(told, expected);
    let succeeded =
        (&logs[0]["requestStatus"], &logs[0]["responseStatus"], &logs[0]["errorMessage"]);
    assert_eq!(succeeded, (&json!("success"), &json!(200), &Json::Null));
}

#[tokio::test]
async fn bad_pages_and_ids_name_the_field() {
    let started = start().await;
    for (query, field) in [
        ("page=0", "page"),
        ("page=x", "page"),
        ("page=201", "page"),
        ("page=1&page=2", "page"),
        ("limit=10", "limit"),
    ] {
        let answer =
            started.api.ask("GET", &format!("{}?{query}", path("worker_1")), Json::Null).await;
        assert_eq!(
            (answer.status, answer.text("kind"), answer.text("field")),
            (400, "validation_error", field),
            "{query}: {}",
            answer.body
        );
    }
    let answer = started.api.ask("GET", &path(&"x".repeat(201)), Json::Null).await;
    assert_eq!((answer.status, answer.text("field")), (400, "id"));
}

#[tokio::test]
async fn another_projects_worker_of_the_same_name_has_none_and_reading_needs_its_scope() {
    let started = start().await;
    record(&started, "worker_1", 0..1).await;
    let stranger = started.api.with_key(&started.aws.key_of(STRANGER, &Scope::ALL).await);
    let nothing = json!({"logs": [], "page": 1, "pageCount": 0, "totalCount": 0});
    assert_eq!(stranger.ask("GET", &path("worker_1"), Json::Null).await.body, nothing);
    assert_eq!(
        started.api.ask("GET", &path("nobody"), Json::Null).await.body,
        nothing,
        "as of a worker that isn't there"
    );
    let other = started
        .api
        .with_key(&started.aws.key_of(samples::PROJECT, &[Scope::Events, Scope::Endpoints]).await);
    assert_eq!(other.ask("GET", &path("worker_1"), Json::Null).await.status, 403);
}
