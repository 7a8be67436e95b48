//! The `SQLite` file behind the stand-in, and the thread that owns it.
//!
//! One thread holds the only connection and runs one job after another, so that there are no locks
//! to wait for and no conflicts. Jobs that queue up while one runs share the next transaction: a
//! commit costs more than a job.
//!
//! An answer may leave only after the commit. Each job therefore hands back a closure that sends
//! its answer, and the thread calls it when the transaction has ended, with the transaction's
//! outcome.

mod messages;
mod queues;
mod tasks;
mod worker;

use std::{collections::HashMap, path::Path, sync::Arc};

use rusqlite::Connection;

use super::{Settings, error::SqsError, fairness::Fairness, queue::Queue, wake::Bells};

pub(crate) use messages::{Content, NewMessage, Received};
pub(crate) use tasks::{MoveTask, TaskStatus};
pub(crate) use worker::Worker;

/// The store can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file can't be opened, or isn't a store of ours.
    #[error("the SQS store can't be opened: {0}")]
    Database(#[from] rusqlite::Error),
    /// A queue in the store can't be read.
    #[error("the SQS store holds a queue that can't be read: {0}")]
    Queue(#[source] SqsError),
    /// The store's thread can't be started.
    #[error("the SQS store's thread can't be started: {0}")]
    Thread(#[from] std::io::Error),
    /// There is no Tokio runtime to run move tasks on.
    #[error("the SQS store must be opened inside a Tokio runtime")]
    NoRuntime(#[from] tokio::runtime::TryCurrentError),
}

/// The open store; everything a job works with.
pub(crate) struct Store {
    connection: Connection,
    settings: Arc<Settings>,
    bells: Arc<Bells>,
    /// All queues by name: a copy of the table, read again whenever a job changes it.
    queues: HashMap<String, Arc<Queue>>,
    /// By queue id, never less than the messages in flight. Counting them for each receive would
    /// read up to 120,000 index entries, so they are counted only when this bound reaches the
    /// limit.
    in_flight_bound: HashMap<i64, u64>,
    /// By queue id: which tenants are noisy.
    fairness: HashMap<i64, Fairness>,
    /// Queues whose polls look again once the transaction has ended.
    to_wake: Vec<String>,
}

impl Store {
    /// Opens or creates the file.
    pub(crate) fn open(
        path: &Path,
        settings: Arc<Settings>,
        bells: Arc<Bells>,
    ) -> Result<Self, OpenError> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        // WAL with NORMAL: a commit reaches the operating system, so that a killed process loses
        // nothing, but doesn't wait for the disk; a power cut may lose the last commits.
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "wal_autocheckpoint", 4_000)?;
        connection.pragma_update(None, "cache_size", -65_536)?;
        connection.set_prepared_statement_cache_capacity(64);
        connection.execute_batch(include_str!("schema.sql"))?;

        let mut store = Self {
            connection,
            settings,
            bells,
            queues: HashMap::new(),
            in_flight_bound: HashMap::new(),
            fairness: HashMap::new(),
            to_wake: Vec::new(),
        };
        store.reload_queues().map_err(OpenError::Queue)?;
        Ok(store)
    }

    /// What the stand-in was opened with.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Now, in Unix milliseconds.
    pub(crate) fn now_ms(&self) -> i64 {
        self.settings.clock.now_ms()
    }

    /// Makes the queue's long polls look again once this job is committed.
    pub(crate) fn wake(&mut self, queue: &str) {
        if !self.to_wake.iter().any(|name| name == queue) {
            self.to_wake.push(queue.to_owned());
        }
    }
}
