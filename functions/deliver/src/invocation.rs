//! What one invocation works off: the batch that Lambda brings, and, while it waits for slow
//! receivers, more batches of the same queue. So a receiver that holds its requests holds some of
//! very many slots, and not the invocation.
//!
//! # Pitfalls
//!
//! Lambda deletes the messages that it has brought when the invocation answers; others are deleted
//! here, when they are done. What is left when an invocation dies comes back by itself.

use std::{collections::HashSet, sync::Arc, time::Duration};

use domain::time::Timestamp;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use crate::{
    App, RESERVE,
    incoming::{Incoming, Source},
};

/// How long an invocation waits for its slowest request before it receives more: longer than a
/// receiver that is well takes.
const WAITS: Duration = Duration::from_millis(250);
/// How soon it receives again while its queue has more.
const BETWEEN: Duration = Duration::from_millis(25);
/// How often it looks while its queue is empty.
const LOOKS_EVERY: Duration = Duration::from_secs(1);
/// Messages of an invocation at a time. They must fit into the function's memory, 256 KB each.
const MOST: usize = 256;
/// SQS: the most messages of one receive.
const LOT: usize = 10;
/// What a batch may take: the longest timeout of an endpoint, and some time to settle.
const BATCH: Duration = Duration::from_secs(32);

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
    // If this panics, all of it stays.
    let mut kept = batch.iter().map(|incoming| incoming.record.id.clone()).collect();
    let mut batches = JoinSet::new();
    let permit = take(&slots, batch.len());
    let (of_batch, of_app) = (batch, Arc::clone(app));
    batches.spawn(async move {
        let _permit = permit;
        Some(of_app.handle_all(of_batch, deadline).await)
    });

    let left = deadline.since(app.clock.now()).saturating_sub(RESERVE + BATCH);
    let (last_look, mut next_look) = (Instant::now() + left, Instant::now() + WAITS);
    loop {
        let looks = next_look < last_look && slots.available_permits() >= LOT;
        tokio::select! {
            ended = batches.join_next() => match ended {
                Some(Ok(Some(stays))) => kept = stays,
                Some(Ok(None)) => {}
                Some(Err(panic)) => {
                    tracing::error!(%panic, "a batch panicked; its messages stay on the queue");
                }
                None => return kept,
            },
            () = sleep_until(next_look), if looks => {
                let more = app.receive(source).await;
                let wait = if more.is_empty() { LOOKS_EVERY } else { BETWEEN };
                next_look = Instant::now() + wait;
                if !more.is_empty() {
                    let (permit, app) = (take(&slots, more.len()), Arc::clone(app));
                    batches.spawn(async move {
                        let _permit = permit;
                        app.handle_received(more, source, deadline).await;
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
    /// Messages that Lambda did not bring, and will not delete.
    async fn handle_received(
        self: &Arc<Self>,
        batch: Vec<Incoming>,
        source: Source,
        deadline: Timestamp,
    ) {
        let receipts: Vec<_> = batch
            .iter()
            .map(|incoming| (incoming.record.id.clone(), incoming.record.receipt.clone()))
            .collect();
        let kept = self.handle_all(batch, deadline).await;
        let done = receipts.into_iter().filter(|(id, _)| !kept.contains(id));
        let receipts: Vec<_> = done.map(|(_, receipt)| receipt).collect();
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
