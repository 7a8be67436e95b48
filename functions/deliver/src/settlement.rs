//! Records what happened to a batch.
//!
//! The order is the promise: first the log; then the rows of what waits; then messages; only what
//! all have taken leaves its own queue. A delivery that fails on the way keeps its message, which
//! comes again and finds in the log how far it got.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use domain::{
    delivery_row::{DeliveryRow, State},
    id::EndpointId,
    model::Endpoint,
    work::EncodeError,
};
use futures::future::join_all;
use runtime::clock::Clock;
use store::{
    StoreError,
    announce::SystemEvent,
    attempts::AttemptLog,
    deliveries::Receivers,
    delivery_rows::DeliveryRows,
    queue::{Queue, QueueEntry, QueueError},
};

use crate::{
    disposition::{Attempted, Disposition, Settled},
    health::{EndpointHealth, Probed, Seen},
    incoming::{Record, Source},
    resolve::Delivery,
};

/// Writes batches down.
#[derive(Debug)]
pub(crate) struct Settlement {
    pub(crate) attempts: AttemptLog,
    pub(crate) rows: DeliveryRows,
    pub(crate) health: EndpointHealth,
    pub(crate) deliveries: Queue,
    pub(crate) retries: Queue,
    pub(crate) dead_letters: Queue,
    pub(crate) clock: Clock,
}

/// Messages to send or hide, with the ids of those that they follow.
#[derive(Default)]
struct Next {
    /// Of those that stay on their queue.
    kept: HashSet<String>,
    /// They carry deliveries that wait.
    again: Vec<(QueueEntry, String)>,
    dead: Vec<(QueueEntry, String)>,
    hidden: Vec<(Record, Duration)>,
    /// The rows of deliveries that have ended.
    ended: Vec<(DeliveryRow, String)>,
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
    /// Records all attempts, writes down what waits, and sends, hides or drops all messages. The
    /// ids of those that stay on their queue.
    pub(crate) async fn settle(
        &self,
        mut batch: Vec<Settled>,
        receivers: &Receivers,
    ) -> HashSet<String> {
        let given_up = given_up(&batch);
        let Recorded { seen, gone, probed } = self.record(&mut batch).await;
        let batch = join_all(batch.into_iter().map(|item| self.write_row(item))).await;
        for endpoint in &gone {
            self.health.disable_gone(endpoint).await;
        }
        for probe in &probed {
            self.health.note_probe(receivers, probe).await;
        }
        self.health.note_all(receivers, seen).await;
        let Next { mut kept, again, dead, hidden, mut ended } = next(batch);
        kept.extend(send(&self.retries, again, "retries").await);
        kept.extend(send(&self.dead_letters, dead, "dead-letter").await);
        ended.retain(|(_, id)| !kept.contains(id));
        kept.extend(self.end(ended).await);
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
        let mut attempted: Vec<(&mut Disposition, Attempted)> = Vec::new();
        for Settled { attempted: made, disposition, .. } in batch {
            attempted.extend(made.take().map(|made| (disposition, made)));
        }
        if attempted.is_empty() {
            return Recorded::default();
        }
        let (mut attempts, mut says, mut gone, mut probed, mut dispositions) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (disposition, item) in attempted {
            dispositions.push(disposition);
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
        for disposition in dispositions {
            *disposition = Disposition::Keep;
        }
        Recorded::default()
    }

    /// Writes down for what a delivery waits, if it does. What can't be written stays on its queue.
    async fn write_row(&self, mut item: Settled) -> Settled {
        let Some(delivery) = &item.delivery else { return item };
        let state = match (item.disposition, &delivery.row) {
            (Disposition::Wait(state, _), _) => state,
            (Disposition::Park, Some(row)) if row.is_parked() => row.state,
            (Disposition::Park, _) => State::Parked { since: self.clock.now() },
            _ => return item,
        };
        match self.wait(delivery, state).await {
            Ok(Some(row)) => item.waits = Some(row),
            // Another message takes care of it.
            Ok(None) => item.disposition = Disposition::Drop,
            Err(error) => {
                tracing::error!(%error, event = %delivery.message.event.id,
                    endpoint = %delivery.message.endpoint,
                    "could not write down that a delivery waits; its message stays on the queue");
                item.disposition = Disposition::Keep;
            }
        }
        item
    }

    async fn wait(
        &self,
        Delivery { message, row, .. }: &Delivery,
        state: State,
    ) -> Result<Option<DeliveryRow>, StoreError> {
        let now = self.clock.now();
        let Some(row) = row else {
            let seq = rand::random::<u32>().into();
            return self.rows.begin(DeliveryRow::new(message, state, seq, now)).await;
        };
        let row = row.waits_for(state, now);
        self.rows.change(&row).await?;
        Ok(Some(row))
    }

    /// Deletes the rows of deliveries that have ended. Returns the ids of messages that stay, as
    /// that went wrong: they come again, and find that out.
    async fn end(&self, ended: Vec<(DeliveryRow, String)>) -> Vec<String> {
        let ending = ended.into_iter().map(|(row, id)| async move {
            self.rows.delete(&row).await.map_err(|error| {
                tracing::error!(%error, event = %row.event, endpoint = %row.endpoint,
                    "could not delete the row of a delivery that has ended; its message stays");
                id
            })
        });
        join_all(ending).await.into_iter().filter_map(Result::err).collect()
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
    let given_up = batch.iter().filter(|item| item.disposition == Disposition::GiveUp);
    let events = given_up.filter_map(|item| {
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

/// What comes of the messages of a batch.
fn next(batch: Vec<Settled>) -> Next {
    let mut next = Next::default();
    for Settled { record, delivery, waits, disposition, .. } in batch {
        if let Err(error) = next.add(&record, delivery.as_deref(), waits, disposition) {
            tracing::error!(%error, "could not write a message; the one before stays");
            next.kept.insert(record.id);
        }
    }
    next
}

impl Next {
    fn add(
        &mut self,
        record: &Record,
        delivery: Option<&Delivery>,
        waits: Option<DeliveryRow>,
        disposition: Disposition,
    ) -> Result<(), EncodeError> {
        let id = record.id.clone();
        let row = delivery.and_then(|delivery| delivery.row.as_ref());
        match disposition {
            Disposition::Park => {}
            Disposition::Wait(_, wait) => {
                let Some(waits) = waits.filter(DeliveryRow::is_carried) else { return Ok(()) };
                if row.is_some() && record.source == Source::Retries {
                    self.kept.insert(id);
                    self.hidden.push((record.clone(), wait));
                } else {
                    self.again.push((QueueEntry::again(&waits.again(false), wait)?, id));
                }
            }
            Disposition::Dead => {
                let (body, delay) = (record.body.clone(), Duration::ZERO);
                self.dead.push((QueueEntry { body, group: None, delay }, id));
            }
            Disposition::GiveUp | Disposition::Drop => {
                self.ended.extend(row.map(|row| (row.clone(), id)));
            }
            Disposition::Hide(wait) => {
                self.kept.insert(id);
                self.hidden.push((record.clone(), wait));
            }
            Disposition::Keep => {
                self.kept.insert(id);
            }
        }
        Ok(())
    }
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
