//! A queue in front of a function.

use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName::{
    ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible,
};
use emulator::poller::{Poller, Polls};
use emulator::testing::AwsStandIn;

use super::fake::Fake;

const PLENTY: Duration = Duration::from_secs(30);

/// (visible, in flight)
async fn depths(sqs: &aws_sdk_sqs::Client, url: &str) -> (u64, u64) {
    let names = [ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible];
    let read = sqs
        .get_queue_attributes()
        .queue_url(url)
        .set_attribute_names(Some(names.to_vec()))
        .send()
        .await
        .unwrap();
    let read = read.attributes.unwrap();
    (read[&names[0]].parse().unwrap(), read[&names[1]].parse().unwrap())
}

#[tokio::test]
async fn what_the_function_has_done_is_deleted_and_what_it_reports_as_failed_stays() {
    let aws = AwsStandIn::start().await;
    let fake = Fake::start(2, PLENTY).await;
    let sqs = aws_sdk_sqs::Client::new(&aws.sdk_config());
    let source = aws.template().function("deliver").unwrap().sources[0].clone();
    let url = aws
        .template()
        .queues
        .iter()
        .find(|queue| queue.arn == source.queue_arn)
        .unwrap()
        .url
        .clone();
    for body in ["ok", "fail", "ok", "ok"] {
        sqs.send_message().queue_url(&url).message_body(body).send().await.unwrap();
    }
    let poller =
        Poller::start(source, url.clone(), sqs.clone(), Polls::Long, fake.pool.clone(), false);
    let settled = async {
        while depths(&sqs, &url).await != (0, 1) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PLENTY, settled)
        .await
        .expect("three messages are deleted, one waits out its visibility timeout");
    poller.shut_down(PLENTY).await;
    assert_eq!(depths(&sqs, &url).await, (0, 1));
}

#[tokio::test]
async fn stopping_finishes_the_batches_that_were_received() {
    let aws = AwsStandIn::start().await;
    let fake = Fake::start(2, PLENTY).await;
    let sqs = aws_sdk_sqs::Client::new(&aws.sdk_config());
    let source = aws.template().function("deliver").unwrap().sources[0].clone();
    let url = aws.queue_url("DeliveriesQueue");
    sqs.send_message().queue_url(&url).message_body("ok").send().await.unwrap();
    let poller =
        Poller::start(source, url.clone(), sqs.clone(), Polls::Long, fake.pool.clone(), false);
    let received = async {
        while depths(&sqs, &url).await.0 > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PLENTY, received).await.unwrap();
    poller.shut_down(PLENTY).await;
    assert_eq!(depths(&sqs, &url).await, (0, 0));
}

#[tokio::test]
async fn stopping_waits_for_a_short_poll_so_that_no_message_is_received_for_nobody() {
    let aws = AwsStandIn::start().await;
    let fake = Fake::start(2, PLENTY).await;
    let sqs = aws_sdk_sqs::Client::new(&aws.sdk_config());
    let source = aws.template().function("deliver").unwrap().sources[0].clone();
    let url = aws.queue_url("DeliveriesQueue");
    let poller =
        Poller::start(source, url.clone(), sqs.clone(), Polls::Short, fake.pool.clone(), false);
    let polls = async {
        while !aws.calls().calls.iter().any(|call| call.operation == "ReceiveMessage") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PLENTY, polls).await.unwrap();
    let stopping = tokio::spawn(poller.shut_down(PLENTY));
    tokio::task::yield_now().await;
    sqs.send_message().queue_url(&url).message_body("ok").send().await.unwrap();
    stopping.await.unwrap();
    // Sent after that poll, the message still waits; received by it, it was handled.
    let (_, hidden) = depths(&sqs, &url).await;
    assert_eq!(hidden, 0, "the poll under way was waited for, and what it got was handled");
}
