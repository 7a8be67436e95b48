//! A record of the batch, read.

use aws_lambda_events::sqs::SqsMessage;
use shared::{
    delivery::REDRIVEN_AFTER,
    message::{Message, MessageError},
    model::Trigger,
    time::Timestamp,
};

use crate::BatchError;

/// Which queue a message waits on, and so how it waits on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// First attempts.
    Deliveries,
    /// Everything after.
    Retries,
}

/// A message with what SQS says of it.
#[derive(Debug)]
pub(crate) struct Incoming {
    /// By which it is reported.
    pub(crate) id: String,
    /// By which it is hidden.
    pub(crate) receipt: String,
    /// As it came: this is what moves to another queue.
    pub(crate) body: String,
    /// Where it came from.
    pub(crate) source: Source,
    /// Whether the log may know its delivery already.
    pub(crate) known: bool,
    /// What it says.
    pub(crate) message: Result<Message, MessageError>,
}

impl Incoming {
    /// Reads a record. Its body may be anything; only its id must be there.
    pub(crate) fn read(record: SqsMessage, retries_name: &str) -> Result<Self, BatchError> {
        let id = record.message_id.filter(|id| !id.is_empty()).ok_or(BatchError::Nameless)?;
        let body = record.body.unwrap_or_default();
        let from_retries = record.event_source_arn.is_some_and(|arn| arn.rsplit(':').next() == Some(retries_name));
        let source = if from_retries { Source::Retries } else { Source::Deliveries };
        let attribute = |name| record.attributes.get(name).and_then(|text: &String| text.parse::<u64>().ok());
        let message = Message::decode(&body);
        let known = message.as_ref().is_ok_and(|message| {
            let redriven =
                attribute("SentTimestamp").map(Timestamp::from_millis).is_none_or(|sent| sent.since(message.enqueued_at) > REDRIVEN_AFTER);
            let received_before = attribute("ApproximateReceiveCount").is_none_or(|count| count > 1);
            source == Source::Retries || received_before || redriven || message.recheck || message.trigger == Trigger::Manual
        });
        Ok(Self { id, receipt: record.receipt_handle.unwrap_or_default(), body, source, known, message })
    }
}
