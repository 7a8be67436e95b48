//! `events` killed at each of its steps, and the client that repeats its request.

use serde_json::{Value as Json, json};
use system_tests::{
    Moment::{self, After, Before},
    Stop, eventually,
};

use super::steps::{Site, Victim, run_all};

/// Every call of AWS that a request with an idempotency key takes: a kill before the first one, between any two, and after the last. SQS takes ten messages
/// at a time, so a batch of twelve events can be on the queue in part.
const STEPS: [(&str, usize, &str, usize, Moment); 9] = [
    ("before the endpoints are read", 1, "Query", 1, Before),
    ("endpoints read, no lease of the key", 1, "PutItem", 1, Before),
    ("leased, no event in the log", 1, "PutItem", 1, After),
    ("event in the log, no message on the queue", 1, "SendMessageBatch", 1, Before),
    ("messages on the queue, lease not done", 1, "SendMessageBatch", 1, After),
    ("all done, no answer", 1, "UpdateItem", 1, After),
    ("leased, none of a batch's events in the log", 12, "BatchWriteItem", 1, Before),
    ("a batch's events in the log, no message on the queue", 12, "BatchWriteItem", 1, After),
    ("a part of a batch's messages on the queue", 12, "SendMessageBatch", 2, Before),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_at_any_step_of_accepting_repeated_events_arrive_once() {
    let cases = [Victim::Function, Victim::Stack].into_iter().flat_map(|victim| STEPS.map(|step| (victim, step)));
    let case = |(victim, (name, events, operation, nth, moment))| {
        let stop = Stop { caller: "events", operation, nth, moment };
        (format!("{victim:?} of events, {name}"), killed(victim, events, stop))
    };
    run_all(cases.map(case)).await;
}

async fn killed(victim: Victim, count: usize, stop: Stop) {
    let mut site = Site::start(&[1]).await;
    let events: Vec<Json> = (0..count).map(|number| json!({"kind": "task.created", "data": {"number": number}})).collect();
    site.gate.stop_at(stop);
    let first = tokio::spawn({
        let (client, events) = (site.project.clone(), events.clone());
        async move { client.try_to_post_batch_once("once", events).await }
    });
    site.gate.reached().await;
    site.kill(victim, stop.caller).await;
    assert_eq!(first.await.unwrap(), None, "killed before it could acknowledge anything");

    let again = async || site.project.try_to_post_batch_once("once", events.clone()).await;
    let accepted = eventually("the repeated request is accepted", again).await;
    assert_eq!(site.requests_of(&accepted).await, vec![1; count]);
    let mut logged = site.project.get("/events").await.ids();
    logged.sort();
    assert_eq!(logged, accepted, "both requests made the same events");
}
