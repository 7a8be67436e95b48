//! Long polling: a receive that waits is answered at once when there is something to receive.

use std::{future::Future, pin::Pin, time::Duration};

use aws_sdk_sqs::types::QueueAttributeName;
use emulator::sqs::{Clock, Sqs, SqsResponse};
use futures::poll;
use serde_json::{Value, json};

use crate::support::Stand;

type Poll = Pin<Box<dyn Future<Output = Value> + Send>>;

/// A receive of up to ten messages that is certainly waiting, having found nothing.
async fn waiting_poll(sqs: &Sqs, url: &str, request: Value) -> Poll {
    let mut body = json!({"QueueUrl": url, "MaxNumberOfMessages": 10});
    body.as_object_mut().unwrap().extend(request.as_object().unwrap().clone());
    let sqs_of_poll = sqs.clone();
    let mut waiting: Poll = Box::pin(async move {
        let response = sqs_of_poll.call("ReceiveMessage", body.to_string().as_bytes()).await;
        parsed(&response)
    });
    // The poll's request waits in the store's queue; this request comes after it.
    assert!(poll!(&mut waiting).is_pending());
    sqs.depths().await.unwrap();
    assert!(poll!(&mut waiting).is_pending(), "nothing to receive yet");
    waiting
}

fn parsed(response: &SqsResponse) -> Value {
    assert_eq!(response.status, 200, "{response:?}");
    serde_json::from_slice(&response.body).unwrap()
}

/// The bodies the poll is answered with; it must be answered without the clock being moved.
async fn bodies(poll: Poll) -> Vec<String> {
    let answer =
        tokio::time::timeout(Duration::from_secs(30), poll).await.expect("the poll was woken");
    let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
    messages.iter().map(|message| message["Body"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_poll_is_answered_when_a_message_is_sent() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    let poll = waiting_poll(&stand.sqs, &url, json!({"WaitTimeSeconds": 20})).await;
    stand.send(&url, "hello").await;
    assert_eq!(bodies(poll).await, ["hello"]);
}

#[tokio::test]
async fn a_poll_is_answered_when_a_hidden_message_becomes_visible() {
    let stand = Stand::new().await;
    let url = stand.queue_with("orders", &[(QueueAttributeName::VisibilityTimeout, "5")]).await;
    stand.send(&url, "hello").await;
    stand.receive_one(&url).await;
    let poll = waiting_poll(&stand.sqs, &url, json!({"WaitTimeSeconds": 20})).await;
    stand.pass(5);
    assert_eq!(bodies(poll).await, ["hello"]);
}

#[tokio::test]
async fn a_poll_by_the_systems_clock_is_answered_when_a_hidden_message_becomes_visible() {
    let stand = Stand::with(|settings| settings.clock = Clock::system()).await;
    let url = stand.queue_with("orders", &[(QueueAttributeName::VisibilityTimeout, "1")]).await;
    stand.send(&url, "hello").await;
    stand.receive_one(&url).await;
    let poll = stand.client.receive_message().queue_url(&url).wait_time_seconds(20).send().await;
    assert_eq!(poll.unwrap().messages().len(), 1);
}

#[tokio::test]
async fn a_poll_is_answered_when_a_message_is_shown_again_by_hand() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    stand.send(&url, "hello").await;
    let received = stand.receive_one(&url).await;
    let poll = waiting_poll(&stand.sqs, &url, json!({"WaitTimeSeconds": 20})).await;
    stand.hide(&url, &received, 0).await.unwrap();
    assert_eq!(bodies(poll).await, ["hello"]);
}

#[tokio::test]
async fn a_poll_is_answered_when_a_delay_sent_after_it_began_ends() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    let poll = waiting_poll(&stand.sqs, &url, json!({"WaitTimeSeconds": 20})).await;
    let send = stand.client.send_message().queue_url(&url).message_body("later");
    send.delay_seconds(3).send().await.unwrap();
    stand.pass(3);
    assert_eq!(bodies(poll).await, ["later"]);
}

#[tokio::test]
async fn a_poll_of_a_dead_letter_queue_is_answered_when_a_message_is_moved_there() {
    let stand = Stand::new().await;
    let (live, dead) = stand.queue_with_dead_letters("orders", 1).await;
    stand.send(&live, "hopeless").await;
    let received = stand.receive_one(&live).await;
    stand.hide(&live, &received, 0).await.unwrap();
    let poll = waiting_poll(&stand.sqs, &dead, json!({"WaitTimeSeconds": 20})).await;
    assert!(stand.receive(&live).await.is_empty());
    assert_eq!(bodies(poll).await, ["hopeless"]);
}

#[tokio::test]
async fn a_poll_that_finds_nothing_is_answered_empty_when_its_time_is_over() {
    let stand = Stand::new().await;
    let url = stand
        .queue_with("orders", &[(QueueAttributeName::ReceiveMessageWaitTimeSeconds, "7")])
        .await;
    let by_queue = waiting_poll(&stand.sqs, &url, json!({})).await;
    let by_itself = waiting_poll(&stand.sqs, &url, json!({"WaitTimeSeconds": 20})).await;
    stand.pass(7);
    assert!(bodies(by_queue).await.is_empty());
    stand.pass(13);
    assert!(bodies(by_itself).await.is_empty());
    let at_once = stand.client.receive_message().queue_url(&url).wait_time_seconds(0).send();
    assert!(
        at_once.await.unwrap().messages().is_empty(),
        "0 is a short poll whatever the queue says"
    );
}

#[tokio::test]
async fn each_message_wakes_many_polls_and_goes_to_one() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    let mut polls = Vec::new();
    for _ in 0..5 {
        polls.push(waiting_poll(&stand.sqs, &url, json!({"WaitTimeSeconds": 20})).await);
    }
    stand.send(&url, "hello").await;
    let (first, _, rest) = futures::future::select_all(polls).await;
    assert_eq!(first["Messages"].as_array().unwrap().len(), 1);
    stand.pass(20);
    for poll in rest {
        assert!(bodies(poll).await.is_empty());
    }
}

#[tokio::test]
async fn a_long_poll_of_a_queue_with_too_many_messages_in_flight_waits_for_room() {
    let stand = Stand::with(|settings| settings.in_flight_limit = 1).await;
    let url = stand.queue("orders").await;
    stand.send(&url, "first").await;
    stand.send(&url, "second").await;
    let first = stand.receive_one(&url).await;
    let poll = waiting_poll(&stand.sqs, &url, json!({"WaitTimeSeconds": 20})).await;
    stand.delete(&url, &first).await;
    stand.pass(1);
    assert_eq!(bodies(poll).await, ["second"]);
}

#[tokio::test]
async fn a_poll_of_a_queue_that_is_deleted_fails() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    let client = stand.client.clone();
    let poll = client.receive_message().queue_url(&url).wait_time_seconds(20).send();
    let delete = async {
        let other = waiting_poll(&stand.sqs, &url, json!({"WaitTimeSeconds": 20})).await;
        stand.client.delete_queue().queue_url(&url).send().await.unwrap();
        drop(other);
    };
    let (poll, ()) = futures::join!(poll, delete);
    assert!(poll.unwrap_err().into_service_error().is_queue_does_not_exist());
}
