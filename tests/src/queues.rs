//! SQS, as an operator looks into it and redrives it.

use aws_sdk_sqs::types::QueueAttributeName;
use emulator::aws::Clients;

use crate::eventually;

/// A stack's queues.
pub struct Queues(aws_sdk_sqs::Client);

impl Queues {
    pub(crate) fn at(url: &str, access_key: &str) -> Self {
        Self(Clients::new(url, access_key).sqs)
    }

    /// The URL of the one queue whose name ends like this, such as `-dead-letters`.
    pub async fn url(&self, ending: &str) -> String {
        let urls = self
            .0
            .list_queues()
            .send()
            .await
            .expect("ListQueues answers")
            .queue_urls
            .unwrap_or_default();
        let mut found = urls.into_iter().filter(|url| url.ends_with(ending));
        let url = found.next().unwrap_or_else(|| panic!("no queue's name ends with {ending}"));
        assert_eq!(found.next(), None, "more than one queue's name ends with {ending}");
        url
    }

    /// Messages of a queue: those that wait, and those that are hidden or delayed.
    pub async fn depth(&self, ending: &str) -> (usize, usize) {
        let [visible, hidden, delayed] = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let wanted = [visible.clone(), hidden.clone(), delayed.clone()];
        let request = self
            .0
            .get_queue_attributes()
            .queue_url(self.url(ending).await)
            .set_attribute_names(Some(wanted.to_vec()));
        let attributes = request
            .send()
            .await
            .expect("GetQueueAttributes answers")
            .attributes
            .unwrap_or_default();
        let count = |name| {
            attributes.get(name).and_then(|text| text.parse::<usize>().ok()).expect("a count")
        };
        (count(&visible), count(&hidden) + count(&delayed))
    }

    /// Waits until a queue holds this many messages that have not been received.
    pub async fn wait_for(&self, ending: &str, messages: usize) {
        eventually(&format!("{messages} messages in {ending}"), async || {
            (self.depth(ending).await == (messages, 0)).then_some(())
        })
        .await;
    }

    /// Waits until neither of the two working queues holds anything.
    pub async fn wait_until_idle(&self) {
        self.wait_for("-deliveries", 0).await;
        self.wait_for("-retries", 0).await;
    }

    /// The body of one message of a queue, which stays there and is hidden for as long as the queue
    /// hides.
    pub async fn peek(&self, ending: &str) -> String {
        let request = self
            .0
            .receive_message()
            .queue_url(self.url(ending).await)
            .wait_time_seconds(20)
            .visibility_timeout(0);
        let messages =
            request.send().await.expect("ReceiveMessage answers").messages.unwrap_or_default();
        messages
            .into_iter()
            .next()
            .and_then(|message| message.body)
            .unwrap_or_else(|| panic!("{ending} is empty"))
    }

    /// Puts a message into a queue.
    pub async fn send(&self, ending: &str, body: &str) {
        self.0
            .send_message()
            .queue_url(self.url(ending).await)
            .message_body(body)
            .send()
            .await
            .expect("SendMessage answers");
    }

    /// Redrives a dead-letter queue: to the queue named `to`, or to where SQS takes it.
    pub async fn redrive(&self, from: &str, to: Option<&str>) {
        let mut request = self.0.start_message_move_task().source_arn(self.arn(from).await);
        if let Some(to) = to {
            request = request.destination_arn(self.arn(to).await);
        }
        request.send().await.expect("StartMessageMoveTask answers");
        let source = self.arn(from).await;
        eventually("the end of the redrive", async || {
            let tasks = self
                .0
                .list_message_move_tasks()
                .source_arn(&source)
                .send()
                .await
                .expect("ListMessageMoveTasks answers");
            let status = tasks.results().first()?.status()?.to_owned();
            assert!(status != "FAILED", "the redrive failed: {:?}", tasks.results());
            (status == "COMPLETED").then_some(())
        })
        .await;
    }

    async fn arn(&self, ending: &str) -> String {
        let name = QueueAttributeName::QueueArn;
        let request = self
            .0
            .get_queue_attributes()
            .queue_url(self.url(ending).await)
            .attribute_names(name.clone());
        let attributes = request
            .send()
            .await
            .expect("GetQueueAttributes answers")
            .attributes
            .unwrap_or_default();
        attributes.get(&name).cloned().expect("every queue has an ARN")
    }
}
