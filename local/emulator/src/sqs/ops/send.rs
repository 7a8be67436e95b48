//! `SendMessage` and `SendMessageBatch`.
//!
//! A batch may hold 1 MiB in all, so ten messages that are each small enough may still be refused.

use serde::{Deserialize, Serialize};

use super::{
    batch::{self, BatchAnswer, BatchRequest, Entry},
    draft::{Draft, MessageRequest},
};
use crate::sqs::{
    error::{ErrorCode, SqsError},
    limits,
    queue::Queue,
    store::{NewMessage, Store},
};

/// A `SendMessage` request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SendRequest {
    #[serde(default)]
    queue_url: String,
    #[serde(flatten)]
    message: MessageRequest,
}

/// An entry of a `SendMessageBatch` request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SendEntry {
    #[serde(default)]
    id: String,
    #[serde(flatten)]
    message: MessageRequest,
}

impl Entry for SendEntry {
    fn id(&self) -> &str {
        &self.id
    }
}

/// The receipt of a message.
#[derive(Debug, Serialize)]
pub(crate) struct Sent {
    #[serde(rename = "Id", skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(rename = "MessageId")]
    message_id: String,
    #[serde(rename = "MD5OfMessageBody")]
    body_md5: String,
    #[serde(rename = "MD5OfMessageAttributes", skip_serializing_if = "Option::is_none")]
    attributes_md5: Option<String>,
    #[serde(rename = "MD5OfMessageSystemAttributes", skip_serializing_if = "Option::is_none")]
    system_attributes_md5: Option<String>,
}

/// A `SendMessage` request, checked.
pub(crate) struct Prepared {
    queue_url: String,
    draft: Draft,
}

/// A `SendMessageBatch` request, checked: some entries may already have failed.
pub(crate) struct PreparedBatch {
    queue_url: String,
    drafts: Vec<(String, Result<Draft, SqsError>)>,
}

pub(crate) fn prepare(request: SendRequest, trace: Option<&str>) -> Result<Prepared, SqsError> {
    Ok(Prepared { queue_url: request.queue_url, draft: request.message.into_draft(trace)? })
}

pub(crate) fn send(store: &mut Store, request: Prepared) -> Result<Sent, SqsError> {
    let queue = store.queue_at(&request.queue_url)?;
    put(store, &queue, request.draft, None)
}

pub(crate) fn prepare_batch(
    request: BatchRequest<SendEntry>,
    trace: Option<&str>,
) -> Result<PreparedBatch, SqsError> {
    batch::check(&request.entries, "SendMessageBatchRequestEntry")?;
    let bytes: usize = request.entries.iter().map(|entry| entry.message.bytes()).sum();
    if bytes > limits::MESSAGE_BYTES {
        return Err(SqsError::new(
            ErrorCode::BatchRequestTooLong,
            format!(
                "Batch requests cannot be longer than {} bytes. You have sent {bytes} bytes.",
                limits::MESSAGE_BYTES
            ),
        ));
    }
    let drafts = request.entries.into_iter();
    let drafts = drafts.map(|entry| (entry.id, entry.message.into_draft(trace)));
    Ok(PreparedBatch { queue_url: request.queue_url, drafts: drafts.collect() })
}

pub(crate) fn send_batch(
    store: &mut Store,
    request: PreparedBatch,
) -> Result<BatchAnswer<Sent>, SqsError> {
    let queue = store.queue_at(&request.queue_url)?;
    let outcomes = request.drafts.into_iter().map(|(id, draft)| {
        let sent = draft.and_then(|draft| put(store, &queue, draft, Some(id.clone())));
        (id, sent)
    });
    BatchAnswer::collect(outcomes)
}

fn put(
    store: &mut Store,
    queue: &Queue,
    draft: Draft,
    id: Option<String>,
) -> Result<Sent, SqsError> {
    let maximum = queue.attributes.maximum_bytes;
    if i64::try_from(draft.bytes).is_ok_and(|bytes| bytes > maximum) {
        return Err(SqsError::new(
            ErrorCode::InvalidParameterValue,
            format!(
                "One or more parameters are invalid. Reason: Message must be shorter than \
                    {maximum} bytes."
            ),
        ));
    }
    let message_id = store.insert_message(&NewMessage {
        queue,
        content: &draft.content,
        delay_s: draft.delay_s.unwrap_or(queue.attributes.delay_s),
    })?;
    Ok(Sent {
        id,
        message_id,
        body_md5: draft.content.body_md5,
        attributes_md5: draft.attributes_md5,
        system_attributes_md5: draft.system_attributes_md5,
    })
}
