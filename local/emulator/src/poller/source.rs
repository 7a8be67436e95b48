//! The loop of one event source: receive, invoke, delete.
//!
//! A batch is received only when an invocation may start at once. Messages that waited here would
//! use up their visibility timeout, and be hidden from everyone meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName};
use bytes::Bytes;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::batch::{Verdict, verdict};
use super::event::event;
use crate::recursion::{Guard, MOST, Sorted};
use crate::runtime::Pool;
use sam_template::QueueSource;

/// Invocations at once per source on one machine, whatever the template allows: each is a process.
const MAX_CONCURRENCY: usize = 8;

/// How a source asks its queue for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Polls {
    /// As Lambda does, for as long as SQS waits. A stop abandons the poll: the embedded queue gives
    /// back what it took for it, at the latest when the stack starts again.
    Long,
    /// Short polls, and a stop waits for the answer: other emulators may not notice an abandoned
    /// poll, and would hide a message for minutes that no one receives.
    Short,
}

impl Polls {
    fn seconds(self) -> i32 {
        match self {
            // SQS's maximum.
            Self::Long => 20,
            Self::Short => 1,
        }
    }
}

/// SQS: messages per receive and entries per batch call.
const SQS_BATCH: usize = 10;

/// How long a source waits after a receive that failed.
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(1);

/// Tries of a `DeleteMessageBatch` whose entries failed; what remains then will be received again.
const DELETE_TRIES: usize = 3;

/// How many invocations a source may have at once on one machine.
pub fn concurrency(source: &QueueSource) -> usize {
    source.maximum_concurrency.unwrap_or(MAX_CONCURRENCY).min(MAX_CONCURRENCY)
}

/// A running source.
pub struct Poller {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Poller {
    /// Polls the queue at `queue_url` for the function behind `pool`, whose chains `allows` to
    /// invoke it for ever.
    pub fn start(
        source: QueueSource,
        queue_url: String,
        sqs: aws_sdk_sqs::Client,
        polls: Polls,
        pool: Arc<Pool>,
        allows: bool,
    ) -> Self {
        let (stop, stopping) = watch::channel(false);
        let turns = Arc::new(Semaphore::new(concurrency(&source)));
        let polled = Arc::new(Polled {
            source,
            queue_url,
            sqs,
            polls,
            guard: Guard { function: pool.arn().to_owned(), allows },
            pool,
        });
        Self { stop, task: tokio::spawn(poll(polled, turns, stopping)) }
    }

    /// Receives nothing more, and returns once what was received is dealt with, or `grace` is over.
    pub async fn shut_down(self, grace: Duration) {
        self.stop.send_replace(true);
        let abort = self.task.abort_handle();
        if tokio::time::timeout(grace, self.task).await.is_err() {
            abort.abort();
        }
    }
}

struct Polled {
    source: QueueSource,
    queue_url: String,
    sqs: aws_sdk_sqs::Client,
    polls: Polls,
    guard: Guard,
    pool: Arc<Pool>,
}

async fn poll(polled: Arc<Polled>, turns: Arc<Semaphore>, mut stopping: watch::Receiver<bool>) {
    while !*stopping.borrow() {
        let Ok(turn) = Arc::clone(&turns).acquire_owned().await else { return };
        let abandoned = async {
            let _ = stopping.wait_for(|stop| *stop).await;
            if polled.polls == Polls::Short {
                std::future::pending::<()>().await;
            }
        };
        let messages = tokio::select! {
            biased;
            () = abandoned => break,
            messages = polled.receive_batch() => messages,
        };
        if messages.is_empty() {
            continue;
        }
        let polled = Arc::clone(&polled);
        tokio::spawn(async move {
            polled.handle(messages).await;
            drop(turn);
        });
    }
    // Once we hold all turns, every invocation has ended.
    let all = u32::try_from(concurrency(&polled.source)).unwrap_or(u32::MAX);
    let _ = turns.acquire_many(all).await;
}

impl Polled {
    /// Up to a batch of messages. With a batching window, what comes within it is added to the
    /// first ones.
    async fn receive_batch(&self) -> Vec<Message> {
        let mut messages = self.receive(self.polls.seconds(), self.source.batch_size).await;
        if messages.is_empty() {
            return messages;
        }
        let window = Duration::from_secs(self.source.batching_window_seconds);
        let until = Instant::now() + window;
        while messages.len() < self.source.batch_size {
            let left = until.saturating_duration_since(Instant::now()).as_secs();
            let Ok(wait) = i32::try_from(left.min(20)) else { break };
            if wait == 0 {
                break;
            }
            messages.extend(self.receive(wait, self.source.batch_size - messages.len()).await);
        }
        messages
    }

    async fn receive(&self, wait_seconds: i32, at_most: usize) -> Vec<Message> {
        let received = self
            .sqs
            .receive_message()
            .queue_url(&self.queue_url)
            .max_number_of_messages(i32::try_from(at_most.min(SQS_BATCH)).unwrap_or(1))
            .wait_time_seconds(wait_seconds)
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All")
            .send()
            .await;
        match received {
            Ok(received) => received.messages.unwrap_or_default(),
            Err(error) => {
                eprintln!(
                    "[{}] can't receive from {}: {}",
                    self.pool.name(),
                    self.queue_url,
                    DisplayErrorContext(error)
                );
                sleep(PAUSE_AFTER_ERROR).await;
                Vec::new()
            }
        }
    }

    async fn handle(&self, messages: Vec<Message>) {
        let Sorted { taken: messages, trace, refused } = self.guard.sort(messages);
        if refused > 0 {
            let (name, queue) = (self.pool.name(), &self.source.queue_arn);
            eprintln!(
                "[{name}] recursion detected: {refused} messages stay on {queue}, whose chains \
                    have invoked it {MOST} times"
            );
        }
        if messages.is_empty() {
            return;
        }
        let payload = event(&messages, &self.source.queue_arn).to_string();
        let ids: BTreeSet<String> =
            messages.iter().filter_map(|message| message.message_id.clone()).collect();
        let verdict = match self.pool.invoke_in(trace, Bytes::from(payload)).await {
            Ok(answer) => verdict(&answer, &ids, self.source.reports_item_failures),
            Err(error) => Verdict::NoneDone(error.to_string()),
        };
        if let Verdict::NoneDone(reason) = &verdict {
            eprintln!(
                "[{}] a batch of {} messages failed: {reason}",
                self.pool.name(),
                messages.len()
            );
        }
        let done = messages
            .into_iter()
            .filter(|message| message.message_id().is_some_and(|id| verdict.is_done(id)));
        let handles: Vec<String> = done.filter_map(|message| message.receipt_handle).collect();
        for handles in handles.chunks(SQS_BATCH) {
            self.delete(handles.to_vec()).await;
        }
    }

    async fn delete(&self, mut handles: Vec<String>) {
        for _ in 0..DELETE_TRIES {
            if handles.is_empty() {
                return;
            }
            handles = self.try_delete(&handles).await;
        }
        eprintln!(
            "[{}] {} messages were handled but can't be deleted",
            self.pool.name(),
            handles.len()
        );
    }

    /// Gives back what wasn't deleted and may be tried again.
    async fn try_delete(&self, handles: &[String]) -> Vec<String> {
        let entry = |(index, handle): (usize, &String)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(handle)
                .build()
                .ok()
        };
        let entries: Vec<_> = handles.iter().enumerate().filter_map(entry).collect();
        match self
            .sqs
            .delete_message_batch()
            .queue_url(&self.queue_url)
            .set_entries(Some(entries))
            .send()
            .await
        {
            Ok(deleted) => {
                let failed = deleted.failed().iter().filter(|failure| !failure.sender_fault());
                failed
                    .filter_map(|failure| handles.get(failure.id().parse::<usize>().ok()?).cloned())
                    .collect()
            }
            Err(error) => {
                eprintln!("[{}] can't delete: {}", self.pool.name(), DisplayErrorContext(error));
                handles.to_vec()
            }
        }
    }
}
