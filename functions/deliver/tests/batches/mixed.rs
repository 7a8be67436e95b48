//! Batches in which not everything is well: each message is its own.

use domain::{delivery::End, model::Outcome, work};
use serde_json::json;

use super::support::{changed, event_of, message_of, start, start_with};

/// The id of the sample batch's message that newer code has written.
const NEWER: &str = "00000000-0000-4000-8000-000000000007";

#[tokio::test]
async fn the_sample_poison_goes_to_the_dead_letter_queue_without_a_read_or_write() {
    let started = start(&[200], &[]).await;
    assert_eq!(started.handle(event_of("poison.json")).await, [""; 0]);
    let dead = started.received("DeadLetterQueue").await;
    assert_eq!(dead.records[0].body.as_deref(), Some("this is no delivery"));
    assert_eq!(started.calls(), json!([["SendMessageBatch", "ok", 1]]));
}

#[tokio::test]
async fn in_the_sample_batch_the_good_ones_arrive_whatever_the_others_are() {
    let started = start(&[200], &[]).await;
    assert_eq!(
        started.handle(event_of("mixed-batch.json")).await,
        [NEWER],
        "what newer code has written waits for it"
    );
    for place in [0, 4] {
        let [attempt] = started
            .attempts(message_of("mixed-batch.json", place).event.id)
            .await
            .try_into()
            .unwrap();
        assert_eq!(attempt.outcome, Outcome::Succeeded);
    }
    assert_eq!(started.receiver.webhooks().len(), 2);

    let deleted = message_of("mixed-batch.json", 2);
    let [attempt] = started.attempts_of(&deleted).await.try_into().unwrap();
    assert_eq!((attempt.outcome, attempt.next_attempt_at), (Outcome::Refused, None));

    let dead = started.received("DeadLetterQueue").await.records;
    assert_eq!(
        (dead.len(), &dead[0].body),
        (1, &event_of("mixed-batch.json").records[1].body),
        "what is torn"
    );
    let expected = json!([
        ["BatchGetItem", "ok", 1],
        ["BatchWriteItem", "ok", 1],
        ["PutItem", "ok", 1],
        ["ChangeMessageVisibilityBatch", "ok", 1],
        ["SendMessageBatch", "ok", 1]
    ]);
    assert_eq!(started.calls(), expected);
    assert_eq!(started.end(&deleted).await, Some(End::Failed));
}

#[tokio::test]
async fn a_slow_receiver_costs_its_own_message_only() {
    let started = start_with(&[200], |endpoint| endpoint.timeout_seconds = Some(1)).await;
    let slow = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", slow.local_addr().unwrap());
    let mut endpoint = emulator::samples::endpoint_of(
        message_of("mixed-batch.json", 2).endpoint,
        &url,
        emulator::samples::SECRETS_KEY,
    )
    .unwrap();
    endpoint.timeout_seconds = Some(1);
    started.aws.plant(&[endpoint]).await;
    assert_eq!(started.handle(event_of("mixed-batch.json")).await, [NEWER]);
    let message = message_of("mixed-batch.json", 2);
    let [attempt] = started.attempts_of(&message).await.try_into().unwrap();
    assert_eq!(attempt.outcome, Outcome::Timeout);
    assert_eq!(started.receiver.webhooks().len(), 2);
    assert_eq!(started.count("RetriesQueue").await, 1);
}

#[tokio::test]
async fn a_secret_that_cannot_be_opened_is_our_fault_and_its_message_comes_again() {
    let foreign = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let started = start_with(&[200], |endpoint| {
        endpoint.secrets =
            emulator::samples::endpoint_of(endpoint.id, "http://127.0.0.1:1/", foreign)
                .unwrap()
                .secrets;
    })
    .await;
    let event = started.enqueued("DeliveriesQueue", &message_of("first-attempt.json", 0)).await;
    let id = event.records[0].message_id.clone().unwrap();
    assert_eq!(started.handle(event).await, [id], "it stays on its queue");
    assert_eq!(started.receiver.webhooks().len(), 0, "nothing unsigned is sent");
    let message = message_of("first-attempt.json", 0);
    assert!(
        started.attempts_of(&message).await.is_empty(),
        "and it is no attempt of the receiver's"
    );
}

#[tokio::test]
async fn one_call_sends_what_failed_in_a_batch() {
    let started = start(&[500], &[600]).await;
    let event = changed("mixed-batch.json", |record| {
        let number = record["messageId"].as_str().unwrap()[35..].parse::<u128>().unwrap();
        let mut message = message_of("first-attempt.json", 0);
        message.event.id = domain::id::EventId::new(message.event.id.time(), number);
        record["body"] = json!(work::encode(&message).unwrap());
    });
    assert_eq!(started.handle(event).await, [""; 0]);
    assert_eq!((started.receiver.webhooks().len(), started.count("RetriesQueue").await), (5, 5));
    let expected = json!([
        ["BatchGetItem", "ok", 1],
        ["BatchWriteItem", "ok", 1],
        ["PutItem", "ok", 5],
        ["UpdateItem", "ok", 1],
        ["SendMessageBatch", "ok", 1]
    ]);
    assert_eq!(started.calls(), expected);
}

#[tokio::test]
async fn twins_in_a_batch_go_one_after_the_other() {
    let started = start(&[200], &[]).await;
    let first =
        started.enqueued("DeliveriesQueue", &message_of("first-attempt.json", 0)).await.records;
    let second =
        started.enqueued("DeliveriesQueue", &message_of("first-attempt.json", 0)).await.records;
    let later = second[0].message_id.clone().unwrap();
    let mut event = event_of("first-attempt.json");
    event.records = [first, second].concat();
    assert_eq!(started.handle(event).await, [later]);
    assert_eq!(started.receiver.webhooks().len(), 1);
    assert_eq!(
        started.handle(started.received("DeliveriesQueue").await).await,
        [""; 0],
        "the log has its twin's attempt"
    );
    assert_eq!(started.receiver.webhooks().len(), 1);
}
