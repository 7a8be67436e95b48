//! Rounds: what one invocation works off. The first is the batch that Lambda brings. While the
//! invocation waits for slow receivers, it receives more from the same queue. So a receiver that
//! holds its requests holds some of very many slots, and not the invocation.
//!
//! # Pitfalls
//!
//! Lambda deletes the first round's messages when the invocation answers; those of later rounds are
//! deleted here, when they are done. What is left when an invocation dies comes back by itself.

use std::{collections::HashSet, sync::Arc, time::Duration};

use domain::time::Timestamp;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use crate::{
    App, RESERVE,
    incoming::{Incoming, Record, Source},
};

/// How long an invocation waits for its slowest request before it receives more: longer than a
/// receiver that is well takes.
const WAITS: Duration = Duration::from_millis(250);
/// How often it looks while its queue is empty.
const LOOKS_EVERY: Duration = Duration::from_secs(1);
/// Messages of an invocation at a time. They must fit into the function's memory, 256 KB each.
const MOST: usize = 256;
/// SQS: the most messages of one receive.
const LOT: usize = 10;
/// What a round may take: the longest timeout of an endpoint, and some time to settle.
const ROUND: Duration = Duration::from_secs(32);

/// Works off a batch, and more of its queue for as long as that waits. The ids of the batch's
/// messages that stay on the queue.
pub(crate) async fn work_off(
    app: &Arc<App>,
    batch: Vec<Incoming>,
    deadline: Timestamp,
) -> HashSet<String> {
    let Some(source) = batch.first().map(|incoming| incoming.record.source) else {
        return HashSet::new();
    };
    let slots = Arc::new(Semaphore::new(MOST));
    // If the round panics, all of it stays.
    let mut kept = batch.iter().map(|incoming| incoming.record.id.clone()).collect();
    let mut rounds = JoinSet::new();
    let permit = take(&slots, batch.len());
    let (of_batch, of_app) = (batch, Arc::clone(app));
    rounds.spawn(async move {
        let _permit = permit;
        Some(of_app.round(of_batch, deadline).await)
    });

    let left = deadline.since(app.clock.now()).saturating_sub(RESERVE + ROUND);
    let (last_look, mut next_look) = (Instant::now() + left, Instant::now() + WAITS);
    loop {
        let looks = next_look < last_look && slots.available_permits() >= LOT;
        tokio::select! {
            ended = rounds.join_next() => match ended {
                Some(Ok(Some(stays))) => kept = stays,
                Some(Ok(None)) => {}
                Some(Err(panic)) => {
                    tracing::error!(%panic, "a round panicked; its messages stay on the queue");
                }
                None => return kept,
            },
            () = sleep_until(next_look), if looks => {
                let more = app.receive(source).await;
                let wait = if more.is_empty() { LOOKS_EVERY } else { WAITS };
                next_look = Instant::now() + wait;
                if !more.is_empty() {
                    let (permit, app) = (take(&slots, more.len()), Arc::clone(app));
                    rounds.spawn(async move {
                        let _permit = permit;
                        app.later_round(more, source, deadline).await;
                        None
                    });
                }
            }
        }
    }
}

/// Slots of so many messages, if there are.
fn take(slots: &Arc<Semaphore>, count: usize) -> Option<OwnedSemaphorePermit> {
    Arc::clone(slots).try_acquire_many_owned(u32::try_from(count).ok()?).ok()
}

impl App {
    /// A round of messages that Lambda did not bring, and will not delete.
    async fn later_round(
        self: &Arc<Self>,
        batch: Vec<Incoming>,
        source: Source,
        deadline: Timestamp,
    ) {
        let records: Vec<Record> = batch.iter().map(|incoming| incoming.record.clone()).collect();
        let kept = self.round(batch, deadline).await;
        let done = records.into_iter().filter(|record| !kept.contains(&record.id));
        let receipts: Vec<_> = done.map(|record| record.receipt).collect();
        if let Err(error) = self.settlement.queue(source).delete(&receipts).await {
            tracing::warn!(%error, "could not delete messages; they come back, and are known then");
        }
    }

    /// What is on the queue now; nothing if it can't be asked.
    async fn receive(&self, source: Source) -> Vec<Incoming> {
        match self.settlement.queue(source).receive().await {
            Ok(received) => {
                received.into_iter().map(|message| Incoming::received(message, source)).collect()
            }
            Err(error) => {
                tracing::warn!(%error, "could not receive more; Lambda brings it");
                Vec::new()
            }
        }
    }
}
