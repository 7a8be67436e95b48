//! The instances of one function: started when needed, kept warm, replaced when they break.
//!
//! An invocation that its caller abandons (a client that hangs up) has still taken an instance,
//! which must not go back to the idle ones while it may be busy. So an invocation runs in a task of
//! its own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, TryAcquireError, mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};

use super::api::{Answer, Pieces, RuntimeApi};
use super::error::InvokeError;
use super::instance::Instance;
use super::spec::FunctionSpec;
use crate::recursion::Trace;

/// Invocations that may wait for an instance; more are refused.
pub const MAX_WAITING: usize = 1_000;

/// The instances of one function.
pub struct Pool {
    api: Arc<RuntimeApi>,
    spec: Arc<FunctionSpec>,
    turns: Semaphore,
    waiting: AtomicUsize,
    idle: Mutex<Vec<Instance>>,
    /// Every instance's process holds a receiver for as long as it lives.
    stop: watch::Sender<bool>,
}

impl Pool {
    /// A pool without instances yet.
    pub fn new(api: Arc<RuntimeApi>, spec: FunctionSpec) -> Arc<Self> {
        let turns = Semaphore::new(spec.max_instances);
        Arc::new(Self {
            api,
            spec: Arc::new(spec),
            turns,
            waiting: AtomicUsize::new(0),
            idle: Mutex::default(),
            stop: watch::Sender::new(false),
        })
    }

    /// The function's short name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Starts the first instance and returns once it asks for an event.
    pub async fn warm_up(&self) -> Result<(), InvokeError> {
        let mut instance = self.spawn()?;
        instance.ready().await?;
        self.put_back(instance);
        Ok(())
    }

    /// The function's ARN.
    pub fn arn(&self) -> &str {
        &self.spec.arn
    }

    /// Has one event handled, with which a chain begins. It runs to its end even if the caller
    /// stops waiting.
    pub async fn invoke(self: &Arc<Self>, payload: Bytes) -> Result<Bytes, InvokeError> {
        self.invoke_in(self.new_chain(), payload).await
    }

    /// Has one event handled that is part of a chain, in which this invocation is counted.
    pub async fn invoke_in(
        self: &Arc<Self>,
        trace: Trace,
        payload: Bytes,
    ) -> Result<Bytes, InvokeError> {
        let pool = Arc::clone(self);
        let task = tokio::spawn(async move { pool.run(payload, trace).await });
        task.await.unwrap_or(Err(InvokeError::ShuttingDown))
    }

    fn new_chain(&self) -> Trace {
        Trace::begin().invoking(self.arn())
    }

    async fn run(&self, payload: Bytes, trace: Trace) -> Result<Bytes, InvokeError> {
        let _turn = self.turn().await?;
        let mut instance = self.take()?;
        let answer = match instance.invoke(payload, trace).await {
            Ok(Answer::Whole(answer)) => Ok(answer),
            Ok(Answer::Streamed(pieces)) => collect(pieces).await,
            Err(error) => Err(error),
        };
        match &answer {
            Ok(_) | Err(InvokeError::Failed(_)) => self.put_back(instance),
            Err(error) => self.end(instance, error).await,
        }
        answer
    }

    /// Has one event handled by a function that streams its answer: at once or not at all, as the
    /// invocations before it may last for minutes.
    ///
    /// The invocation ends when the pieces are dropped. (Lambda would let it go on, and bill it;
    /// here it would only take memory.)
    pub async fn stream(self: &Arc<Self>, payload: Bytes) -> Result<Pieces, InvokeError> {
        let (begin, beginning) = oneshot::channel();
        let pool = Arc::clone(self);
        tokio::spawn(async move { pool.run_stream(payload, begin).await });
        beginning.await.unwrap_or(Err(InvokeError::ShuttingDown))
    }

    async fn run_stream(
        &self,
        payload: Bytes,
        begin: oneshot::Sender<Result<Pieces, InvokeError>>,
    ) {
        // If the reader has left before the beginning, no one takes the pieces, and the invocation
        // ends.
        let begin = |answered| drop(begin.send(answered));
        let _turn = match self.turns.try_acquire() {
            Ok(turn) => turn,
            Err(TryAcquireError::NoPermits) => return begin(Err(InvokeError::TooBusy)),
            Err(TryAcquireError::Closed) => return begin(Err(InvokeError::ShuttingDown)),
        };
        let mut instance = match self.take() {
            Ok(instance) => instance,
            Err(error) => return begin(Err(error)),
        };
        let (to, pieces) = mpsc::channel(1);
        let deadline = Instant::now() + self.spec.timeout;
        match instance.invoke(payload, self.new_chain()).await {
            Ok(Answer::Whole(answer)) => {
                self.put_back(instance);
                let _ = to.send(Ok(answer)).await;
                begin(Ok(pieces));
            }
            Ok(Answer::Streamed(from)) => {
                begin(Ok(pieces));
                match timeout_at(deadline, pass_on(from, &to)).await {
                    Ok(Passed::Whole) => self.put_back(instance),
                    Ok(Passed::Unwanted) => instance.end().await,
                    Ok(Passed::Broken(error)) => self.end(instance, &error).await,
                    Err(_) => {
                        let error = InvokeError::TimedOut(self.spec.timeout);
                        let _ = to.try_send(Err(error.clone()));
                        self.end(instance, &error).await;
                    }
                }
            }
            Err(error @ InvokeError::Failed(_)) => {
                self.put_back(instance);
                begin(Err(error));
            }
            Err(error) => {
                self.end(instance, &error).await;
                begin(Err(error));
            }
        }
    }

    async fn end(&self, instance: Instance, why: &InvokeError) {
        self.spec.log.note(&why.to_string());
        instance.end().await;
    }

    async fn turn(&self) -> Result<tokio::sync::SemaphorePermit<'_>, InvokeError> {
        if let Ok(turn) = self.turns.try_acquire() {
            return Ok(turn);
        }
        let _place = Place::take(&self.waiting).ok_or(InvokeError::TooBusy)?;
        self.turns.acquire().await.map_err(|_| InvokeError::ShuttingDown)
    }

    /// The instance that was used last: those at the bottom stay idle, and their number follows the
    /// load.
    fn take(&self) -> Result<Instance, InvokeError> {
        loop {
            match self.idle().pop() {
                Some(instance) if instance.is_alive() => return Ok(instance),
                Some(_) => {}
                None => return self.spawn(),
            }
        }
    }

    fn spawn(&self) -> Result<Instance, InvokeError> {
        Instance::spawn(&self.api, &self.spec, self.stop.subscribe())
    }

    fn put_back(&self, instance: Instance) {
        self.idle().push(instance);
    }

    /// Takes no more invocations, lets the running ones finish within `grace`, and returns once
    /// every process is gone.
    pub async fn shut_down(&self, grace: Duration) {
        let all = u32::try_from(self.spec.max_instances).unwrap_or(u32::MAX);
        let _ = tokio::time::timeout(grace, self.turns.acquire_many(all)).await;
        self.kill();
        self.stop.closed().await;
    }

    /// Takes no more invocations and ends every process, busy or not.
    pub fn kill(&self) {
        self.turns.close();
        self.stop.send_replace(true);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Instance>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A streamed answer, read to its end.
async fn collect(mut pieces: Pieces) -> Result<Bytes, InvokeError> {
    let mut whole = Vec::new();
    while let Some(piece) = pieces.recv().await {
        whole.extend_from_slice(&piece?);
    }
    Ok(whole.into())
}

/// How the passing on of a streamed answer ended.
enum Passed {
    Whole,
    /// The reader has left.
    Unwanted,
    Broken(InvokeError),
}

async fn pass_on(mut from: Pieces, to: &mpsc::Sender<Result<Bytes, InvokeError>>) -> Passed {
    loop {
        let piece = tokio::select! {
            biased;
            () = to.closed() => return Passed::Unwanted,
            piece = from.recv() => piece,
        };
        let Some(piece) = piece else { return Passed::Whole };
        let broken = piece.as_ref().err().cloned();
        if to.send(piece).await.is_err() {
            return Passed::Unwanted;
        }
        if let Some(error) = broken {
            return Passed::Broken(error);
        }
    }
}

/// A place among those who wait, given back when dropped.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Option<Self> {
        let place = Self(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < MAX_WAITING).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
