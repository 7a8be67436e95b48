//! A record of the batch, read.

use std::time::Duration;

use aws_lambda_events::sqs::SqsMessage;
use domain::{
    delivery::FIRST_WINDOW,
    message::Message,
    time::Timestamp,
    work::{self, Unreadable, Work},
};

use store::queue::Received;

use crate::BatchError;

/// Backoff of messages that could not be handled (no time left, or a fault of Posthaste or AWS):
/// the first wait and the longest.
const SOON: Duration = Duration::from_secs(5);
/// See [`SOON`].
const LATER: Duration = Duration::from_mins(15);
/// Receives after which a message that could not be handled goes to the dead-letter queue. SQS
/// would move it after 1,000, and it would keep its age: of the 14 days that SQS keeps a message,
/// ten would be over (1,000 times [`LATER`]). What this function sends there has 14 days.
const WORN: u32 = 900;

/// Which queue a message waits on, and so how it waits on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// First attempts.
    Deliveries,
    /// Everything after.
    Retries,
}

/// What SQS says of a message, and its text.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// By which it is reported.
    pub(crate) id: String,
    /// By which it is hidden.
    pub(crate) receipt: String,
    /// As it came.
    pub(crate) body: String,
    /// Where it came from.
    pub(crate) source: Source,
    /// How often it was received, this time included, if SQS says.
    received: Option<u32>,
}

/// A message with what it says.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) record: Record,
    pub(crate) read: Result<Work, Unreadable>,
}

impl Incoming {
    /// Reads a record. Its body may be anything; only its id must be there.
    pub(crate) fn read(record: SqsMessage, retries_name: &str) -> Result<Self, BatchError> {
        let id = record.message_id.filter(|id| !id.is_empty()).ok_or(BatchError::Nameless)?;
        let body = record.body.unwrap_or_default();
        let from_retries =
            record.event_source_arn.is_some_and(|arn| arn.rsplit(':').next() == Some(retries_name));
        let source = if from_retries { Source::Retries } else { Source::Deliveries };
        let attribute =
            |name| record.attributes.get(name).and_then(|text: &String| text.parse::<u64>().ok());
        let received = attribute("ApproximateReceiveCount");
        Ok(Self::new(Record {
            id,
            receipt: record.receipt_handle.unwrap_or_default(),
            source,
            received: received.and_then(|count| u32::try_from(count).ok()),
            body,
        }))
    }

    /// Of a message that this function has received from this queue itself.
    pub(crate) fn received(message: Received, source: Source) -> Self {
        let Received { id, receipt, body, count } = message;
        Self::new(Record { id, receipt, body, source, received: count })
    }

    fn new(record: Record) -> Self {
        let read = work::decode(&record.body);
        Self { record, read }
    }
}

impl Record {
    /// Whether the log may know this delivery already.
    pub(crate) fn may_be_known(&self, message: &Message, now: Timestamp) -> bool {
        let late = now.since(message.enqueued_at) > FIRST_WINDOW;
        let again = self.source == Source::Retries || self.received != Some(1);
        again || late
    }

    /// Whether a fault has lasted for so long that a person must see to the message.
    pub(crate) fn is_worn(&self) -> bool {
        self.received.is_some_and(|count| count >= WORN)
    }

    /// How long to hide the message after a fault of Posthaste or AWS. The wait doubles each time,
    /// so that a long fault does not use up the receives after which SQS moves a message to the
    /// dead-letter queue (1,000 in the template).
    pub(crate) fn pause(&self) -> Duration {
        let received = self.received.unwrap_or(1);
        SOON.saturating_mul(1 << received.saturating_sub(1).min(8)).min(LATER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(count: &str) -> Record {
        let attributes = [("ApproximateReceiveCount".to_owned(), count.to_owned())].into();
        let mut record = SqsMessage::default();
        record.message_id = Some("1".to_owned());
        record.attributes = attributes;
        Incoming::read(record, "retries").unwrap().record
    }

    #[test]
    fn a_message_is_worn_before_sqs_moves_it() {
        assert!(!received("899").is_worn() && received("900").is_worn());
        assert!(!received("x").is_worn());
    }

    #[test]
    fn pauses_grow_from_seconds_to_a_quarter_of_an_hour() {
        let pauses: Vec<_> = ["1", "2", "3", "9", "900", "x"]
            .into_iter()
            .map(|count| received(count).pause().as_secs())
            .collect();
        assert_eq!(pauses, [5, 10, 20, 900, 900, 5]);
    }
}
