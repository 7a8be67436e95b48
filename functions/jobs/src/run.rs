//! A run: one invocation, which works until all that is due is done, or its time is over.

use std::{
    future::{Future, ready},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use domain::{
    job::{STALLED, STALLS_AFTER},
    time::Timestamp,
};
use futures::{
    Stream, StreamExt, TryStreamExt,
    future::{Either, select},
    stream,
};
use runtime::clock::Clock;
use store::{
    StoreError,
    delivery_rows::DeliveryKey,
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
/// Deliveries that are sent at a time, and such lots at the same time.
const LOT: usize = 100;
/// See [`LOT`].
const LOTS_AT_ONCE: usize = 4;

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
    let mut due = std::pin::pin!(app.due.until(now + AHEAD));
    let Some(first) = due.try_next().await? else { return Ok(()) };
    let holder = rand::random();
    if !app.lease.hold(holder, now, now + LEASE).await? {
        return Ok(());
    }
    let end = now + deadline.since(now).saturating_sub(RESERVE);
    let due = stream::once(ready(Ok(first))).chain(due);
    let (work, kept) = (pin!(app.work_off(due, end)), pin!(app.keep_lease(holder)));
    if let Either::Right(_) = select(work, kept).await {
        tracing::error!("a run has lost its lease, and ends");
    }
    if let Err(error) = app.lease.give_back(holder).await {
        tracing::warn!(%error, "could not give back the lease of a run; it ends by itself");
    }
    Ok(())
}

impl App {
    /// Does all of this until `end`: deliveries by the lot, and the steps of each other row one
    /// after the other.
    async fn work_off(&self, due: impl Stream<Item = Result<Due, StoreError>>, end: Timestamp) {
        let ends = Instant::now() + end.since(self.clock.now());
        let before = self.clock.now() + AHEAD;
        let mut due = pin!(due);
        let (mut works, mut lot) = (Works::default(), Vec::new());
        let (turns, lots) = (Semaphore::new(AT_ONCE), Semaphore::new(LOTS_AT_ONCE));
        let (turns, lots) = (Arc::new(turns), Arc::new(lots));
        loop {
            let next = match tokio::time::timeout_at(ends, due.try_next()).await {
                Ok(Ok(next)) => next,
                Ok(Err(error)) => {
                    tracing::error!(%error, "could not read on what is due; a later run does");
                    None
                }
                Err(_) => return,
            };
            let is_last = next.is_none();
            match next {
                Some(Due { row: DueRow::Delivery(project, event, endpoint), .. }) => {
                    lot.push(DeliveryKey { project, event, endpoint });
                }
                Some(due) => {
                    let driver = Driver {
                        steps: Arc::clone(&self.steps),
                        turns: Arc::clone(&turns),
                        clock: self.clock.clone(),
                    };
                    works.start(
                        async move { driver.drive(due, end).await }.instrument(span(due.row)),
                    );
                }
                None => {}
            }
            if lot.len() >= LOT || is_last && !lot.is_empty() {
                // What is read goes no further ahead than what is done.
                let turn = Arc::clone(&lots).acquire_owned().await;
                let (steps, keys) = (Arc::clone(&self.steps), std::mem::take(&mut lot));
                works.start(async move {
                    let _turn = turn;
                    if let Err(error) = steps.send_due(&keys, before).await {
                        tracing::error!(%error, "could not send all that is due; a later run does");
                    }
                });
            }
            if is_last {
                break;
            }
        }
        if tokio::time::timeout_at(ends, works.end()).await.is_err() {
            tracing::warn!("not all that is due was done in time; a later run does the rest");
        }
    }

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

/// Works at the same time. A panic costs its own one; dropped, all end.
#[derive(Default)]
struct Works(JoinSet<()>);

impl Works {
    fn start(&mut self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(work);
    }

    async fn end(&mut self) {
        while let Some(ended) = self.0.join_next().await {
            if let Err(panic) = ended {
                tracing::error!(%panic, "a step of a job panicked; a later run does it");
            }
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
        DueRow::Usage(project, hour) => {
            error_span!("usage", %project, hour = hour.seconds())
        }
        DueRow::Report(report) => {
            error_span!("report", project = %report.project, topic = report.topic.name())
        }
        DueRow::Delivery(project, event, endpoint) => {
            error_span!("delivery", %project, %event, %endpoint)
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
        let mut works = Works::default();
        for number in 0..10 {
            let done = Arc::clone(&done);
            works.start(async move {
                tokio::task::yield_now().await;
                assert!(number != 3, "on purpose");
                done.fetch_add(1, Ordering::SeqCst);
            });
        }
        works.end().await;
        assert_eq!(done.load(Ordering::SeqCst), 9);
    }
}
