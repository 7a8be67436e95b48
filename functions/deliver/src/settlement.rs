//! Records what happened to a batch.
//!
//! The order is the promise: first the log; then the other queue; only what both have taken leaves
//! its own queue. A delivery that fails on the way keeps its message, which comes again and finds
//! in the log how far it got.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use domain::{id::EndpointId, model::Endpoint};
use runtime::clock::Clock;
use store::{
    announce::SystemEvent,
    attempts::AttemptLog,
    deliveries::Receivers,
    parked::ParkedStore,
    queue::{Queue, QueueEntry, QueueError},
};

use crate::{
    disposition::{Attempted, Disposition, Settled},
    health::{EndpointHealth, Probed, Seen},
    incoming::{Record, Source},
};

/// Writes batches down.
#[derive(Debug)]
pub(crate) struct Settlement {
    pub(crate) attempts: AttemptLog,
    pub(crate) parked: ParkedStore,
    pub(crate) health: EndpointHealth,
    pub(crate) deliveries: Queue,
    pub(crate) retries: Queue,
    pub(crate) dead_letters: Queue,
    pub(crate) clock: Clock,
}

/// What recorded attempts say.
#[derive(Default)]
struct Recorded {
    /// Of endpoints.
    seen: HashMap<EndpointId, Seen>,
    /// The endpoints whose receivers are gone.
    gone: Vec<Endpoint>,
    /// Of circuits.
    probed: Vec<Probed>,
}

impl Settlement {
    /// Records all attempts and moves, hides or drops all messages. Returns the ids of those that
    /// stay on their queue.
    pub(crate) async fn settle(
        &self,
        mut batch: Vec<Settled>,
        receivers: &Receivers,
    ) -> HashSet<String> {
        let given_up = given_up(&batch);
        let Recorded { seen, gone, probed } = self.record(&mut batch).await;
        self.park(&mut batch).await;
        for endpoint in &gone {
            self.health.disable_gone(endpoint).await;
        }
        for probe in &probed {
            self.health.note_probe(receivers, probe).await;
        }
        self.health.note_all(receivers, seen).await;
        let (mut kept, mut moved, mut dead, mut hidden) =
            (HashSet::new(), Vec::new(), Vec::new(), Vec::new());
        for Settled { record, delivery, disposition, .. } in batch {
            let group = delivery.map(|(_, endpoint)| endpoint.to_string());
            let entry = |body, delay| QueueEntry { body, group, delay };
            match (disposition, record.source) {
                (Disposition::Drop | Disposition::Park(_), _) => {}
                (Disposition::Dead, _) => {
                    dead.push((entry(record.body, Duration::ZERO), record.id));
                }
                (Disposition::Replace(body, wait), _) => moved.push((entry(body, wait), record.id)),
                // The queue of first attempts never holds what waits: hidden messages count as in
                // flight, and SQS hands out none beyond 120,000.
                (Disposition::Again(wait), Source::Deliveries) => {
                    moved.push((entry(record.body, wait), record.id));
                }
                (Disposition::Again(wait) | Disposition::Hide(wait), _) => {
                    kept.insert(record.id.clone());
                    hidden.push((record, wait));
                }
                (Disposition::Keep, _) => {
                    kept.insert(record.id);
                }
            }
        }
        kept.extend(send(&self.retries, moved, "retries").await);
        kept.extend(send(&self.dead_letters, dead, "dead-letter").await);
        self.hide(hidden).await;
        self.announce(receivers, given_up, &kept).await;
        kept
    }

    /// Records the attempts. What they say of their endpoints, and the endpoints that are gone.
    ///
    /// An attempt that can't be recorded must be made again: better twice than unknown. Its
    /// endpoint is not disabled either: the delivery would then be refused, and the log would never
    /// say why.
    async fn record(&self, batch: &mut [Settled]) -> Recorded {
        let attempted: Vec<Attempted> =
            batch.iter_mut().filter_map(|item| item.attempted.take()).collect();
        if attempted.is_empty() {
            return Recorded::default();
        }
        let (mut attempts, mut says, mut gone, mut probed) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for item in attempted {
            says.push(item.judges && item.probe.is_none());
            if let Some(probe) = item.probe {
                probed.push(Probed::of(&item.attempt, item.judges, item.gone.is_some(), probe));
            }
            attempts.push(item.attempt);
            gone.extend(item.gone);
        }
        let Err(error) = self.attempts.record(&attempts).await else {
            let said =
                attempts.iter().zip(says).filter_map(|(attempt, says)| says.then_some(attempt));
            return Recorded { seen: Seen::by_endpoint(said), gone, probed };
        };
        tracing::error!(%error, count = attempts.len(), "could not record attempts; their \
            messages stay on the queue");
        let unrecorded: HashSet<_> =
            attempts.iter().map(|attempt| (attempt.event, attempt.endpoint)).collect();
        for item in batch
            .iter_mut()
            .filter(|item| item.delivery.is_some_and(|delivery| unrecorded.contains(&delivery)))
        {
            item.disposition = Disposition::Keep;
        }
        Recorded::default()
    }

    /// What can't be parked stays on its queue.
    async fn park(&self, batch: &mut [Settled]) {
        let parked = |item: &Settled| match &item.disposition {
            Disposition::Park(message) => Some((item.record.id.clone(), (**message).clone())),
            _ => None,
        };
        let messages: Vec<_> = batch.iter().filter_map(parked).collect();
        if messages.is_empty() {
            return;
        }
        if let Err(error) = self.parked.park(&messages, self.clock.now()).await {
            tracing::error!(%error, "could not park all deliveries; the messages of these stay on \
                the queue");
            let left = |item: &&mut Settled| {
                matches!(item.disposition, Disposition::Park(_))
                    && error.left.contains(&item.record.id)
            };
            for item in batch.iter_mut().filter(left) {
                item.disposition = Disposition::Keep;
            }
        }
    }

    /// Hides messages, as far as that goes.
    async fn hide(&self, hidden: Vec<(Record, Duration)>) {
        for (source, queue) in
            [(Source::Deliveries, &self.deliveries), (Source::Retries, &self.retries)]
        {
            let of_this = hidden.iter().filter(|(record, _)| record.source == source);
            let receipts: Vec<_> =
                of_this.map(|(record, wait)| (record.receipt.clone(), *wait)).collect();
            if let Err(error) = queue.hide(&receipts).await {
                tracing::warn!(%error, "could not hide messages; they come back at the end of \
                    their visibility timeout");
            }
        }
    }

    /// Tells the projects of the given up deliveries, but for those whose messages stay after all.
    async fn announce(
        &self,
        receivers: &Receivers,
        given_up: Vec<(String, EndpointId, SystemEvent)>,
        kept: &HashSet<String>,
    ) {
        for (_, endpoint, event) in given_up.into_iter().filter(|(id, ..)| !kept.contains(id)) {
            if let Some(Ok(endpoint)) = receivers.endpoints.get(&endpoint) {
                self.health.announce(endpoint, &event).await;
            }
        }
    }
}

/// The deliveries of a batch that are given up, by their messages.
fn given_up(batch: &[Settled]) -> Vec<(String, EndpointId, SystemEvent)> {
    let dead = batch.iter().filter(|item| matches!(item.disposition, Disposition::Dead));
    let events = dead.filter_map(|item| {
        let attempt = &item.attempted.as_ref()?.attempt;
        let event = SystemEvent::DeliveryFailed {
            event: attempt.event,
            kind: attempt.kind.clone(),
            attempts: attempt.number,
        };
        Some((item.record.id.clone(), attempt.endpoint, event))
    });
    events.collect()
}

/// Sends messages to another queue. Returns the ids of all of them when that fails: some may then
/// exist twice, and the log sorts them out.
async fn send(queue: &Queue, messages: Vec<(QueueEntry, String)>, name: &str) -> Vec<String> {
    let (messages, ids): (Vec<_>, Vec<_>) = messages.into_iter().unzip();
    if messages.is_empty() {
        return Vec::new();
    }
    match queue.send(messages.into_iter().map(Ok::<_, QueueError>)).await {
        Ok(()) => Vec::new(),
        Err(error) => {
            tracing::error!(%error, queue = name, "could not move messages; they stay on their \
                queue");
            ids
        }
    }
}
