//! `DeleteMessage` and `DeleteMessageBatch`.
//!
//! On a standard queue a delete with the handle of an earlier receive succeeds and deletes nothing
//! (SQS: "the request succeeds, but the message will not be deleted"); so does deleting twice. A
//! handle whose visibility timeout has run out works until the message is received again.

use serde::Deserialize;

use super::batch::{self, BatchAnswer, BatchRequest, Done, Entry};
use crate::sqs::{error::SqsError, handle::ReceiptHandle, store::Store};

/// A `DeleteMessage` request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DeleteRequest {
    #[serde(default)]
    queue_url: String,
    #[serde(default)]
    receipt_handle: String,
}

/// An entry of a `DeleteMessageBatch` request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DeleteEntry {
    #[serde(default)]
    id: String,
    #[serde(default)]
    receipt_handle: String,
}

impl Entry for DeleteEntry {
    fn id(&self) -> &str {
        &self.id
    }
}

pub(crate) fn delete(store: &mut Store, request: DeleteRequest) -> Result<(), SqsError> {
    let queue = store.queue_at(&request.queue_url)?;
    let handle = ReceiptHandle::decode(&request.receipt_handle, queue.id)?;
    store.delete_message(handle)
}

pub(crate) fn delete_batch(
    store: &mut Store,
    request: BatchRequest<DeleteEntry>,
) -> Result<BatchAnswer<Done>, SqsError> {
    let queue = store.queue_at(&request.queue_url)?;
    batch::check(&request.entries, "DeleteMessageBatchRequestEntry")?;
    let outcomes = request.entries.into_iter().map(|entry| {
        let deleted = ReceiptHandle::decode(&entry.receipt_handle, queue.id)
            .and_then(|handle| store.delete_message(handle));
        let done = deleted.map(|()| Done { id: entry.id.clone() });
        (entry.id, done)
    });
    BatchAnswer::collect(outcomes)
}
