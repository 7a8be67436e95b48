//! Many events at once.

use std::{collections::HashSet, sync::Arc, time::Instant};

use emulator::aws::CallCount;
use futures::future::join_all;
use serde_json::json;
use system_tests::{Receiver, Stack};

const EVENTS: usize = 2_000;
const CLIENTS: usize = 32;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_events_of_32_clients_are_two_thousand_deliveries() {
    let stack = Stack::start().await;
    let project = stack.project().await;
    let receiver = Receiver::start().await;
    project.create_endpoint(&receiver.url("/"), &["task.*"]).await;

    let started = Instant::now();
    let numbers = Arc::new(std::sync::Mutex::new(0..EVENTS));
    let posting = (0..CLIENTS).map(|_| {
        let (project, numbers) = (project.clone(), Arc::clone(&numbers));
        tokio::spawn(async move {
            let mut ids = Vec::new();
            loop {
                let next = numbers.lock().unwrap().next();
                let Some(number) = next else { return ids };
                ids.push(project.post_event("task.succeeded", json!({"number": number})).await.id);
            }
        })
    });
    let accepted: HashSet<String> =
        join_all(posting).await.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(accepted.len(), EVENTS, "each event has an id of its own");
    eprintln!("{EVENTS} events accepted after {:.1} s", started.elapsed().as_secs_f64());

    for part in 1..=4 {
        receiver.wait_for(EVENTS * part / 4).await;
        eprintln!("{} delivered after {:.1} s", EVENTS * part / 4, started.elapsed().as_secs_f64());
    }
    stack.queues().wait_until_idle().await;
    let requests = receiver.received();
    let delivered: HashSet<String> =
        requests.iter().map(system_tests::Request::webhook_id).collect();
    assert_eq!(requests.len(), EVENTS, "no delivery is made twice");
    assert!(delivered == accepted, "what arrives is what was accepted");
    let numbers: HashSet<u64> =
        requests.iter().filter_map(|request| request.json()["data"]["number"].as_u64()).collect();
    assert_eq!(numbers.len(), EVENTS);

    let calls = stack.calls().await;
    assert_eq!(calls.attempts, EVENTS as u64, "one attempt in the log for each delivery");
    // Not `admin` and `endpoints`: of two that start at once on a new table, one loses the write of
    // the secrets key's check, and reads what the other wrote. And of two that charge the project
    // at once, one charges it again.
    let on_the_way = |caller: &str| ["events", "deliver", "logs"].contains(&caller);
    let charges = |call: &CallCount| {
        call.caller == "events"
            && call.resource == "StateTable"
            && call.outcome == "ConditionalCheckFailedException"
    };
    let failed: Vec<_> = calls
        .calls
        .iter()
        .filter(|call| on_the_way(&call.caller) && call.outcome != "ok" && !charges(call))
        .collect();
    assert!(failed.is_empty(), "no AWS call fails on the way of a healthy event: {failed:?}");
    let errors: Vec<_> =
        stack.log_lines().into_iter().filter(|line| line.contains("ERROR")).collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}
