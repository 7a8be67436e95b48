//! Retries: only the log says how a delivery stands.

use std::time::Duration;

use domain::{
    delivery::{End, FIRST_WINDOW},
    delivery_row::{DeliveryRow, State},
    id::AttemptId,
    model::{Attempt, Outcome, Trigger},
    time::Timestamp,
    work,
};
use runtime::clock;
use serde_json::json;

use super::support::{OVER, OVER_AT, changed, event_of, logged, message_of, sent_at, start};

/// Before first messages of now.
fn long_ago() -> Timestamp {
    Timestamp::from_seconds(clock::now().seconds() - 2 * FIRST_WINDOW.as_secs())
}

fn soon() -> Timestamp {
    clock::now() + Duration::from_mins(10)
}

#[tokio::test]
async fn a_retry_gets_the_number_after_its_rows_last() {
    let started = start(&[200], &[5, 5]).await;
    let message = message_of("redriven.json", 0);
    let due = Some(Timestamp::from_seconds(1));
    started.record(&[logged(&message, 1, Outcome::HttpError, due)]).await;
    let event = started.again("RetriesQueue", &message, OVER).await;
    assert_eq!(started.handle(event).await, [""; 0]);
    let attempts = started.attempts(message.event.id).await;
    let story: Vec<_> = attempts.iter().map(|attempt| (attempt.number, attempt.outcome)).collect();
    assert_eq!(story, [(1, Outcome::HttpError), (2, Outcome::Succeeded)]);
    assert_eq!(
        started.calls(),
        json!([
            ["BatchGetItem", "ok", 1],
            ["BatchGetItem", "ok", 1],
            ["BatchGetItem", "ok", 1],
            ["BatchWriteItem", "ok", 1],
            ["PutItem", "ok", 1]
        ])
    );
    assert_eq!(started.end(&message).await, Some(End::Succeeded));
}

#[tokio::test]
async fn a_retry_that_fails_is_hidden_for_its_wait_and_reported() {
    let started = start(&[503], &[1, 1]).await;
    let message = message_of("redriven.json", 0);
    let event = started.again("RetriesQueue", &message, OVER).await;
    let id = event.records[0].message_id.clone().unwrap();
    assert_eq!(started.handle(event).await, [id.as_str()]);
    let due = started.attempts(message.event.id).await[0].next_attempt_at.unwrap();

    let again = started.received("RetriesQueue").await;
    assert_eq!(
        again.records[0].message_id,
        Some(id),
        "long before the queue's own visibility timeout"
    );
    assert!(clock::now() >= due);
    let row = started.row(&message).await.unwrap();
    assert_eq!((row.due_at(), row.is_carried()), (Some(due), true));
    assert_eq!(started.count("DeliveriesQueue").await + started.count("DeadLetterQueue").await, 0);
}

#[tokio::test]
async fn what_has_succeeded_is_dropped_without_a_request() {
    let started = start(&[200], &[]).await;
    for (file, change) in [("redriven.json", None), ("first-attempt.json", Some("2"))] {
        let message = message_of(file, 0);
        started.record(&[logged(&message, 1, Outcome::Succeeded, None)]).await;
        if change.is_none() {
            // It came late, so it has a row.
            started.waiting(&message, State::Ended(End::Succeeded)).await;
        }
        let event = changed(file, |record| {
            if let Some(count) = change {
                record["attributes"]["ApproximateReceiveCount"] = json!(count);
            }
        });
        assert_eq!(started.handle(event).await, [""; 0]);
        assert_eq!(started.attempts(message.event.id).await.len(), 1, "{file}");
    }
    assert!(started.receiver.webhooks().is_empty());
}

#[tokio::test]
async fn a_first_message_that_was_sent_long_ago_looks_at_the_log() {
    let started = start(&[200], &[]).await;
    let message = message_of("first-attempt.json", 0);
    let made = logged(&message, 1, Outcome::Succeeded, None);
    let id = AttemptId::new(long_ago(), 1);
    started.record(&[Attempt { id, created_at: long_ago(), ..made }]).await;
    let event = sent_at("first-attempt.json", long_ago());
    assert_eq!(started.handle(event).await, [""; 0]);
    assert!(started.receiver.webhooks().is_empty());
}

#[tokio::test]
async fn a_late_first_message_leaves_a_delivery_that_was_never_tried_to_its_row() {
    let started = start(&[200], &[]).await;
    let message = message_of("first-attempt.json", 0);
    // A repeated request has written it.
    started.log_event(&message).await;
    let row = DeliveryRow::unconfirmed(&message, OVER_AT, 7);
    started.rows().begin_unconfirmed(&row).await.unwrap();
    started.rows().begin_unconfirmed(&DeliveryRow { seq: 8, ..row.clone() }).await.unwrap();
    let late = sent_at("first-attempt.json", long_ago());
    assert_eq!(started.handle(late.clone()).await, [""; 0]);
    assert!(started.receiver.webhooks().is_empty());
    assert_eq!(started.row(&message).await, Some(row.clone()), "the first of two repeats");

    let body = work::encode_again(&row.again(false)).unwrap();
    let again = started.sent("RetriesQueue", body).await;
    assert_eq!(started.handle(again).await, [""; 0]);
    assert_eq!(started.receiver.webhooks().len(), 1);
    assert_eq!(started.end(&message).await, Some(End::Succeeded));
    assert_eq!(started.handle(late).await, [""; 0]);
    assert_eq!(started.receiver.webhooks().len(), 1, "it has arrived");
}

#[tokio::test]
async fn a_young_first_message_is_sent_although_a_repeat_has_written_a_row() {
    for (answer, attempts) in [(200, 1), (500, 2)] {
        let started = start(&[answer, 200], &[1]).await;
        let message = message_of("first-attempt.json", 0);
        started.log_event(&message).await;
        let row = DeliveryRow::unconfirmed(&message, OVER_AT, 7);
        started.rows().begin_unconfirmed(&row).await.unwrap();
        let body = work::encode_again(&row.again(false)).unwrap();
        assert_eq!(started.handle(event_of("first-attempt.json")).await, [""; 0]);
        if answer == 500 {
            // The schedule has the row now.
            let again = started.received("RetriesQueue").await;
            assert_eq!(started.handle(again).await, [""; 0]);
        }
        let needless = started.sent("RetriesQueue", body).await;
        assert_eq!(started.handle(needless).await, [""; 0]);
        assert_eq!(started.receiver.webhooks().len(), attempts);
        assert_eq!(started.end(&message).await, Some(End::Succeeded));
    }
}

#[tokio::test]
async fn before_its_time_it_is_hidden_without_a_request() {
    let started = start(&[200], &[5]).await;
    let message = message_of("redriven.json", 0);
    let until = soon();
    started.record(&[logged(&message, 1, Outcome::HttpError, Some(until))]).await;
    let event = started.again("RetriesQueue", &message, State::Waiting { until, slot: None }).await;
    let id = event.records[0].message_id.clone().unwrap();
    assert_eq!(started.handle(event).await, [id]);
    assert!(started.receiver.webhooks().is_empty());
    let expected = json!([
        ["BatchGetItem", "ok", 1],
        ["BatchGetItem", "ok", 1],
        ["BatchGetItem", "ok", 1],
        ["PutItem", "ok", 1],
        ["ChangeMessageVisibilityBatch", "ok", 1]
    ]);
    assert_eq!(started.calls(), expected);
}

#[tokio::test]
async fn a_resend_is_sent_although_the_delivery_has_succeeded() {
    let started = start(&[200], &[]).await;
    let mut message = message_of("first-attempt.json", 0);
    started.record(&[logged(&message, 1, Outcome::Succeeded, None)]).await;
    message.trigger = Trigger::Manual;
    message.round = Some(domain::id::RoundId::new(clock::now(), 1));
    let event = started.resent(&message).await;
    assert_eq!(started.handle(event.clone()).await, [""; 0]);
    // The same message once more, as SQS may deliver it.
    assert_eq!(started.handle(event).await, [""; 0]);
    let attempts = started.attempts(message.event.id).await;
    assert_eq!((attempts.len(), attempts[1].number, attempts[1].trigger), (2, 2, Trigger::Manual));
    assert_eq!(started.receiver.webhooks().len(), 1);
}

#[tokio::test]
async fn what_comes_too_early_to_the_queue_of_first_attempts_waits_on_the_other() {
    let started = start(&[200], &[5]).await;
    let message = message_of("first-attempt.json", 0);
    let until = soon();
    started.record(&[logged(&message, 1, Outcome::HttpError, Some(until))]).await;
    started.waiting(&message, State::Waiting { until, slot: None }).await;
    let event = changed("first-attempt.json", |record| {
        record["attributes"]["ApproximateReceiveCount"] = json!("2");
    });
    assert_eq!(started.handle(event).await, [""; 0]);
    assert!(started.receiver.webhooks().is_empty());
    assert_eq!(started.count("RetriesQueue").await, 1);
}
