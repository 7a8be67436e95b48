//! The thread that owns the store.

use std::{
    sync::mpsc::{self, Receiver, Sender},
    thread::{self, JoinHandle},
};

use tokio::sync::oneshot;

use super::Store;
use crate::sqs::error::SqsError;

/// How many waiting jobs share one transaction at most, so that the first one's answer isn't held
/// up for long.
const JOBS_PER_TRANSACTION: usize = 64;

type Job = Box<dyn FnOnce(&mut Store) -> Answer + Send>;
/// Sends a job's answer, given how its transaction ended.
type Answer = Box<dyn FnOnce(&Result<(), SqsError>)>;

/// The store's thread. Dropping it ends the thread and closes the file.
#[derive(Debug)]
pub(crate) struct Worker {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread.
    pub(crate) fn start(store: Store) -> std::io::Result<Self> {
        let (jobs, waiting) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("sqs-store".to_owned())
            .spawn(move || work(store, &waiting))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Runs a job. Its changes are kept if it succeeds, and committed when this returns; undone if
    /// it fails.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Store) -> Result<T, SqsError> + Send + 'static,
    ) -> Result<T, SqsError> {
        let (reply, outcome) = oneshot::channel();
        let job: Job = Box::new(move |store| {
            // The caller has hung up: messages handed out now would not reach it.
            if reply.is_closed() {
                return Box::new(|_| {});
            }
            let result = store.in_savepoint(job);
            Box::new(move |commit| {
                let _ = reply.send(commit.clone().and(result));
            })
        });
        let stopped = || SqsError::internal("the SQS store has stopped");
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        jobs.send(job).map_err(|_| stopped())?;
        outcome.await.map_err(|_| stopped())?
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Without a sender the thread ends after the jobs it has.
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(mut store: Store, waiting: &Receiver<Job>) {
    while let Ok(first) = waiting.recv() {
        let group = std::iter::once(first).chain(waiting.try_iter()).take(JOBS_PER_TRANSACTION);
        store.commit_together(group);
    }
}

impl Store {
    fn commit_together(&mut self, jobs: impl Iterator<Item = Job>) {
        // Dropped jobs tell their callers so.
        if self.execute("BEGIN").is_err() {
            return;
        }
        let answers: Vec<_> = jobs.map(|job| job(self)).collect();
        let outcome = self.execute("COMMIT");
        if outcome.is_err() {
            let _ = self.execute("ROLLBACK");
            let _ = self.reload_queues();
        }
        for answer in answers {
            answer(&outcome);
        }
        for queue in std::mem::take(&mut self.to_wake) {
            self.bells.ring(&queue);
        }
    }

    fn in_savepoint<T>(
        &mut self,
        job: impl FnOnce(&mut Self) -> Result<T, SqsError>,
    ) -> Result<T, SqsError> {
        self.execute("SAVEPOINT job")?;
        let result = job(self);
        if result.is_err() {
            self.execute("ROLLBACK TO job")?;
        }
        self.execute("RELEASE job")?;
        result
    }

    fn execute(&self, sql: &str) -> Result<(), SqsError> {
        self.connection.prepare_cached(sql)?.execute([])?;
        Ok(())
    }
}
