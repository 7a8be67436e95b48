//! What one request has caused: it is counted where it happens, and told and charged at its end.

use std::{
    future::Future,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use domain::id::KeyId;

use crate::{
    Access,
    item::{Item, size},
};

/// DynamoDB: a strongly consistent read of up to so many bytes takes one unit.
const READ_UNIT: usize = 4_096;

tokio::task_local! {
    static TALLY: Arc<Tally>;
}

/// Who makes a request of a project.
#[derive(Clone, Copy, Debug)]
pub enum Caller {
    /// This key of the project's.
    Key(KeyId, Access),
    /// The operator, who acts for it.
    Operator(Access),
}

impl Caller {
    /// To the project.
    pub fn access(&self) -> Access {
        match self {
            Self::Key(_, access) | Self::Operator(access) => *access,
        }
    }
}

/// The counts of a request.
#[derive(Debug, Default)]
pub struct Tally {
    caller: OnceLock<Caller>,
    reads: AtomicU64,
    deliveries: AtomicU64,
}

impl Tally {
    /// Counts for this work, as long as it spawns no task of its own.
    pub async fn of<F: Future>(self: &Arc<Self>, work: F) -> F::Output {
        TALLY.scope(Arc::clone(self), work).await
    }

    /// Who made the request, if a project is concerned.
    pub fn caller(&self) -> Option<Caller> {
        self.caller.get().copied()
    }

    /// Read units of DynamoDB, about.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// Deliveries that were allowed.
    pub fn deliveries(&self) -> u64 {
        self.deliveries.load(Ordering::Relaxed)
    }
}

/// Notes who makes the request.
pub fn note_caller(caller: Caller) {
    let _ = TALLY.try_with(|tally| tally.caller.set(caller));
}

/// Counts a read that found these.
pub(crate) fn add_read<'a>(items: impl IntoIterator<Item = &'a Item>) {
    let _ = TALLY.try_with(|tally| {
        let bytes: usize = items.into_iter().map(size).sum();
        let units = bytes.div_ceil(READ_UNIT).max(1);
        tally.reads.fetch_add(u64::try_from(units).unwrap_or(u64::MAX), Ordering::Relaxed)
    });
}

/// Counts deliveries.
pub(crate) fn add_deliveries(count: u64) {
    let _ = TALLY.try_with(|tally| tally.deliveries.fetch_add(count, Ordering::Relaxed));
}
