//! The end of a schedule, and faults of ours.

use std::{sync::Arc, time::Duration};

use aws_lambda_events::sqs::SqsEvent;
use deliver::{App, BatchError};
use domain::{
    delivery::End,
    delivery_row::{DeliveryRow, State},
    id::EventId,
    message::Message,
    model::{Event, Outcome},
    time::Timestamp,
    work,
};
use emulator::aws::Fault;
use runtime::clock;
use serde_json::json;

use super::support::{OVER, changed, event_of, logged, message_of, start};

#[tokio::test]
async fn after_its_last_attempt_a_delivery_has_failed_in_the_log_and_in_its_row() {
    let started = start(&[500], &[5]).await;
    let message = message_of("redriven.json", 0);
    started
        .record(&[logged(&message, 1, Outcome::HttpError, Some(Timestamp::from_seconds(1)))])
        .await;
    let event = started.again("RetriesQueue", &message, OVER).await;
    assert_eq!(started.handle(event).await, [""; 0]);
    assert_eq!(started.end(&message).await, Some(End::Failed));
    let attempts = started.attempts(message.event.id).await;
    assert_eq!(
        (attempts.len(), attempts[1].outcome, attempts[1].next_attempt_at),
        (2, Outcome::HttpError, None)
    );
    assert_eq!(started.count("DeadLetterQueue").await, 0);
}

#[tokio::test]
async fn what_was_given_up_is_not_sent_again_whichever_message_comes_back() {
    let started = start(&[200], &[5]).await;
    let message = message_of("redriven.json", 0);
    let log = [
        logged(&message, 1, Outcome::HttpError, Some(Timestamp::from_seconds(1))),
        logged(&message, 2, Outcome::Timeout, None),
    ];
    started.record(&log[..1]).await;
    // It died before the log had the last one.
    let before = started.history(&message).await;
    let row = DeliveryRow::new(&message, State::Ended(End::Failed), 7, clock::now());
    let row = DeliveryRow { history: before.after(&log[1], log[1].id), ..row };
    let row = started.rows().begin(row).await.unwrap().unwrap();
    let body = work::encode_again(&row.again(false)).unwrap();
    let again = started.sent("RetriesQueue", body).await;
    for event in [again, event_of("redriven.json")] {
        assert_eq!(started.handle(event).await, [""; 0]);
    }
    assert_eq!(started.end(&message).await, Some(End::Failed));
    assert_eq!(started.receiver.webhooks().len(), 0);
    assert_eq!(started.attempts(message.event.id).await.len(), 2);
}

#[tokio::test]
async fn with_no_time_left_nothing_is_sent_and_the_message_comes_again() {
    let started = start(&[200], &[]).await;
    let event = started.enqueued("DeliveriesQueue", &message_of("first-attempt.json", 0)).await;
    let id = event.records[0].message_id.clone().unwrap();
    let failed = started.handle_until(event, clock::now() + Duration::from_secs(10)).await.unwrap();
    assert_eq!(failed, [id.as_str()]);
    assert!(started.receiver.webhooks().is_empty());
    let again = started.received("DeliveriesQueue").await;
    assert_eq!(
        again.records[0].message_id,
        Some(id),
        "long before the queue's own visibility timeout"
    );
}

#[tokio::test]
async fn hiding_that_is_done_by_half_is_tried_again_for_the_rest() {
    let started = start(&[200], &[]).await;
    let mut batch = started.enqueued("DeliveriesQueue", &message_of("first-attempt.json", 0)).await;
    batch
        .records
        .extend(started.enqueued("DeliveriesQueue", &message_of("redriven.json", 0)).await.records);
    started.aws.faults().on("deliver", "ChangeMessageVisibilityBatch").times(1).fail(Fault::Partly);
    let failed = started.handle_until(batch, clock::now() + Duration::from_secs(10)).await.unwrap();
    let mut again = Vec::new();
    // Each comes long before the queue's own visibility timeout.
    while again.len() < 2 {
        let received = started.received("DeliveriesQueue").await.records;
        assert!(!received.is_empty(), "only {again:?} came again");
        again.extend(received.into_iter().filter_map(|record| record.message_id));
    }
    again.sort();
    assert_eq!(again, failed);
}

#[tokio::test]
async fn an_attempt_that_cannot_be_recorded_keeps_its_message() {
    let started = start(&[200], &[]).await;
    started.aws.faults().on("deliver", "BatchWriteItem").fail(Fault::Throttled);
    assert_eq!(started.handle(event_of("first-attempt.json")).await.len(), 1);
    assert_eq!(started.receiver.webhooks().len(), 1, "it comes again: better twice than unknown");
}

#[tokio::test]
async fn a_batch_whose_endpoints_cannot_be_read_comes_again_whole() {
    let started = start(&[200], &[]).await;
    let mut variables = started.aws.environment_of("deliver");
    variables.insert("CONFIG_TABLE".to_owned(), "no-such-table".to_owned());
    let app =
        App::new(&started.aws.sdk_config_of("deliver"), &variables.into_iter().collect()).unwrap();
    let deadline = clock::now() + Duration::from_mins(1);
    let response =
        deliver::handle(Arc::new(app), event_of("mixed-batch.json"), deadline).await.unwrap();
    assert_eq!(response.batch_item_failures.len(), 5);
    assert_eq!(started.count("RetriesQueue").await + started.count("DeadLetterQueue").await, 0);
}

#[tokio::test]
async fn an_endpoint_whose_row_cannot_be_read_keeps_its_own_deliveries_only() {
    let started = start(&[200], &[]).await;
    let unreadable = message_of("mixed-batch.json", 2).endpoint.to_string();
    let text = |text: &str| aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned());
    let put = aws_sdk_dynamodb::Client::new(&started.aws.sdk_config())
        .put_item()
        .table_name(started.aws.table_name("ConfigTable"));
    let put = put
        .item("pk", text(&format!("PROJ#{}", emulator::samples::PROJECT)))
        .item("sk", text(&format!("EP#{unreadable}")));
    put.item("id", text(&unreadable)).item("url", text("")).send().await.unwrap();
    assert_eq!(
        started.handle(event_of("mixed-batch.json")).await,
        ["00000000-0000-4000-8000-000000000006", "00000000-0000-4000-8000-000000000007"]
    );
    assert_eq!(started.receiver.webhooks().len(), 2);
}

#[tokio::test]
async fn a_record_without_an_id_fails_the_whole_batch() {
    let started = start(&[200], &[]).await;
    let event = changed("mixed-batch.json", |record| {
        if record["receiptHandle"] == "sample-5" {
            record["messageId"] = json!("");
        }
    });
    let failed = started.handle_until(event, clock::now() + Duration::from_mins(1)).await;
    assert!(matches!(failed, Err(BatchError::Nameless)), "{failed:?}");
    assert!(started.receiver.webhooks().is_empty(), "it would come again");
}

#[tokio::test]
async fn when_too_many_messages_are_hidden_a_wait_is_a_row_alone() {
    let started = start(&[200], &[]).await;
    let sample = message_of("redriven.json", 0);
    let until = clock::now() + Duration::from_mins(10);
    let message = |number| {
        let event = Event { id: EventId::new(long_ago(), number), ..sample.event.clone() };
        Message { event, ..sample.clone() }
    };
    let mut hidden = 0;
    // A quarter of 3,000 is one project's share. These come before their time.
    for first in (0..760_u128).step_by(10) {
        let mut batch = SqsEvent::default();
        for number in first..first + 10 {
            let state = State::Waiting { until, slot: None };
            let event = started.again("RetriesQueue", &message(number), state).await;
            batch.records.extend(event.records);
        }
        hidden += started.handle(batch).await.len();
    }
    assert_eq!(hidden, 750);
    for (number, is_carried) in [(0, true), (759, false)] {
        let row = started.row(&message(number)).await.unwrap();
        assert_eq!((row.due_at(), row.is_carried()), (Some(until), is_carried), "{number}");
    }
}

fn long_ago() -> Timestamp {
    Timestamp::from_seconds(1_751_328_000)
}
