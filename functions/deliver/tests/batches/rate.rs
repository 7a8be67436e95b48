//! Endpoints with a rate limit.

use std::time::Duration;

use aws_lambda_events::sqs::SqsEvent;
use domain::{
    delivery_row::State,
    id::EventId,
    model::{Outcome, Trigger},
    rate::RateSlot,
    time::Timestamp,
    work::Again,
};
use emulator::{samples, testing::again_in};
use runtime::clock;
use serde_json::json;
use store::{Table, delivery_rows::DeliveryKey, rates::RateStore};

use super::support::{Started, logged, message_of, start_with};

/// Sets the rate limit of the samples' endpoint, and what its receiver answers.
async fn start_limited(limit: u16, statuses: &[u16]) -> Started {
    start_with(statuses, |endpoint| {
        endpoint.rate_limit = Some(limit);
        endpoint.retry_schedule = Some(super::support::schedule(&[1, 1, 1]));
    })
    .await
}

/// The one message of the retries queue, once it comes, and its delivery's slot.
async fn next(started: &Started) -> (SqsEvent, EventId, RateSlot) {
    let event = started.received("RetriesQueue").await;
    let Again { project, event: id, endpoint, .. } =
        again_in(event.records[0].body.as_deref().unwrap());
    let rows = started.rows().get(&[DeliveryKey { project, event: id, endpoint }]).await.unwrap();
    let slot = match rows[0].state {
        State::Waiting { slot, .. } => slot,
        State::Parked { .. } | State::Ended(_) => None,
    };
    (event, id, slot.unwrap())
}

fn reserved(slot: RateSlot) -> State {
    State::Waiting { until: slot.at, slot: Some(slot) }
}

fn slot(number: u32, ahead: Duration, limit: u16) -> RateSlot {
    RateSlot { number, at: clock::now() + ahead, passed: 0, limit }
}

#[tokio::test]
async fn what_is_over_the_limit_comes_again_at_its_slot_without_an_attempt() {
    let started = start_limited(1, &[200]).await;
    let first = message_of("first-attempt.json", 0);
    let mut records = started.enqueued("DeliveriesQueue", &first).await;
    let others: Vec<_> = (1..=3_u64)
        .map(|number| {
            let mut message = first.clone();
            message.event.id = domain::id::EventId::new(clock::now(), number.into());
            message
        })
        .collect();
    for other in &others {
        records.records.extend(started.enqueued("DeliveriesQueue", other).await.records);
    }
    let began = clock::now();
    assert_eq!(started.handle(records).await, [""; 0]);
    assert_eq!(started.receiver.webhooks().len(), 2, "now, and a second later");
    assert!(clock::now().since(began) >= Duration::from_millis(900));
    assert_eq!(started.count("RetriesQueue").await, 2);
    for _ in 0..2 {
        let (event, id, reserved) = next(&started).await;
        assert_eq!((reserved.number, reserved.limit), (1, 1));
        assert!(started.attempts(id).await.is_empty(), "waiting is no attempt");
        assert_eq!(started.handle(event).await, [""; 0]);
        let attempts = started.attempts(id).await;
        assert_eq!(
            (attempts.len(), attempts[0].number, attempts[0].outcome),
            (1, 1, Outcome::Succeeded)
        );
        assert!(attempts[0].created_at >= reserved.at, "not before its slot");
    }
    assert_eq!(started.receiver.webhooks().len(), 4);
}

#[tokio::test]
async fn a_delivery_with_a_slot_takes_no_other_and_is_hidden_again_when_it_is_early() {
    let started = start_limited(1, &[200]).await;
    let early = slot(1, Duration::from_secs(4), 1);
    let event =
        started.again("RetriesQueue", &message_of("redriven.json", 0), reserved(early)).await;
    assert_eq!(started.handle(event).await.len(), 1);
    assert!(started.receiver.webhooks().is_empty());
    let (event, _, slot) = next(&started).await;
    assert_eq!(slot, early);
    assert_eq!(started.handle(event).await, [""; 0]);
    assert_eq!(started.receiver.webhooks().len(), 1);
    let rows = started.aws.rows("LogTable").await;
    assert!(!rows.iter().any(|row| row["sk"]["S"] == "RATE"), "no slot was taken");
}

#[tokio::test]
async fn a_retry_needs_a_slot_of_its_own_and_so_does_one_whose_slot_has_long_passed() {
    let started = start_limited(500, &[200]).await;
    let message = message_of("redriven.json", 0);
    let due = Some(Timestamp::from_seconds(1));
    started.record(&[logged(&message, 1, Outcome::HttpError, due)]).await;
    let far = Duration::from_mins(10);
    let event = started.again("RetriesQueue", &message, reserved(slot(1, far, 500))).await;
    assert_eq!(started.handle(event).await, [""; 0]);
    assert_eq!(
        started.attempts(message.event.id).await.len(),
        2,
        "the slot was the first attempt's"
    );

    let passed = RateSlot { number: 3, at: Timestamp::from_seconds(1), passed: 0, limit: 500 };
    let mut again = message.clone();
    again.trigger = Trigger::Manual;
    again.round = Some(domain::id::RoundId::new(clock::now(), 1));
    let event = started.again("RetriesQueue", &again, reserved(passed)).await;
    assert_eq!(started.handle(event).await, [""; 0]);
    assert_eq!(started.receiver.webhooks().len(), 2);
    // A slot is taken now if none can be taken behind others.
    let calls = started.calls();
    let taken = json!(["UpdateItem", "ConditionalCheckFailedException", 2]);
    assert!(calls.as_array().unwrap().contains(&taken), "{calls}");
}

#[tokio::test]
async fn a_changed_limit_holds_at_once_for_what_waits_and_for_what_comes() {
    let started = start_limited(500, &[200]).await;
    let rates = RateStore::new(Table::new(
        aws_sdk_dynamodb::Client::new(&started.aws.sdk_config()),
        started.aws.table_name("LogTable"),
    ));
    // A backlog of an hour, of when the limit was one a second.
    let (project, endpoint) =
        (samples::PROJECT.parse().unwrap(), samples::ENDPOINT.parse().unwrap());
    let mut last = clock::now();
    for _ in 0..30 {
        last = rates.take(project, endpoint, 1, clock::now).await.unwrap();
    }
    assert!(last.since(clock::now()) > Duration::from_secs(20));
    let waiting = slot(1, Duration::from_hours(1), 1);
    let event =
        started.again("RetriesQueue", &message_of("redriven.json", 0), reserved(waiting)).await;
    assert_eq!(started.handle(event).await, [""; 0]);
    let mut other = message_of("first-attempt.json", 0);
    other.event.id = domain::id::EventId::new(clock::now(), 1);
    let event = started.enqueued("DeliveriesQueue", &other).await;
    assert_eq!(started.handle(event).await, [""; 0]);
    assert_eq!(started.receiver.webhooks().len(), 2, "neither waits for the slots of before");
    assert!(
        rates.take(project, endpoint, 500, clock::now).await.unwrap().since(clock::now())
            < Duration::from_secs(1)
    );
}
