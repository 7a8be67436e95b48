//! A stand-in for Amazon SQS: standard queues in a `SQLite` file, behind SQS's JSON protocol.
//!
//! It exists so that the functions run on one machine unchanged, and so that their retries, dead
//! letters and redrives can be tested against SQS's documented behaviour and error codes. It is
//! stricter than SQS where SQS is vague (counts are exact, a short poll finds every visible
//! message) and never hands a message out twice at once, which SQS may do.
//!
//! How it works: one thread owns the file (`store`) and runs the operations (`ops`) one after
//! another, each as one transaction. Nothing is kept only in memory but who waits (`wake`) and
//! which tenants are noisy (`fairness`): killed at any moment and opened again, every acknowledged
//! message, hidden message and move task is as it was. A long poll sleeps until its queue's bell
//! rings or the next hidden message becomes visible, whichever comes first.
//!
//! Deviations from SQS: see `ops::moves` (messages sent straight to a dead-letter queue are
//! redriven to its only source queue), `ops::queues` (no waiting periods after `DeleteQueue` and
//! `PurgeQueue`); no FIFO queues, tags or permissions.
//!
//! Queue URLs hold the port that the stand-in had when the queue was looked up. They are matched by
//! their last segment only, so that a URL kept across a restart still works.

mod arn;
mod attributes;
mod clock;
mod digest;
mod error;
mod fairness;
mod handle;
mod limits;
mod mover;
mod names;
mod ops;
mod queue;
mod redrive;
mod response;
mod settings;
mod store;
mod wake;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};
use tokio::{runtime::Handle, sync::Notify};

pub use self::{
    clock::Clock, error::SqsError, fairness::Reaction, response::SqsResponse, settings::Settings,
    store::OpenError,
};
use self::{
    error::ErrorCode,
    ops::{delete, moves, queue_attributes, queues, receive, send, visibility},
    store::{Store, Worker},
    wake::Bells,
};

/// How many messages a queue holds, by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Depth {
    /// Ready to be received.
    pub visible: u64,
    /// Received and not yet deleted, or hidden again after that.
    pub in_flight: u64,
    /// Sent with a delay and never yet visible.
    pub delayed: u64,
}

/// The stand-in. Clones share one store; dropping the last one closes it.
#[derive(Clone, Debug)]
pub struct Sqs {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: Arc<Settings>,
    worker: Worker,
    bells: Arc<Bells>,
    /// Notified when a move task is cancelled.
    cancelled: Arc<Notify>,
    runtime: Handle,
}

impl Sqs {
    /// Opens or creates the store, and takes up the move tasks that were under way when it was last
    /// open. Blocks while it reads the file; must be called inside a Tokio runtime, where those
    /// tasks run.
    pub fn open(path: &Path, settings: Settings) -> Result<Self, OpenError> {
        let runtime = Handle::try_current()?;
        let settings = Arc::new(settings);
        let bells = Arc::new(Bells::default());
        let store = Store::open(path, Arc::clone(&settings), Arc::clone(&bells))?;
        let tasks = store.active_tasks().map_err(OpenError::Queue)?;

        let inner = Arc::new(Inner {
            settings,
            worker: Worker::start(store)?,
            bells,
            cancelled: Arc::new(Notify::new()),
            runtime,
        });
        for task in tasks {
            mover::spawn(&inner.runtime, &inner, task);
        }
        Ok(Self { inner })
    }

    /// One call of the JSON protocol: `operation` is what follows `AmazonSQS.` in `X-Amz-Target`,
    /// `body` the JSON.
    pub async fn call(&self, operation: &str, body: &[u8]) -> SqsResponse {
        self.call_in(None, operation, body).await
    }

    /// The same with the header `X-Amzn-Trace-Id`, which messages take along.
    pub async fn call_in(&self, trace: Option<&str>, operation: &str, body: &[u8]) -> SqsResponse {
        match operation {
            "CreateQueue" => self.answer(body, Ok, queues::create).await,
            "GetQueueUrl" => self.answer(body, Ok, queues::get_url).await,
            "ListQueues" => self.answer(body, Ok, queues::list).await,
            "ListDeadLetterSourceQueues" => self.answer(body, Ok, queues::list_sources).await,
            "DeleteQueue" => self.answer(body, Ok, queues::delete).await,
            "PurgeQueue" => self.answer(body, Ok, queues::purge).await,
            "GetQueueAttributes" => self.answer(body, Ok, queue_attributes::get).await,
            "SetQueueAttributes" => self.answer(body, Ok, queue_attributes::set).await,
            "SendMessage" => {
                self.answer(body, |request| send::prepare(request, trace), send::send).await
            }
            "SendMessageBatch" => {
                self.answer(body, |request| send::prepare_batch(request, trace), send::send_batch)
                    .await
            }
            "ReceiveMessage" => SqsResponse::from_result(self.receive(body).await),
            "DeleteMessage" => self.answer(body, Ok, delete::delete).await,
            "DeleteMessageBatch" => self.answer(body, Ok, delete::delete_batch).await,
            "ChangeMessageVisibility" => self.answer(body, Ok, visibility::change).await,
            "ChangeMessageVisibilityBatch" => self.answer(body, Ok, visibility::change_batch).await,
            "StartMessageMoveTask" => SqsResponse::from_result(self.start_move(body).await),
            "ListMessageMoveTasks" => self.answer(body, Ok, moves::list).await,
            "CancelMessageMoveTask" => SqsResponse::from_result(self.cancel_move(body).await),
            _ => SqsResponse::from_result(Err::<(), _>(SqsError::new(
                ErrorCode::UnknownOperation,
                format!("The action {operation} is not one that the SQS stand-in knows."),
            ))),
        }
    }

    /// The name of the queue that a call is about; `None` where the operation has none or the body
    /// doesn't say. Whether there is such a queue is another question.
    pub fn queue_of(operation: &str, body: &[u8]) -> Option<String> {
        names::queue_of(operation, body)
    }

    /// Makes visible again what a `ReceiveMessage` has hidden, but not what a
    /// `ChangeMessageVisibility` has. Receive counts stay. For the start of the local stack, when
    /// every consumer has died with the previous process. Returns how many messages.
    pub async fn release_received(&self) -> Result<u64, SqsError> {
        self.inner.worker.run(Store::release_received).await
    }

    /// How many messages each queue holds, by queue name.
    pub async fn depths(&self) -> Result<BTreeMap<String, Depth>, SqsError> {
        let count_all = |store: &mut Store| {
            let mut depths = BTreeMap::new();
            for queue in store.all_queues() {
                store.drop_expired(&queue)?;
                depths.insert(queue.name.clone(), store.count(&queue)?);
            }
            Ok(depths)
        };
        self.inner.worker.run(count_all).await
    }

    async fn answer<R, P, A>(
        &self,
        body: &[u8],
        prepare: impl FnOnce(R) -> Result<P, SqsError>,
        operation: fn(&mut Store, P) -> Result<A, SqsError>,
    ) -> SqsResponse
    where
        R: DeserializeOwned,
        P: Send + 'static,
        A: Serialize + Send + 'static,
    {
        let prepared = parse(body).and_then(prepare);
        let result = match prepared {
            Ok(request) => self.run(request, operation).await,
            Err(error) => Err(error),
        };
        SqsResponse::from_result(result)
    }

    async fn run<P: Send + 'static, A: Send + 'static>(
        &self,
        request: P,
        operation: fn(&mut Store, P) -> Result<A, SqsError>,
    ) -> Result<A, SqsError> {
        let job = move |store: &mut Store| operation(store, request);
        self.inner.worker.run(job).await
    }

    async fn receive(&self, body: &[u8]) -> Result<receive::ReceiveAnswer, SqsError> {
        let request = Arc::new(parse::<receive::ReceiveRequest>(body)?.check()?);
        let settings = &self.inner.settings;
        let clock = &settings.clock;
        let started_ms = clock.now_ms();
        let bell = self.inner.bells.of(queue::name_of_url(&request.queue_url));
        loop {
            // Before the look: a message that arrives right after it must ring for us.
            let rung = bell.notified();
            let (wait_s, again_ms) = match self.look(&request).await? {
                receive::Look::Found(messages) => return request.answer(messages, settings),
                receive::Look::Nothing { wait_s, again_ms } => (wait_s, again_ms),
            };
            let deadline_ms = started_ms + wait_s * 1000;
            if clock.now_ms() >= deadline_ms {
                return request.answer(Vec::new(), settings);
            }
            let due_ms = again_ms.map_or(deadline_ms, |again| again.min(deadline_ms));
            tokio::select! {
                () = rung => {}
                () = clock.sleep_until(due_ms) => {}
            }
        }
    }

    async fn look(
        &self,
        request: &Arc<receive::ReceiveRequest>,
    ) -> Result<receive::Look, SqsError> {
        let request = Arc::clone(request);
        let look = move |store: &mut Store| receive::look(store, &request);
        self.inner.worker.run(look).await
    }

    async fn start_move(&self, body: &[u8]) -> Result<moves::StartAnswer, SqsError> {
        let started = self.run(parse(body)?, moves::start).await?;
        mover::spawn(&self.inner.runtime, &self.inner, started.task_id);
        Ok(started)
    }

    async fn cancel_move(&self, body: &[u8]) -> Result<moves::CancelAnswer, SqsError> {
        let cancelled = self.run(parse(body)?, moves::cancel).await?;
        self.inner.cancelled.notify_waiters();
        Ok(cancelled)
    }
}

fn parse<R: DeserializeOwned>(body: &[u8]) -> Result<R, SqsError> {
    // An operation without members may come without a body.
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body)
        .map_err(|error| SqsError::new(ErrorCode::Serialization, error.to_string()))
}
