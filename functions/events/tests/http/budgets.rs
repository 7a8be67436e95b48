//! What a project may cause, in a process and over many.

use std::time::{Duration, Instant};

use emulator::{aws::Fault, samples, testing::Api};
use serde_json::{Value as Json, json};

use super::support::{Started, api, event, start};

/// Processes of the function.
const PROCESSES: usize = 8;
/// Deliveries a second.
const LIMIT: u64 = 50;
/// Events of a batch: each goes to the samples' endpoint.
const BATCH: u64 = 20;

async fn limit(started: &Started, limits: Json) {
    let row =
        json!({"pk": {"S": "STATUS"}, "sk": {"S": "STATUS"}, samples::PROJECT: {"M": limits}});
    started.aws.put_row(samples::CONFIG_TABLE, &row).await;
}

async fn post(api: &Api, count: u64) -> u16 {
    let events: Vec<_> = (0..count).map(|_| event()).collect();
    api.ask("POST", "/events/batch", json!({"events": events})).await.status
}

/// Writes of budgets.
async fn budget_writes(started: &Started) -> usize {
    let rows = started.aws.rows("StateTable").await;
    rows.iter().filter(|row| row["pk"]["S"].as_str().unwrap().starts_with("B#")).count()
}

#[tokio::test]
async fn a_project_below_ten_deliveries_a_second_causes_no_budget_write() {
    let started = start().await;
    for _ in 0..5 {
        assert_eq!(post(&started.api, BATCH).await, 202);
    }
    assert_eq!(budget_writes(&started).await, 0);
    assert_eq!(post(&started.api, BATCH).await, 202);
    assert_eq!(budget_writes(&started).await, 1, "more are taken in lots");
    let calls = started.aws.calls().calls.into_iter();
    let puts: u64 = calls.filter(|call| call.operation == "PutItem").map(|call| call.count).sum();
    assert_eq!(puts, 2, "that, and once an hour that there are events");
}

#[tokio::test]
async fn eight_fresh_processes_overshoot_by_no_more_than_is_documented() {
    let started = start().await;
    limit(&started, json!({"deliveries": {"N": LIMIT.to_string()}})).await;
    let before = Instant::now();
    let processes: Vec<_> = (0..PROCESSES).map(|_| api(&started.aws, &[])).collect();
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..16 {
        let answers = processes.iter().map(|process| post(process, BATCH));
        for status in futures::future::join_all(answers).await {
            match status {
                202 => accepted += BATCH,
                429 => refused += 1,
                other => panic!("{other}"),
            }
        }
    }
    // The burst, the rate, what each process has freely, and requests that began within the limit.
    let seconds = before.elapsed().as_secs() + 1;
    let (burst, free) = (10 * LIMIT, 100 * u64::try_from(PROCESSES).unwrap());
    // Processes of a slow machine may not be busy.
    let windows = 1 + seconds / 10;
    assert!(accepted >= burst + free, "{accepted}");
    assert!(
        accepted <= burst + LIMIT * seconds + free * windows + 8 * BATCH,
        "{accepted} in {seconds} s"
    );
    assert!(refused > 0);
}

#[tokio::test]
async fn what_a_process_was_refused_it_does_not_ask_for_again() {
    let started = start().await;
    limit(&started, json!({"deliveries": {"N": "1"}})).await;
    while post(&started.api, 100).await == 202 {}
    started.aws.forget_calls();
    for _ in 0..20 {
        let answer = started.api.ask("POST", "/events", event()).await;
        assert_eq!((answer.status, answer.text("kind")), (429, "rate_limited"), "{}", answer.body);
        let seconds: u64 = answer.header("retry-after").parse().unwrap();
        assert!((80..=200).contains(&seconds), "{seconds}");
    }
    let calls = started.aws.calls().calls.into_iter();
    let puts: u64 = calls.filter(|call| call.operation == "PutItem").map(|call| call.count).sum();
    // On a slow machine, how many were refused.
    assert!(puts <= 2, "{puts}");
    let rows = started.aws.rows("StateTable").await;
    let refused = rows.iter().find_map(|row| row["refusals"]["N"].as_str());
    assert!(refused.unwrap().parse::<u64>().unwrap() >= 1);
}

#[tokio::test]
async fn bytes_are_limited_too() {
    let started = start().await;
    limit(&started, json!({"kilobytes": {"N": "10"}})).await;
    let large = json!({"kind": "task.created", "data": "x".repeat(200_000)});
    let mut accepted = 0;
    while started.api.ask("POST", "/events", large.clone()).await.status == 202 {
        accepted += 1;
    }
    // 6,400 KB freely (on a slow machine in a second window too), a burst of 100 KB, and the
    // request that goes beyond it.
    assert!((32..=70).contains(&accepted), "{accepted}");
}

#[tokio::test]
async fn a_test_is_charged_too() {
    let started = start().await;
    limit(&started, json!({"deliveries": {"N": "1"}})).await;
    while post(&started.api, 100).await == 202 {}
    let path = format!("/webhooks/endpoints/{}/test", samples::ENDPOINT);
    assert_eq!(started.api.ask("POST", &path, json!({})).await.status, 429);
}

#[tokio::test]
async fn a_budget_that_cannot_be_charged_stops_nobody() {
    let started = start().await;
    limit(&started, json!({"deliveries": {"N": "1"}})).await;
    assert_eq!(post(&started.api, 100).await, 202);
    for fault in [Fault::ExpiredCredentials, Fault::Slow(Duration::from_millis(10))] {
        started.aws.faults().on("events", "PutItem").fail(fault);
        assert_eq!(post(&started.api, 2).await, 202, "{fault:?}");
        started.aws.faults().heal();
    }
}

#[tokio::test]
async fn a_state_table_that_does_not_answer_holds_up_nobody_for_long() {
    let started = start().await;
    limit(&started, json!({"deliveries": {"N": "1"}})).await;
    started.aws.faults().on("events", "PutItem").fail(Fault::Hanging);
    // The project's first event of the hour is noted, and its tenth second is paid for.
    for deliveries in [2, 100] {
        let posting = post(&started.api, deliveries);
        let status = tokio::time::timeout(Duration::from_secs(5), posting).await;
        assert_eq!(status, Ok(202), "{deliveries} deliveries");
    }
}
