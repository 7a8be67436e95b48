//! SQS: enqueue deliveries, hide a message until its time.
//!
//! # Pitfalls
//!
//! A batch call that "succeeds" may have failed entries. All calls here succeed wholly or say which
//! part didn't.

use std::time::Duration;

use aws_sdk_sqs::{
    Client,
    error::{DisplayErrorContext, SdkError},
    types::{
        BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry,
        SendMessageBatchRequestEntry,
    },
};

use futures::{TryStreamExt, stream};

mod batch;
mod receive;

pub use batch::QueueEntry;
use batch::batches;
pub use receive::Received;

/// SQS: a message's delay is at most 15 minutes. A longer wait continues as a visibility timeout.
pub const MAX_DELAY: Duration = Duration::from_mins(15);
/// SQS: a message is hidden for at most 12 hours, counted from its receipt; less two minutes for
/// the time since then.
pub const MAX_HIDDEN: Duration = Duration::from_mins(718);
/// Batches on their way at a time.
const CONCURRENCY: usize = 8;
/// How often a batch's failed entries are tried again.
const TRIES: u32 = 4;

/// A call that failed.
#[derive(Debug, thiserror::Error)]
#[error("{operation}: {detail}")]
pub struct QueueError {
    operation: &'static str,
    detail: String,
}

fn failed<E>(operation: &'static str) -> impl FnOnce(SdkError<E>) -> QueueError
where
    E: std::error::Error + 'static,
{
    move |error| QueueError { operation, detail: DisplayErrorContext(&error).to_string() }
}

/// One queue. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Queue {
    client: Client,
    url: String,
}

impl Queue {
    /// The queue with this URL.
    pub fn new(client: Client, url: impl Into<String>) -> Self {
        Self { client, url: url.into() }
    }

    /// Sends all messages, in as few calls as there can be, and makes them only as they are sent:
    /// together they may be larger than memory. When this fails, some may have been sent.
    pub async fn send<E: From<QueueError>>(
        &self,
        messages: impl Iterator<Item = Result<QueueEntry, E>>,
    ) -> Result<(), E> {
        stream::iter(batches(messages))
            .try_for_each_concurrent(CONCURRENCY, |batch| async {
                Ok(self.send_batch(batch).await?)
            })
            .await
    }

    async fn send_batch(&self, messages: Vec<QueueEntry>) -> Result<(), QueueError> {
        let entries =
            messages.into_iter().enumerate().map(|(place, message)| to_send(place, message));
        let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
        let mut reason = String::new();
        for attempt in 0..TRIES {
            pause(attempt).await;
            let request = self
                .client
                .send_message_batch()
                .queue_url(&self.url)
                .set_entries(Some(entries.clone()));
            let output = request.send().await.map_err(failed("SendMessageBatch"))?;
            let Some(failure) = output.failed.first() else { return Ok(()) };
            reason = explain(failure);
            entries.retain(|entry| output.failed.iter().any(|failure| failure.id == entry.id));
        }
        Err(QueueError { operation: "SendMessageBatch", detail: reason })
    }

    /// Hides messages that were received, each for its time, at most [`MAX_HIDDEN`]. Best effort: a
    /// message that can't be hidden comes back at the end of its visibility timeout, finds that it
    /// is early, and hides again.
    pub async fn hide(&self, messages: &[(String, Duration)]) -> Result<(), QueueError> {
        for chunk in messages.chunks(batch::MAX_ENTRIES) {
            let entries = chunk
                .iter()
                .enumerate()
                .map(|(place, (receipt, wait))| to_hide(place, receipt, *wait));
            self.hide_batch(entries.collect::<Result<_, _>>()?).await?;
        }
        Ok(())
    }

    async fn hide_batch(
        &self,
        mut entries: Vec<ChangeMessageVisibilityBatchRequestEntry>,
    ) -> Result<(), QueueError> {
        let mut reason = String::new();
        for attempt in 0..TRIES {
            pause(attempt).await;
            let request = self
                .client
                .change_message_visibility_batch()
                .queue_url(&self.url)
                .set_entries(Some(entries.clone()));
            let output = request.send().await.map_err(failed("ChangeMessageVisibilityBatch"))?;
            let Some(failure) = output.failed.first() else { return Ok(()) };
            reason = explain(failure);
            // A message that is visible again or deleted can't be hidden, however often one tries.
            let again = |failure: &BatchResultErrorEntry, id: &str| {
                failure.id == id && !failure.sender_fault
            };
            entries.retain(|entry| output.failed.iter().any(|failure| again(failure, &entry.id)));
            if entries.is_empty() {
                break;
            }
        }
        Err(QueueError { operation: "ChangeMessageVisibilityBatch", detail: reason })
    }
}

fn explain(failure: &BatchResultErrorEntry) -> String {
    format!("{}: {}", failure.code, failure.message.as_deref().unwrap_or_default())
}

fn to_hide(
    place: usize,
    receipt: &str,
    wait: Duration,
) -> Result<ChangeMessageVisibilityBatchRequestEntry, QueueError> {
    ChangeMessageVisibilityBatchRequestEntry::builder()
        .id(place.to_string())
        .receipt_handle(receipt)
        .visibility_timeout(whole_seconds(wait, MAX_HIDDEN))
        .build()
        .map_err(|error| QueueError {
            operation: "ChangeMessageVisibilityBatch",
            detail: error.to_string(),
        })
}

fn to_send(place: usize, message: QueueEntry) -> Result<SendMessageBatchRequestEntry, QueueError> {
    SendMessageBatchRequestEntry::builder()
        .id(place.to_string())
        .message_body(message.body)
        .set_message_group_id(message.group)
        .set_delay_seconds(
            (!message.delay.is_zero()).then(|| whole_seconds(message.delay, MAX_DELAY)),
        )
        .build()
        .map_err(|error| QueueError { operation: "SendMessageBatch", detail: error.to_string() })
}

/// Rounded up: a retry is never early.
fn whole_seconds(wait: Duration, most: Duration) -> i32 {
    let wait = wait.min(most);
    let up = u64::from(wait.subsec_nanos() > 0);
    // At most 12 hours, so it fits.
    i32::try_from(wait.as_secs() + up).unwrap_or(i32::MAX)
}

async fn pause(attempt: u32) {
    if attempt > 0 {
        tokio::time::sleep(Duration::from_millis(50 << (attempt - 1).min(5))).await;
    }
}
