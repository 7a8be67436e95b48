//! `events` killed at each of its steps, and the client that repeats its request.

use serde_json::{Value as Json, json};
use system_tests::{
    Moment::{self, After, Before},
    Stop, eventually,
};

use super::steps::{Site, Victim, run_all};

/// A kill.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    /// Events of the request.
    events: usize,
    /// The call at which it is killed.
    stop: Stop,
    /// Whether messages are on the queue by then. They are delivered before the kill, so that it
    /// meets `events` alone.
    enqueued: bool,
    /// The call at which the repeat is killed, too.
    then: Option<Stop>,
}

const fn case(name: &'static str, moment: Moment, operation: &'static str, nth: usize) -> Case {
    let stop = Stop { caller: "events", operation, nth, moment };
    Case { name, events: 1, stop, enqueued: false, then: None }
}

impl Case {
    const fn enqueued(self) -> Self {
        Self { enqueued: true, ..self }
    }

    const fn and_its_repeat(self, moment: Moment, operation: &'static str, nth: usize) -> Self {
        let stop = Stop { caller: "events", operation, nth, moment };
        Self { then: Some(stop), ..self }
    }

    /// SQS takes ten messages at a time, so this many can be on the queue in part.
    const fn of_twelve(self) -> Self {
        Self { events: 12, ..self }
    }
}

/// Every call of AWS that a request with an idempotency key takes: a kill before the first one,
/// between any two, and after the last. And of its repeat, those that a first request has not.
const CASES: [Case; 12] = [
    case("before the endpoints are read", Before, "Query", 1),
    case("endpoints read, no key", Before, "PutItem", 1),
    case("key there, no event in the log", After, "PutItem", 1),
    case("event in the log, no message on the queue", After, "PutItem", 2),
    case("messages on the queue, no answer", After, "SendMessageBatch", 1).enqueued(),
    case("key there, none of a batch's events in the log", After, "PutItem", 1).of_twelve(),
    case("a part of a batch's events in the log", After, "PutItem", 7).of_twelve(),
    case("a batch's events in the log, no message on the queue", Before, "SendMessageBatch", 1)
        .of_twelve(),
    case("a part of a batch's messages on the queue", Before, "SendMessageBatch", 2)
        .of_twelve()
        .enqueued(),
    case("event in the log; the repeat has not looked for a trace", After, "PutItem", 2)
        .and_its_repeat(After, "BatchGetItem", 1),
    case("event in the log; the repeat has found no trace", After, "PutItem", 2)
        .and_its_repeat(Before, "PutItem", 2),
    case("event in the log; the repeat has written the row", After, "PutItem", 2)
        .and_its_repeat(After, "PutItem", 2),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_at_any_step_of_accepting_repeated_events_arrive_once() {
    run_all(CASES.iter().map(|case| (format!("events, {}", case.name), killed(*case)))).await;
}

async fn killed(case: Case) {
    let mut site = Site::start().await;
    for victim in Victim::BOTH {
        Box::pin(killed_once(&mut site, *victim, case)).await;
    }
}

async fn killed_once(site: &mut Site, victim: Victim, case: Case) {
    let (project, receiver) = site.customer(&[1]).await;
    let events: Vec<Json> = (0..case.events)
        .map(|number| json!({"kind": "task.created", "data": {"number": number}}))
        .collect();
    let mut project = project;
    for stop in [case.stop].into_iter().chain(case.then) {
        site.gate.stop_at(stop);
        let request = tokio::spawn({
            let (client, events) = (project.clone(), events.clone());
            async move { client.try_to_post_batch_once("once", events).await }
        });
        site.gate.reached().await;
        if case.enqueued {
            receiver.wait_for(1).await;
            site.stack.queues().wait_until_idle().await;
        }
        site.kill(victim, "events").await;
        assert_eq!(request.await.unwrap(), None, "killed before it could acknowledge anything");
        project = project.at(site.stack.base_url());
    }

    let again = async || project.try_to_post_batch_once("once", events.clone()).await;
    let accepted = eventually("the repeated request is accepted", again).await;
    assert_eq!(
        site.requests_of(&accepted, "succeeded", &project, &receiver).await,
        vec![1; case.events],
        "{victim:?} killed"
    );
    let mut logged = project.get("/events").await.ids();
    logged.sort();
    assert_eq!(logged, accepted, "both requests made the same events");
}
