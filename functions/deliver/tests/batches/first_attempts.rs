//! First attempts: what is sent, what is recorded, what it costs.

use domain::model::{Outcome, Trigger};
use emulator::{samples, testing::again_in};
use runtime::clock;
use serde_json::{Value as Json, json};

use super::support::{event_of, message_of, start, start_with};

#[tokio::test]
async fn the_sample_arrives_signed_and_is_recorded_with_one_read_and_one_write() {
    let started = start(&[200], &[]).await;
    let before = clock::now();
    assert_eq!(started.handle(event_of("first-attempt.json")).await, [""; 0]);

    let [webhook] = started.receiver.webhooks().try_into().unwrap();
    let message = message_of("first-attempt.json", 0);
    let body: Json = serde_json::from_slice(&webhook.body).unwrap();
    let data: Json = serde_json::from_str(message.event.data.get()).unwrap();
    let expected = json!({"id": message.event.id, "object": "event", "kind": "task.succeeded",
        "data": data, "created_at": message.event.created_at});
    assert_eq!(body, expected);
    assert_eq!(webhook.header("webhook-id"), message.event.id.to_string());
    let verifier = standardwebhooks::Webhook::new(samples::SECRET).unwrap();
    verifier.verify(&webhook.body, &webhook.headers).unwrap();

    let [attempt] = started.attempts(message.event.id).await.try_into().unwrap();
    assert_eq!(
        (attempt.number, attempt.outcome, attempt.trigger),
        (1, Outcome::Succeeded, Trigger::Scheduled)
    );
    assert_eq!(
        (attempt.response_status, attempt.response_body.as_deref()),
        (Some(200), Some("noted"))
    );
    assert_eq!((attempt.url.as_str(), attempt.next_attempt_at), (started.receiver.url(), None));
    assert!(attempt.created_at >= before);
    // Whatever comes on top of this is paid for every single event.
    assert_eq!(started.calls(), json!([["BatchGetItem", "ok", 1], ["BatchWriteItem", "ok", 1]]));
}

#[tokio::test]
async fn what_fails_waits_in_a_row_and_a_message_on_the_retries_queue_carries_it() {
    let started = start(&[500], &[1]).await;
    assert_eq!(
        started.handle(event_of("first-attempt.json")).await,
        [""; 0],
        "it leaves its own queue"
    );
    let message = message_of("first-attempt.json", 0);
    let [attempt] = started.attempts(message.event.id).await.try_into().unwrap();
    assert_eq!((attempt.outcome, attempt.response_status), (Outcome::HttpError, Some(500)));
    let due = attempt.next_attempt_at.unwrap();
    assert_eq!(
        started.calls(),
        json!([
            ["BatchGetItem", "ok", 1],
            ["BatchWriteItem", "ok", 1],
            ["PutItem", "ok", 1],
            ["UpdateItem", "ok", 1],
            ["SendMessageBatch", "ok", 1]
        ])
    );

    let retry = started.received("RetriesQueue").await;
    assert!(clock::now() >= due, "it was hidden until then");
    let again = again_in(retry.records[0].body.as_deref().unwrap());
    let row = started.row(&message).await.unwrap();
    assert_eq!((row.due_at(), row.again(false)), (Some(due), again), "the row has the rest");
}

#[tokio::test]
async fn where_nobody_listens_the_attempt_is_unreachable_and_waits_for_the_next() {
    // A port that no test can be given.
    let nobody = samples::endpoint("http://127.0.0.1:1/").unwrap().url;
    let started = start_with(&[200], |endpoint| endpoint.url = nobody).await;
    assert_eq!(started.handle(event_of("first-attempt.json")).await, [""; 0]);
    let [attempt] =
        started.attempts(message_of("first-attempt.json", 0).event.id).await.try_into().unwrap();
    assert_eq!((attempt.outcome, attempt.response_status), (Outcome::Unreachable, None));
    assert!(attempt.error.is_some() && attempt.next_attempt_at.is_some());
    assert_eq!(started.count("RetriesQueue").await, 1);
}
