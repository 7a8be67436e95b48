//! A run: one invocation, which works until all that is due is done, or its time is over.

use std::{future::Future, sync::Arc, time::Duration};

use domain::{
    job::{STALLED, STALLS_AFTER},
    time::Timestamp,
};
use futures::future::{Either, select};
use runtime::clock::Clock;
use store::{
    StoreError,
    due::{Due, DueRow},
};
use tokio::{sync::Semaphore, task::JoinSet, time::Instant};
use tracing::{Instrument, error_span};

use crate::{App, outcome::AHEAD, step::Steps};

/// Time at the end of an invocation in which no step begins, and those under way are ended.
const RESERVE: Duration = Duration::from_secs(5);
/// How long the lease of a run holds if its holder dies.
const LEASE: Duration = Duration::from_secs(15);
/// How often a run renews it.
const RENEWED_EVERY: Duration = Duration::from_secs(5);
/// Steps at a time. Rows that wait for their next step hold up nobody.
const AT_ONCE: usize = 8;

/// Why a run did nothing.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// What is due can't be read, or the lease can't be taken.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Does what is due, until shortly before `deadline`, when Lambda ends the invocation. Nothing, if
/// another run is at it.
pub async fn run(app: &App, deadline: Timestamp) -> Result<(), RunError> {
    let now = app.clock.now();
    let due = app.due.until(now + AHEAD).await?;
    if due.is_empty() {
        return Ok(());
    }
    let holder = rand::random();
    if !app.lease.hold(holder, now, now + LEASE).await? {
        return Ok(());
    }
    let end = now + deadline.since(now).saturating_sub(RESERVE);
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let drives = due.into_iter().map(|due| {
        let driver = Driver {
            steps: Arc::clone(&app.steps),
            turns: Arc::clone(&turns),
            clock: app.clock.clone(),
        };
        async move { driver.drive(due, end).await }.instrument(span(due.row))
    });
    let (work, kept) = (std::pin::pin!(each(drives)), std::pin::pin!(app.keep_lease(holder)));
    if let Either::Right(_) = select(work, kept).await {
        tracing::error!("a run has lost its lease, and ends");
    }
    if let Err(error) = app.lease.give_back(holder).await {
        tracing::warn!(%error, "could not give back the lease of a run; it ends by itself");
    }
    Ok(())
}

impl App {
    /// Holds the lease for as long as this is polled; ends when another run has it.
    async fn keep_lease(&self, holder: u64) {
        loop {
            tokio::time::sleep(RENEWED_EVERY).await;
            let now = self.clock.now();
            match self.lease.hold(holder, now, now + LEASE).await {
                Ok(true) => {}
                Ok(false) => return,
                // The next try is in time for the lease.
                Err(error) => tracing::warn!(%error, "could not renew the lease of a run"),
            }
        }
    }
}

/// Who does the steps of a row.
struct Driver {
    steps: Arc<Steps>,
    turns: Arc<Semaphore>,
    clock: Clock,
}

impl Driver {
    /// Does the steps of a row one after the other, each when it is its turn, as long as the next
    /// one is due before `end`.
    async fn drive(&self, due: Due, end: Timestamp) {
        let ends = Instant::now() + end.since(self.clock.now());
        if self.clock.now().since(due.at) >= STALLS_AFTER {
            tracing::error!("{STALLED}");
        }
        loop {
            // A step may end anywhere.
            let step = async {
                let _turn = self.turns.acquire().await;
                self.steps.take(due.row).await
            };
            match tokio::time::timeout_at(ends, step).await {
                Ok(Ok(Some(next))) if next < end => {
                    let wait = tokio::time::sleep(next.since(self.clock.now()));
                    if tokio::time::timeout_at(ends, wait).await.is_err() {
                        return;
                    }
                }
                Ok(Ok(_)) => return,
                Ok(Err(error)) => {
                    tracing::error!(%error, "a step of a job failed; a later run does it");
                    return;
                }
                Err(_) => {
                    tracing::warn!("a step of a job did not end in time; a later run does it");
                    return;
                }
            }
        }
    }
}

/// Does all of them at once. A panic costs its own one; dropped, all end.
async fn each(works: impl Iterator<Item = impl Future<Output = ()> + Send + 'static>) {
    let mut running: JoinSet<()> = works.collect();
    while let Some(ended) = running.join_next().await {
        if let Err(panic) = ended {
            tracing::error!(%panic, "a step of a job panicked; a later run does it");
        }
    }
}

/// What every log line about a row holds. An error's span: a lower level would be filtered out with
/// `ApplicationLogLevel`, and the lines would lose their fields.
fn span(row: DueRow) -> tracing::Span {
    match row {
        DueRow::Circuit(project, endpoint) => error_span!("circuit", %project, %endpoint),
        DueRow::Recovery(project, endpoint, recovery) => {
            error_span!("recovery", %project, %endpoint, %recovery)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_panic_costs_its_own_row_only() {
        let done = Arc::new(AtomicUsize::new(0));
        each((0..10).map(|number| {
            let done = Arc::clone(&done);
            async move {
                tokio::task::yield_now().await;
                assert!(number != 3, "on purpose");
                done.fetch_add(1, Ordering::SeqCst);
            }
        }))
        .await;
        assert_eq!(done.load(Ordering::SeqCst), 9);
    }
}
