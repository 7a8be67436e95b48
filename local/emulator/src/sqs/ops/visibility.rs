//! `ChangeMessageVisibility` and `ChangeMessageVisibilityBatch`.
//!
//! The new timeout counts from now, but all timeouts of one receive together may not exceed 12
//! hours: 43,200 seconds, asked for a moment after the receive, is too much.

use serde::Deserialize;

use super::{
    batch::{self, BatchAnswer, BatchRequest, Done, Entry},
    check_range,
};
use crate::sqs::{
    error::{ErrorCode, SqsError},
    handle::ReceiptHandle,
    limits,
    queue::Queue,
    store::Store,
};

/// A `ChangeMessageVisibility` request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ChangeRequest {
    #[serde(default)]
    queue_url: String,
    #[serde(default)]
    receipt_handle: String,
    visibility_timeout: Option<i64>,
}

/// An entry of a `ChangeMessageVisibilityBatch` request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ChangeEntry {
    #[serde(default)]
    id: String,
    #[serde(default)]
    receipt_handle: String,
    visibility_timeout: Option<i64>,
}

impl Entry for ChangeEntry {
    fn id(&self) -> &str {
        &self.id
    }
}

pub(crate) fn change(store: &mut Store, request: ChangeRequest) -> Result<(), SqsError> {
    let queue = store.queue_at(&request.queue_url)?;
    let timeout = request.visibility_timeout;
    change_one(store, &queue, &request.receipt_handle, timeout)
}

pub(crate) fn change_batch(
    store: &mut Store,
    request: BatchRequest<ChangeEntry>,
) -> Result<BatchAnswer<Done>, SqsError> {
    let queue = store.queue_at(&request.queue_url)?;
    batch::check(&request.entries, "ChangeMessageVisibilityBatchRequestEntry")?;
    let outcomes = request.entries.into_iter().map(|entry| {
        let timeout = entry.visibility_timeout;
        let changed = change_one(store, &queue, &entry.receipt_handle, timeout);
        let done = changed.map(|()| Done { id: entry.id.clone() });
        (entry.id, done)
    });
    BatchAnswer::collect(outcomes)
}

fn change_one(
    store: &mut Store,
    queue: &Queue,
    handle: &str,
    timeout_s: Option<i64>,
) -> Result<(), SqsError> {
    let timeout_s = timeout_s.ok_or_else(|| SqsError::missing("VisibilityTimeout"))?;
    check_range(timeout_s, "VisibilityTimeout", &limits::VISIBILITY_S)?;
    let decoded = ReceiptHandle::decode(handle, queue.id)?;

    let now = store.now_ms();
    let held = store
        .held(decoded)?
        .filter(|held| held.token == decoded.token)
        .ok_or_else(|| gone(handle))?;
    if held.visible_ms <= now {
        return Err(SqsError::new(
            ErrorCode::MessageNotInflight,
            "The specified message isn't in flight.",
        ));
    }
    let visible_ms = now + timeout_s * 1000;
    if visible_ms > held.received_ms + limits::VISIBILITY_S.end() * 1000 {
        let reason = "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]";
        return Err(SqsError::invalid_parameter(timeout_s, "VisibilityTimeout", reason));
    }
    store.change_visibility(queue, decoded, visible_ms)
}

/// The message was deleted, or received again since, so that this handle has no say any more.
fn gone(handle: &str) -> SqsError {
    let reason = "Message does not exist or is not available for visibility timeout change.";
    SqsError::invalid_parameter(handle, "ReceiptHandle", reason)
}
