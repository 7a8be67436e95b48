//! Receiving and deleting, where Lambda doesn't do it.

use aws_sdk_sqs::types::{
    BatchResultErrorEntry, DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName,
};

use super::{Queue, QueueError, TRIES, batch::MAX_ENTRIES, explain, failed, pause};

/// A message that was received.
#[derive(Clone, Debug)]
pub struct Received {
    /// SQS's id of it.
    pub id: String,
    /// By which it is hidden or deleted.
    pub receipt: String,
    /// Its text.
    pub body: String,
    /// How often it was received, this time included, if SQS says.
    pub count: Option<u32>,
}

impl Queue {
    /// Up to ten messages that are there now. Who receives them hides or deletes them, or SQS hands
    /// them out again at the end of the queue's visibility timeout.
    pub async fn receive(&self) -> Result<Vec<Received>, QueueError> {
        let request = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(10)
            .wait_time_seconds(0)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
        let output = request.send().await.map_err(failed("ReceiveMessage"))?;
        Ok(output.messages.unwrap_or_default().into_iter().map(received).collect())
    }

    /// Deletes messages that are done. One that can't be deleted comes back.
    pub async fn delete(&self, receipts: &[String]) -> Result<(), QueueError> {
        for chunk in receipts.chunks(MAX_ENTRIES) {
            let entries = chunk.iter().enumerate().map(|(place, receipt)| {
                DeleteMessageBatchRequestEntry::builder()
                    .id(place.to_string())
                    .receipt_handle(receipt)
                    .build()
                    .map_err(|error| refused(error.to_string()))
            });
            self.delete_batch(entries.collect::<Result<_, _>>()?).await?;
        }
        Ok(())
    }

    async fn delete_batch(
        &self,
        mut entries: Vec<DeleteMessageBatchRequestEntry>,
    ) -> Result<(), QueueError> {
        let mut reason = String::new();
        for attempt in 0..TRIES {
            pause(attempt).await;
            let request = self.client.delete_message_batch().queue_url(&self.url);
            let request = request.set_entries(Some(entries.clone()));
            let output = request.send().await.map_err(failed("DeleteMessageBatch"))?;
            let Some(failure) = output.failed.first() else { return Ok(()) };
            reason = explain(failure);
            let is_of = |failure: &BatchResultErrorEntry, id: &str| failure.id == id;
            entries.retain(|entry| output.failed.iter().any(|failure| is_of(failure, &entry.id)));
        }
        Err(refused(reason))
    }
}

fn refused(detail: String) -> QueueError {
    QueueError { operation: "DeleteMessageBatch", detail }
}

fn received(message: Message) -> Received {
    let count = message.attributes.as_ref().and_then(|attributes| {
        attributes.get(&MessageSystemAttributeName::ApproximateReceiveCount)?.parse().ok()
    });
    Received {
        id: message.message_id.unwrap_or_default(),
        receipt: message.receipt_handle.unwrap_or_default(),
        body: message.body.unwrap_or_default(),
        count,
    }
}
