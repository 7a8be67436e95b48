//! The stand-ins' faults as the SDK sees them.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::time::Duration;

use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata};
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use emulator::{aws::Fault, testing::AwsStandIn};

/// How often the SDK tries a call.
const TRIES: usize = 3;

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn put(
    aws: &AwsStandIn,
    sk: &str,
) -> aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder {
    let put = aws_sdk_dynamodb::Client::new(&aws.sdk_config_of("events"))
        .put_item()
        .table_name(aws.table_name("LogTable"));
    put.item("pk", text("a")).item("sk", text(sk))
}

async fn rows(aws: &AwsStandIn) -> usize {
    let scan = aws_sdk_dynamodb::Client::new(&aws.sdk_config())
        .scan()
        .table_name(aws.table_name("LogTable"));
    scan.send().await.unwrap().items().len()
}

#[tokio::test]
async fn the_sdk_tries_three_times_what_may_pass() {
    let aws = AwsStandIn::start().await;
    for fault in [
        Fault::Throttled,
        Fault::InternalError,
        Fault::Unavailable,
        Fault::ConnectionLost,
        Fault::AnswerLost,
    ] {
        let before = aws.faults().strikes();
        aws.faults().of("events").times(TRIES - 1).fail(fault);
        put(&aws, "b")
            .send()
            .await
            .unwrap_or_else(|error| panic!("{fault:?}: {}", DisplayErrorContext(&error)));
        aws.faults().of("events").times(TRIES).fail(fault);
        put(&aws, "b").send().await.unwrap_err();
        assert_eq!(aws.faults().strikes() - before, 2 * TRIES - 1, "{fault:?}");
    }
}

#[tokio::test]
async fn both_services_name_their_errors_as_aws_does_and_expired_credentials_are_not_tried_again() {
    let aws = AwsStandIn::start().await;
    let sqs = aws_sdk_sqs::Client::new(&aws.sdk_config_of("events"));
    for (fault, dynamodb_code, sqs_code) in [
        (Fault::Throttled, "ProvisionedThroughputExceededException", "RequestThrottled"),
        (Fault::ExpiredCredentials, "ExpiredTokenException", "ExpiredToken"),
    ] {
        let times = if fault == Fault::Throttled { TRIES } else { 1 };
        aws.faults().of("events").times(2 * times).fail(fault);
        let error = put(&aws, "b").send().await.unwrap_err();
        assert_eq!(error.code(), Some(dynamodb_code));
        let error = sqs
            .send_message()
            .queue_url(aws.queue_url("DeliveriesQueue"))
            .message_body("x")
            .send()
            .await
            .unwrap_err();
        assert_eq!(error.code(), Some(sqs_code));
    }
    put(&aws, "b").send().await.unwrap();
}

#[tokio::test]
async fn a_lost_connection_has_done_nothing_and_a_lost_answer_has_done_all() {
    let aws = AwsStandIn::start().await;
    aws.faults().of("events").times(TRIES).fail(Fault::ConnectionLost);
    put(&aws, "b").send().await.unwrap_err();
    assert_eq!(rows(&aws).await, 0);
    aws.faults().of("events").times(TRIES).fail(Fault::AnswerLost);
    put(&aws, "b").send().await.unwrap_err();
    assert_eq!(rows(&aws).await, 1);
}

#[tokio::test]
async fn half_of_a_batch_is_carried_out_and_the_other_half_named() {
    let aws = AwsStandIn::start().await;
    let (sqs, queue) =
        (aws_sdk_sqs::Client::new(&aws.sdk_config_of("events")), aws.queue_url("DeliveriesQueue"));
    aws.faults().of("events").fail(Fault::Partly);
    let entries = ["0", "1", "2"]
        .map(|id| SendMessageBatchRequestEntry::builder().id(id).message_body(id).build().unwrap());
    let sent = sqs
        .send_message_batch()
        .queue_url(&queue)
        .set_entries(Some(entries.into()))
        .send()
        .await
        .unwrap();
    let failed: Vec<_> =
        sent.failed().iter().map(aws_sdk_sqs::types::BatchResultErrorEntry::id).collect();
    assert_eq!((sent.successful()[0].id(), failed), ("0", vec!["1", "2"]));

    let aws_side = aws_sdk_dynamodb::Client::new(&aws.sdk_config_of("deliver"));
    aws.faults().of("deliver").fail(Fault::Partly);
    let keys =
        ["a", "b"].map(|sk| [("pk".to_owned(), text("a")), ("sk".to_owned(), text(sk))].into());
    let keys = KeysAndAttributes::builder().set_keys(Some(keys.into())).build().unwrap();
    let got = aws_side
        .batch_get_item()
        .request_items(aws.table_name("ConfigTable"), keys)
        .send()
        .await
        .unwrap();
    assert_eq!(got.unprocessed_keys().unwrap()[&aws.table_name("ConfigTable")].keys().len(), 1);
}

#[tokio::test]
async fn a_call_that_hangs_is_carried_out_and_one_that_is_slow_is_answered() {
    let aws = AwsStandIn::start().await;
    aws.faults().of("events").times(1).fail(Fault::Hanging);
    let unanswered = tokio::time::timeout(Duration::from_millis(500), put(&aws, "b").send()).await;
    assert!(unanswered.is_err(), "{unanswered:?}");
    assert_eq!(rows(&aws).await, 1);
    aws.faults().of("events").times(1).fail(Fault::Slow(Duration::from_millis(50)));
    put(&aws, "c").send().await.unwrap();
    assert_eq!(rows(&aws).await, 2);
}
