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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Story {
    /// One event with an `Idempotency-Key`.
    One,
    /// One event with an id of its own, under a project's key.
    OwnId,
    /// Three events.
    Batch,
    /// Three events, one of which has an id of its own, with an `Idempotency-Key`.
    Mixed,
    /// One event that was posted before.
    Repeat,
    /// The same, and by now its topic is gone.
    Refused,
}

impl Story {
    const ALL: [Self; 6] =
        [Self::One, Self::OwnId, Self::Batch, Self::Mixed, Self::Repeat, Self::Refused];

    /// The request of the given number: the same each time it is asked for.
    fn request(self, started: &Started, number: u128, key: &str) -> (Api, &'static str, Json) {
        let keyed = || {
            let name = if self == Self::Refused { Self::Repeat } else { self };
            started.api.with_header("idempotency-key", &format!("{name:?} {number}"))
        };
        let own = || {
            // Of the minute before: it gets a pointer in the feed.
            let minute = Timestamp::from_seconds((clock::now().seconds() / 60 - 1) * 60);
            json!({"kind": "task.created", "data": {}, "id": EventId::new(minute, number)})
        };
        match self {
            Self::One | Self::Repeat => (keyed(), "/events", event()),
            // A function of its own: it knows no key and no project.
            Self::OwnId => (api(&started.aws, &[]).with_key(key), "/events", own()),
            Self::Batch => {
                let events = json!({"events": [event(), event(), event()]});
                (started.api.clone(), "/events/batch", events)
            }
            Self::Mixed => (keyed(), "/events/batch", json!({"events": [event(), own(), event()]})),
            Self::Refused => {
                let stricter = api(&started.aws, &[("TOPICS", "other.topic")]);
                let named = stricter.with_header("idempotency-key", &format!("Repeat {number}"));
                (named, "/events", event())
            }
        }
    }

    /// What happened before the request.
    async fn prepare(self, started: &Started, number: u128, key: &str) {
        if matches!(self, Self::Repeat | Self::Refused) {
            let (api, path, body) = Self::Repeat.request(started, number, key);
            assert_eq!(api.ask("POST", path, body).await.status, 202);
            started.messages().await;
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
    // The first event of an hour is noted.
    let first = started.api.ask("POST", "/events", event()).await;
    assert_eq!(first.status, 202);
    let number = u128::MAX >> 49;
    story.prepare(started, number, key).await;
    let (api, path, body) = story.request(started, number, key);
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
            story.prepare(&started, number, &key).await;
            let (api, path, body) = story.request(&started, number, &key);
            if !matches!(story, Story::OwnId) {
                look_up_the_key(&api, path).await;
            }
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

            let second = api.ask("POST", path, body).await;
            assert_eq!(second.status, 202, "{case}: {}", second.body);
            if story == Story::Batch {
                // Two requests without a key are two.
                assert_ne!(first.body, second.body, "{case}");
            } else if first.status == 202 {
                assert_eq!(first.body, second.body, "{case}");
            }
            let sent: Vec<_> = started
                .messages()
                .await
                .iter()
                .map(|message| (message.event.id.to_string(), message.endpoint))
                .collect();
            let mut taken_care_of: BTreeSet<_> = sent.iter().cloned().collect();
            if trouble.passes_unseen() && trouble.fault != Fault::AnswerLost {
                assert_eq!(sent.len(), taken_care_of.len(), "{case}: once");
            }
            let mut events = ids(&second);
            if first.status == 202 {
                events.extend(ids(&first));
            }
            for event in &events {
                let rows = started.rows(event).await;
                taken_care_of.extend(rows.iter().map(|row| (event.clone(), row.endpoint)));
            }
            let of_these = taken_care_of.iter().filter(|(event, _)| events.contains(event)).count();
            assert_eq!(
                of_these as u128,
                events.len() as u128 * ENDPOINTS,
                "{case}: every delivery has a message or a row"
            );
            if story != Story::Batch {
                assert_eq!(of_these, taken_care_of.len(), "{case}: and no other event");
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

#[tokio::test]
async fn a_batch_with_a_key_and_an_own_id_survives_every_fault_at_every_call() {
    survives(Story::Mixed).await;
}

#[tokio::test]
async fn a_repeat_survives_every_fault_at_every_call() {
    survives(Story::Repeat).await;
}

#[tokio::test]
async fn a_repeat_that_would_be_refused_survives_every_fault_at_every_call() {
    survives(Story::Refused).await;
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
        assert_eq!(answer.status, 503, "call {place}: {}", answer.body);
        let answer = api.ask("POST", path, body).await;
        assert_eq!(answer.status, 202, "call {place}");
        let sent = started.messages().await.len() + started.rows(answer.text("id")).await.len();
        assert!(sent as u128 >= ENDPOINTS, "call {place}");
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
            story.prepare(&started, number, &key).await;
            let (api, path, body) = story.request(&started, number, &key);
            if !matches!(story, Story::OwnId) {
                look_up_the_key(&api, path).await;
            }
            started.aws.trouble("events", place, Trouble { fault: Fault::Throttled, times: 1 });
            api.ask("POST", path, body).await;
            started.aws.faults().heal();
        }
    }
    let unstruck: Vec<Requirement> =
        started.aws.allowed("events").difference(&started.aws.faults().struck()).cloned().collect();
    assert!(unstruck.is_empty(), "{unstruck:?}");
}
