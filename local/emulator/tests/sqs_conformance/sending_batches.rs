//! `SendMessageBatch`, and the rules that all batches share.

use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, QueueAttributeName,
    SendMessageBatchRequestEntry,
};

use crate::support::{Stand, bodies, code};

fn entry(id: &str, body: &str) -> SendMessageBatchRequestEntry {
    let entry = SendMessageBatchRequestEntry::builder().id(id);
    entry.message_body(body).build().unwrap()
}

async fn refusal(stand: &Stand, url: &str, entries: Vec<SendMessageBatchRequestEntry>) -> String {
    let send = stand.client.send_message_batch().queue_url(url);
    code(&send.set_entries(Some(entries)).send().await.unwrap_err())
}

#[tokio::test]
async fn ten_messages_are_sent_at_once() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    let entries = (0..10).map(|n| entry(&format!("id-{n}"), &format!("body {n}"))).collect();
    let batch = stand.client.send_message_batch().queue_url(&url);
    let sent = batch.set_entries(Some(entries)).send().await.unwrap();
    assert!(sent.failed().is_empty());
    assert_eq!(sent.successful().len(), 10);
    assert_eq!(sent.successful()[3].id(), "id-3");
    assert_eq!(bodies(&stand.receive(&url).await).len(), 10);
}

#[tokio::test]
async fn an_empty_batch_is_refused() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    let empty = "AWS.SimpleQueueService.EmptyBatchRequest";
    assert_eq!(refusal(&stand, &url, vec![]).await, empty);
    let delete = stand.client.delete_message_batch().queue_url(&url).set_entries(Some(vec![]));
    assert_eq!(code(&delete.send().await.unwrap_err()), empty);
    let change =
        stand.client.change_message_visibility_batch().queue_url(&url).set_entries(Some(vec![]));
    assert_eq!(code(&change.send().await.unwrap_err()), empty);
}

#[tokio::test]
async fn eleven_entries_are_too_many() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    let entries = (0..11).map(|n| entry(&n.to_string(), "a")).collect();
    let refused = refusal(&stand, &url, entries).await;
    assert_eq!(refused, "AWS.SimpleQueueService.TooManyEntriesInBatchRequest");
    assert_eq!(stand.depth(&url).await, (0, 0, 0), "nothing was sent");
}

#[tokio::test]
async fn entry_ids_must_be_distinct_and_well_formed() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    let refused =
        refusal(&stand, &url, vec![entry("a", "1"), entry("b", "2"), entry("a", "3")]).await;
    assert_eq!(refused, "AWS.SimpleQueueService.BatchEntryIdsNotDistinct");
    for id in ["", "a.b", "a b", &"i".repeat(81)] {
        let refused = refusal(&stand, &url, vec![entry(id, "1")]).await;
        assert_eq!(refused, "AWS.SimpleQueueService.InvalidBatchEntryId", "{id:?}");
    }
    assert_eq!(stand.depth(&url).await, (0, 0, 0), "nothing was sent");
}

#[tokio::test]
async fn a_batch_holds_one_mib_in_all_and_no_byte_more() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    let half = "x".repeat(1_048_576 / 2);
    let batch = stand.client.send_message_batch().queue_url(&url);
    let sent = batch.entries(entry("a", &half)).entries(entry("b", &half)).send().await.unwrap();
    assert_eq!(sent.successful().len(), 2);
    let refused =
        refusal(&stand, &url, vec![entry("a", &half), entry("b", &half), entry("c", "x")]).await;
    assert_eq!(refused, "AWS.SimpleQueueService.BatchRequestTooLong");
}

#[tokio::test]
async fn a_bad_entry_fails_alone() {
    let stand = Stand::new().await;
    let url = stand.queue_with("orders", &[(QueueAttributeName::MaximumMessageSize, "1024")]).await;
    let batch = stand.client.send_message_batch().queue_url(&url);
    let sent = batch
        .entries(entry("good", "hello"))
        .entries(entry("bad", "\u{1}"))
        .entries(entry("long", &"x".repeat(1025)))
        .send()
        .await
        .unwrap();
    assert_eq!(sent.successful().len(), 1);
    assert_eq!(sent.successful()[0].id(), "good");
    let failed: Vec<_> = sent.failed().iter().map(|entry| (entry.id(), entry.code())).collect();
    assert_eq!(failed, [("bad", "InvalidMessageContents"), ("long", "InvalidParameterValue")]);
    assert!(sent.failed().iter().all(aws_sdk_sqs::types::BatchResultErrorEntry::sender_fault));
    assert_eq!(stand.receive_one(&url).await.body(), Some("hello"));
}

#[tokio::test]
async fn messages_are_deleted_and_hidden_in_batches_each_entry_for_itself() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    stand.send(&url, "a").await;
    stand.send(&url, "b").await;
    let received = stand.receive(&url).await;
    let handle = |index: usize| received[index].receipt_handle().unwrap();

    let change = |id: &str, handle: &str, seconds| {
        let entry =
            ChangeMessageVisibilityBatchRequestEntry::builder().id(id).receipt_handle(handle);
        entry.visibility_timeout(seconds).build().unwrap()
    };
    let changed = stand
        .client
        .change_message_visibility_batch()
        .queue_url(&url)
        .entries(change("shown", handle(0), 0))
        .entries(change("bad", "rubbish", 0))
        .entries(change("beyond", handle(1), 43_201))
        .send()
        .await
        .unwrap();
    assert_eq!(changed.successful()[0].id(), "shown");
    let failed: Vec<_> = changed.failed().iter().map(|entry| (entry.id(), entry.code())).collect();
    assert_eq!(failed, [("bad", "ReceiptHandleIsInvalid"), ("beyond", "InvalidParameterValue")]);
    assert_eq!(stand.depth(&url).await, (1, 1, 0));

    let delete = |id: &str, handle: &str| {
        let entry = DeleteMessageBatchRequestEntry::builder().id(id);
        entry.receipt_handle(handle).build().unwrap()
    };
    let deleted = stand
        .client
        .delete_message_batch()
        .queue_url(&url)
        .entries(delete("done", handle(1)))
        .entries(delete("bad", "rubbish"))
        .send()
        .await
        .unwrap();
    assert_eq!(deleted.successful()[0].id(), "done");
    assert_eq!(deleted.failed()[0].code(), "ReceiptHandleIsInvalid");
    assert_eq!(stand.depth(&url).await, (1, 0, 0));
}
