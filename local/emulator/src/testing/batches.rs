//! What Lambda's event source mappings do with a queue, step by step, for tests that own the order.

use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName};

use super::AwsStandIn;
use crate::poller::event::event;

#[expect(clippy::expect_used, reason = "only tests use this, and a panic is how a test fails")]
impl AwsStandIn {
    /// Receives what is visible on a queue, ten messages at most.
    ///
    /// # Panics
    /// If that fails, since a test can't go on then.
    pub async fn visible(&self, queue: &str) -> Vec<Message> {
        let receive = self.sqs().receive_message().queue_url(self.queue_url(queue));
        let receive = receive
            .max_number_of_messages(10)
            .message_system_attribute_names(MessageSystemAttributeName::All);
        receive.send().await.expect("a queue").messages.unwrap_or_default()
    }

    /// These messages of a queue as Lambda gives them to a function.
    ///
    /// # Panics
    /// If that fails, since a test can't go on then.
    pub fn batch(&self, queue: &str, messages: &[Message]) -> serde_json::Value {
        let queue = self.template().queue(queue).expect("a queue of the template");
        event(messages, &queue.arn)
    }

    /// Deletes what a function has dealt with.
    ///
    /// # Panics
    /// If that fails, since a test can't go on then.
    pub async fn acknowledge(&self, queue: &str, receipts: impl IntoIterator<Item = String>) {
        let entries: Vec<_> = receipts
            .into_iter()
            .enumerate()
            .map(|(place, receipt)| {
                let entry = DeleteMessageBatchRequestEntry::builder().id(place.to_string());
                entry.receipt_handle(receipt).build().expect("an id and a receipt")
            })
            .collect();
        if !entries.is_empty() {
            let delete = self.sqs().delete_message_batch().queue_url(self.queue_url(queue));
            delete.set_entries(Some(entries)).send().await.expect("a queue");
        }
    }

    fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.sdk_config())
    }
}
