//! Faults of AWS, at every call of every way through the function: a 202, or a 503 that the same
//! request mends.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use domain::{id::EventId, model::Scope, time::Timestamp};
use emulator::{
    aws::{Fault, requirement::Requirement},
    samples,
    testing::{Answer, Api, Trouble},
};
use futures::future::join_all;
use runtime::clock;
use serde_json::{Value as Json, json};

use super::support::{Started, api, event, start_with};

/// Endpoints of the project: with three events they take two calls of SQS.
const ENDPOINTS: u128 = 4;
/// The template's.
const FUNCTION_TIMEOUT: Duration = Duration::from_secs(15);

/// A way through the function.
#[derive(Clone, Copy, Debug)]
enum Story {
    /// One event with an `Idempotency-Key`.
    One,
    /// One event with an id of its own, under a project's key.
    OwnId,
    /// Three events.
    Batch,
}

impl Story {
    const ALL: [Self; 3] = [Self::One, Self::OwnId, Self::Batch];

    /// The request of the given number: the same each time it is asked for.
    fn request(self, started: &Started, number: u128, key: &str) -> (Api, &'static str, Json) {
        match self {
            Self::One => (
                started.api.with_header("idempotency-key", &format!("one {number}")),
                "/events",
                event(),
            ),
            Self::OwnId => {
                let id = EventId::new(
                    Timestamp::from_millis(clock::now().millis() / 60_000 * 60_000),
                    number,
                );
                // A function of its own: it knows no key and no project.
                (
                    api(&started.aws, None).with_key(key),
                    "/events",
                    json!({"kind": "task.created", "data": {}, "id": id}),
                )
            }
            Self::Batch => {
                let api = started.api.with_header("idempotency-key", &format!("batch {number}"));
                (api, "/events/batch", json!({"events": [event(), event(), event()]}))
            }
        }
    }
}

async fn start() -> (Started, String) {
    let endpoints: Vec<_> = (0..ENDPOINTS)
        .map(|number| {
            let id = domain::id::EndpointId::new(Timestamp::from_seconds(1), number);
            samples::endpoint_of(id, samples::RECEIVER, samples::SECRETS_KEY).unwrap()
        })
        .collect();
    let started = start_with(&endpoints).await;
    let key = started.aws.key_of(samples::PROJECT, &[Scope::Events]).await;
    (started, key)
}

/// A process looks a key and a project up once, in whichever request comes first: here in one that
/// is refused.
async fn look_up_the_key(api: &Api, path: &str) {
    assert_eq!(api.ask("POST", path, json!({})).await.status, 400);
}

/// How many calls the story makes when all is well.
async fn calls(started: &Started, story: Story, key: &str) -> usize {
    let (api, path, body) = story.request(started, u128::MAX >> 48, key);
    if !matches!(story, Story::OwnId) {
        look_up_the_key(&api, path).await;
    }
    let before = started.aws.faults().calls();
    assert_eq!(api.ask("POST", path, body).await.status, 202);
    started.messages().await;
    started.aws.faults().calls() - before
}

fn ids(answer: &Answer) -> BTreeSet<String> {
    let events = answer.body.as_array().cloned().unwrap_or_else(|| vec![answer.body.clone()]);
    events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

#[expect(clippy::too_many_lines, reason = "one story")]
async fn survives(story: Story) {
    let (started, key) = start().await;
    let (calls, mut number) = (calls(&started, story, &key).await, 0);
    let (mut refused, mut accepted) = (0, 0);
    for trouble in Trouble::all() {
        for place in 0..calls {
            number += 1;
            let case = format!("{story:?}, call {place} of {calls}: {trouble:?}");
            let (api, path, body) = story.request(&started, number, &key);
            started.aws.trouble("events", place, trouble);
            let strikes = started.aws.faults().strikes();
            let first = api.ask("POST", path, body.clone()).await;
            started.aws.faults().heal();
            assert!(started.aws.faults().strikes() > strikes, "{case}: nothing went wrong");
            if first.status == 202 {
                accepted += 1;
            } else {
                refused += 1;
                assert!(!trouble.passes_unseen(), "{case}: {} {}", first.status, first.body);
                assert_eq!(
                    (first.status, first.text("kind"), first.header("retry-after")),
                    (503, "unavailable", "1"),
                    "{case}"
                );
            }

            let mut second = api.ask("POST", path, body.clone()).await;
            if second.status == 409 {
                // The first request could not give its lease back either; the lease lapses by
                // itself.
                assert!(!trouble.passes_unseen(), "{case}");
                started.interrupt_leases(clock::now().seconds() - 1).await;
                second = api.ask("POST", path, body).await;
            }
            assert_eq!(second.status, 202, "{case}: {}", second.body);
            if first.status == 202 {
                assert_eq!(first.body, second.body, "{case}");
            }
            let events = ids(&second);
            let sent: Vec<_> = started
                .messages()
                .await
                .iter()
                .map(|message| (message.event.id.to_string(), message.endpoint))
                .collect();
            let distinct: BTreeSet<_> = sent.iter().collect();
            assert_eq!(
                distinct.len() as u128,
                events.len() as u128 * ENDPOINTS,
                "{case}: every delivery is on the queue"
            );
            assert!(
                sent.iter().all(|(event, _)| events.contains(event)),
                "{case}: and of no other event"
            );
            if trouble.passes_unseen() && trouble.fault != Fault::AnswerLost {
                assert_eq!(sent.len(), distinct.len(), "{case}: once");
            }
            for event in events {
                assert_eq!(
                    started.logged(&event).await.map(|logged| logged.targets.len() as u128),
                    Some(ENDPOINTS),
                    "{case}"
                );
            }
        }
    }
    eprintln!(
        "{story:?}: {calls} calls; {accepted} requests accepted, {refused} refused and accepted \
            when they were repeated"
    );
}

#[tokio::test]
async fn one_event_survives_every_fault_at_every_call() {
    survives(Story::One).await;
}

#[tokio::test]
async fn an_event_with_its_own_id_survives_every_fault_at_every_call() {
    survives(Story::OwnId).await;
}

#[tokio::test]
async fn a_batch_survives_every_fault_at_every_call() {
    survives(Story::Batch).await;
}

/// A batch of three events fails when a part of it is enqueued. Its repeat takes over what it can
/// and is refused, as another request is at the event `busy`. The next one comes when that other is
/// gone.
async fn is_repeated_with_its_ids_after_a_refusal(
    api: impl Fn(&Started) -> Api,
    batch: Json,
    busy: EventId,
) {
    let (started, _) = start().await;
    let (api, batch) = (api(&started), json!({"events": batch}));
    // Not the first of two calls that goes well: the other one's failure may overtake it.
    started.aws.faults().on("events", "SendMessageBatch").fail(Fault::Partly);
    assert_eq!(api.ask("POST", "/events/batch", batch.clone()).await.status, 503);
    started.aws.faults().heal();
    let enqueued: BTreeSet<_> =
        started.messages().await.iter().map(|message| message.event.id.to_string()).collect();
    assert!(!enqueued.is_empty(), "a part of it");

    let now = clock::now().seconds();
    started.interrupt_lease_of(busy, now + 60).await;
    assert_eq!(api.ask("POST", "/events/batch", batch.clone()).await.status, 409);
    assert!(started.messages().await.is_empty());
    started.interrupt_lease_of(busy, now - 1).await;

    let answer = api.ask("POST", "/events/batch", batch).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert!(
        enqueued.is_subset(&ids(&answer)),
        "the ids of the first request: {enqueued:?} of {}",
        answer.body
    );
    let messages = started.messages().await;
    assert_eq!(messages.len() as u128, 3 * ENDPOINTS);
    let unchecked: Vec<_> = messages.iter().filter(|message| !message.recheck).collect();
    assert!(unchecked.is_empty(), "the log is asked before anything is sent again: {unchecked:?}");
}

#[tokio::test]
async fn a_failed_batch_with_own_ids_is_not_forgotten_when_its_repeat_is_refused() {
    let [x, y, z] = [1, 2, 3].map(|number| EventId::new(clock::now(), number));
    let batch = [x, y, z].map(|id| json!({"kind": "task.created", "data": {}, "id": id}));
    is_repeated_with_its_ids_after_a_refusal(|started| started.api.clone(), json!(batch), z).await;
}

#[tokio::test]
async fn a_failed_batch_with_a_key_and_some_own_ids_keeps_all_its_ids_when_its_repeat_is_refused() {
    let own = EventId::new(clock::now(), 1);
    let batch = json!([event(), {"kind": "task.created", "data": {}, "id": own}, event()]);
    is_repeated_with_its_ids_after_a_refusal(
        |started| started.api.with_header("idempotency-key", "k"),
        batch,
        own,
    )
    .await;
}

#[tokio::test]
async fn an_endpoint_whose_row_cannot_be_read_neither_loses_its_events_nor_stops_the_others() {
    let (started, _) = start().await;
    let pk = format!("SUBS#{}", samples::PROJECT);
    let row = |id: &str, topics: &Json| {
        json!({
            "pk": {"S": pk}, "sk": {"S": format!("EP#{id}")}, "v": {"N": "9"}, "id": {"S": id},
            "url": {"S": "https://example.com/"}, "topics": topics, "status": {"S": "active"},
            "body": {"S": "of_newer_code"}, "other": {"S": "of newer code"},
        })
    };
    let (wanting, other) = ("we_01JZ0000000000000000000007", "we_01JZ0000000000000000000008");
    started.aws.put_row("ConfigTable", &row(wanting, &json!({"L": [{"S": "task.*"}]}))).await;
    started.aws.put_row("ConfigTable", &row(other, &json!({"L": [{"S": "run.*"}]}))).await;
    let answer = started.api.ask("POST", "/events", event()).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    let sent: BTreeSet<_> =
        started.messages().await.iter().map(|message| message.endpoint.to_string()).collect();
    assert_eq!(sent.len() as u128, ENDPOINTS + 1);
    assert!(sent.contains(wanting) && !sent.contains(other));

    // An event whose endpoints can't be read is not accepted; its producer posts it again.
    started.aws.put_row("ConfigTable", &row(other, &json!({"S": "of newer code"}))).await;
    let version = json!({
        "pk": {"S": pk}, "sk": {"S": "VERSION"}, "v": {"N": "9"}, "version": {"N": "100"},
    });
    started.aws.put_row("ConfigTable", &version).await;
    assert_eq!(started.api.ask("POST", "/events", event()).await.status, 503);
}

#[tokio::test]
async fn a_call_that_hangs_is_answered_before_lambda_ends_the_function() {
    let (started, key) = start().await;
    let calls = calls(&started, Story::One, &key).await;
    join_all((0..calls).map(async |place| {
        let (started, key) = start().await;
        let (api, path, body) = Story::One.request(&started, 1, &key);
        look_up_the_key(&api, path).await;
        started.aws.faults().of("events").after(place).fail(Fault::Hanging);
        let before = Instant::now();
        let answer = api.ask("POST", path, body.clone()).await;
        assert!(before.elapsed() < FUNCTION_TIMEOUT, "call {place}: {:?}", before.elapsed());
        started.aws.faults().heal();
        // Only the lease's end may hang: all was done by then.
        assert_eq!(
            answer.status,
            if place + 1 < calls { 503 } else { 202 },
            "call {place}: {}",
            answer.body
        );
        started.interrupt_leases(clock::now().seconds() - 1).await;
        assert_eq!(api.ask("POST", path, body).await.status, 202, "call {place}");
        assert!(started.messages().await.len() as u128 >= ENDPOINTS, "call {place}");
    }))
    .await;
}

#[tokio::test]
async fn a_call_that_hangs_once_is_tried_again() {
    let (started, key) = start().await;
    let (api, path, body) = Story::One.request(&started, 1, &key);
    started.aws.faults().on("events", "SendMessageBatch").times(1).fail(Fault::Hanging);
    assert_eq!(api.ask("POST", path, body).await.status, 202);
    assert_eq!(started.aws.faults().strikes(), 1);
}

#[tokio::test]
async fn these_are_all_calls_that_the_function_may_make() {
    let (started, key) = start().await;
    let mut number = 0;
    for story in Story::ALL {
        for place in 0..calls(&started, story, &key).await {
            number += 1;
            started.aws.trouble("events", place, Trouble { fault: Fault::Throttled, times: 1 });
            let (api, path, body) = story.request(&started, number, &key);
            api.ask("POST", path, body).await;
        }
    }
    let unstruck: Vec<Requirement> =
        started.aws.allowed("events").difference(&started.aws.faults().struck()).cloned().collect();
    assert!(unstruck.is_empty(), "{unstruck:?}");
}
