//! A stand-in behind a socket, the AWS SDK as its client, and short words for what most tests do.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_sdk_sqs::{
    Client,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig},
    error::{ProvideErrorMetadata, SdkError},
    types::{Message, MessageSystemAttributeName, QueueAttributeName},
};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, Response},
    routing::post,
};
use emulator::sqs::{Clock, Settings, Sqs};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};

/// When tests start, in Unix milliseconds.
pub(crate) const START_MS: i64 = 1_700_000_000_000;

/// A running stand-in and its client; stops when dropped.
pub(crate) struct Stand {
    pub(crate) sqs: Sqs,
    pub(crate) client: Client,
    pub(crate) clock: Clock,
    pub(crate) directory: Arc<TempDir>,
    door: Door,
    server: JoinHandle<()>,
}

/// The way in from the socket. Connections outlive their server; closing the door takes the
/// stand-in from them.
pub(crate) type Door = Arc<Mutex<Option<Sqs>>>;

impl Drop for Stand {
    fn drop(&mut self) {
        self.server.abort();
        *self.door.lock().unwrap() = None;
    }
}

impl Stand {
    /// A new stand-in, whose clock moves only by hand.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A new stand-in with other settings.
    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        Self::open(directory, Clock::manual(START_MS), change).await
    }

    /// A stand-in on the files of an earlier one.
    pub(crate) async fn open(
        directory: Arc<TempDir>,
        clock: Clock,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let mut settings =
            Settings { base_url: base_url.clone(), clock: clock.clone(), ..Settings::default() };
        change(&mut settings);
        let sqs = Sqs::open(&directory.path().join("sqs.sqlite"), settings).unwrap();
        let door = Arc::new(Mutex::new(Some(sqs.clone())));
        let server = serve(listener, Arc::clone(&door));
        Self { sqs, client: client_of(&base_url), clock, directory, door, server }
    }

    /// Closes the store and opens it again, as another process would.
    pub(crate) async fn reopened(self) -> Self {
        let (directory, clock) = (Arc::clone(&self.directory), self.clock.clone());
        drop(self);
        Self::open(directory, clock, |_| {}).await
    }

    /// Lets seconds pass.
    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Makes a queue; returns its URL.
    pub(crate) async fn queue(&self, name: &str) -> String {
        self.queue_with(name, &[]).await
    }

    /// Makes a queue with attributes; returns its URL.
    pub(crate) async fn queue_with(
        &self,
        name: &str,
        attributes: &[(QueueAttributeName, &str)],
    ) -> String {
        let mut create = self.client.create_queue().queue_name(name);
        for (attribute, value) in attributes {
            create = create.attributes(attribute.clone(), *value);
        }
        create.send().await.unwrap().queue_url.unwrap()
    }

    /// Makes a queue and the dead-letter queue that takes its messages after `max_receive_count`
    /// receives; returns both URLs.
    pub(crate) async fn queue_with_dead_letters(
        &self,
        name: &str,
        max_receive_count: u32,
    ) -> (String, String) {
        let dead_name = format!("{name}-dead");
        let dead = self.queue(&dead_name).await;
        let policy = redrive_policy(&dead_name, max_receive_count);
        let live = self.queue_with(name, &[(QueueAttributeName::RedrivePolicy, &policy)]).await;
        (live, dead)
    }

    /// Sends a message; returns its id.
    pub(crate) async fn send(&self, queue: &str, body: &str) -> String {
        let send = self.client.send_message().queue_url(queue).message_body(body);
        send.send().await.unwrap().message_id.unwrap()
    }

    /// Receives up to ten messages without waiting, with all that is known of them.
    pub(crate) async fn receive(&self, queue: &str) -> Vec<Message> {
        self.client
            .receive_message()
            .queue_url(queue)
            .max_number_of_messages(10)
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All")
            .send()
            .await
            .unwrap()
            .messages
            .unwrap_or_default()
    }

    /// Receives the one message that must be there.
    pub(crate) async fn receive_one(&self, queue: &str) -> Message {
        let mut messages = self.receive(queue).await;
        assert_eq!(messages.len(), 1, "one message is visible");
        messages.remove(0)
    }

    /// Deletes what was received.
    pub(crate) async fn delete(&self, queue: &str, message: &Message) {
        let delete = self.client.delete_message().queue_url(queue);
        let handle = message.receipt_handle().unwrap();
        delete.receipt_handle(handle).send().await.unwrap();
    }

    /// Sets the visibility timeout of what was received.
    pub(crate) async fn hide(
        &self,
        queue: &str,
        message: &Message,
        seconds: i32,
    ) -> Result<(), String> {
        self.client
            .change_message_visibility()
            .queue_url(queue)
            .receipt_handle(message.receipt_handle().unwrap())
            .visibility_timeout(seconds)
            .send()
            .await
            .map(drop)
            .map_err(|error| code(&error))
    }

    /// How many messages of the queue are visible, in flight and delayed.
    pub(crate) async fn depth(&self, queue: &str) -> (u64, u64, u64) {
        let depths = self.sqs.depths().await.unwrap();
        let depth = depths[queue.rsplit('/').next().unwrap()];
        (depth.visible, depth.in_flight, depth.delayed)
    }
}

/// A redrive policy to a queue of that name.
pub(crate) fn redrive_policy(dead_letter_queue: &str, max_receive_count: u32) -> String {
    format!(
        r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":{max_receive_count}}}"#,
        arn(dead_letter_queue)
    )
}

/// The ARN of the queue of that name.
pub(crate) fn arn(name: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{name}")
}

/// The error code that the SDK understood.
pub(crate) fn code<E: ProvideErrorMetadata>(error: &SdkError<E>) -> String {
    error.code().expect("an error with a code").to_owned()
}

/// A message's system attribute.
pub(crate) fn attribute(message: &Message, name: &MessageSystemAttributeName) -> Option<String> {
    message.attributes.as_ref()?.get(name).cloned()
}

/// How often the message has been received.
pub(crate) fn receive_count(message: &Message) -> u32 {
    let name = MessageSystemAttributeName::ApproximateReceiveCount;
    attribute(message, &name).unwrap().parse().unwrap()
}

/// The messages' bodies, sorted.
pub(crate) fn bodies(messages: &[Message]) -> Vec<&str> {
    let mut bodies: Vec<_> = messages.iter().filter_map(Message::body).collect();
    bodies.sort_unstable();
    bodies
}

/// The SDK's client, without retries.
pub(crate) fn client_of(base_url: &str) -> Client {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(base_url)
        .build();
    Client::from_conf(config)
}

/// Serves the stand-in as the local stack's front does.
pub(crate) fn serve(listener: TcpListener, door: Door) -> JoinHandle<()> {
    let router =
        Router::new().route("/", post(answer)).layer(DefaultBodyLimit::disable()).with_state(door);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() })
}

async fn answer(State(door): State<Door>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let target = headers["x-amz-target"].to_str().unwrap();
    let operation = target.strip_prefix("AmazonSQS.").unwrap();
    let sqs = door.lock().unwrap().clone().expect("the stand-in is open");
    let response: Response<Bytes> = sqs.call(operation, &body).await.into();
    response.map(Body::from)
}
