//! Records what happened to a batch.
//!
//! The order is the promise: first the rows; then the log; then messages; only what all have taken
//! leaves its own queue. A delivery that fails on the way keeps its message, which comes again and
//! finds in the row how far it got, and puts into the log what that lacks.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use domain::{
    delivery::{End, FIRST_WINDOW},
    delivery_row::{DeliveryRow, State},
    id::{AttemptId, EndpointId, ProjectId},
    model::{Attempt, Endpoint},
    system_event::SystemEvent,
    work::EncodeError,
};
use futures::future::join_all;
use runtime::clock::Clock;
use store::{
    StoreError,
    attempts::{AttemptLog, Entry},
    deliveries::Receivers,
    delivery_rows::DeliveryRows,
    queue::{Queue, QueueEntry, QueueError},
};

use crate::{
    disposition::{Attempted, Disposition, Settled},
    health::{EndpointHealth, Probed, Seen},
    hidden::Hidden,
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
    pub(crate) hidden: Hidden,
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
}

/// What recorded attempts say.
#[derive(Default)]
struct Recorded {
    /// By circuits, each with an endpoint of its.
    seen: HashMap<EndpointId, (EndpointId, Seen)>,
    /// The endpoints whose receivers are gone.
    gone: Vec<Endpoint>,
    /// Of circuits.
    probed: Vec<Probed>,
}

impl Settlement {
    /// Writes down what has become of all deliveries, records all attempts, and sends, hides or
    /// drops all messages. The ids of those that stay on their queue.
    pub(crate) async fn settle(
        &self,
        mut batch: Vec<Settled>,
        receivers: &Receivers,
    ) -> HashSet<String> {
        let given_up = given_up(&batch);
        let entries = entries(&batch);
        let of = |item: &Settled| {
            let id = item.attempted.as_ref()?.attempt.id;
            let has = |entry: &&Entry| entry.attempts.iter().any(|attempt| attempt.id == id);
            Some(entries.iter().find(has)?.id)
        };
        let written = batch.into_iter().map(|item| {
            let entry = of(&item);
            self.write_row(item, entry)
        });
        batch = join_all(written).await;
        let Recorded { seen, gone, probed } = self.record(&mut batch, &entries).await;
        for endpoint in &gone {
            self.health.disable_gone(endpoint).await;
        }
        for probe in &probed {
            self.health.note_probe(receivers, probe).await;
        }
        self.health.note_all(receivers, seen).await;
        let Next { mut kept, again, dead, hidden } = next(batch);
        kept.extend(send(&self.retries, again, "retries").await);
        kept.extend(send(&self.dead_letters, dead, "dead-letter").await);
        self.hide(hidden).await;
        self.announce(receivers, given_up, &kept).await;
        kept
    }

    /// Writes down for what a delivery waits, or how it has ended. What can't be written stays on
    /// its queue. `entry` is where the log will have its attempt.
    async fn write_row(&self, mut item: Settled, entry: Option<AttemptId>) -> Settled {
        let Some(delivery) = &item.delivery else { return item };
        let attempt = item.attempted.as_ref().map(|made| &made.attempt);
        let state = match (item.disposition, &delivery.row) {
            (Disposition::Wait(state, _), _) => state,
            (Disposition::Park(held_by), row) => {
                let since = row.as_ref().and_then(DeliveryRow::parked_since);
                State::Parked { since: since.unwrap_or(self.clock.now()), held_by }
            }
            // The log is enough.
            (Disposition::End(End::Succeeded), None)
                if attempt.is_none_or(|made| {
                    made.created_at.since(delivery.message.enqueued_at) <= FIRST_WINDOW
                }) =>
            {
                return item;
            }
            (Disposition::End(end), _) => State::Ended(end),
            (Disposition::GiveUp, _) => State::Ended(End::Failed),
            _ => return item,
        };
        let is_hidden = hides(&item.record, delivery);
        match self.write(delivery, state, attempt.zip(entry), is_hidden).await {
            Ok(Some(row)) => item.row = Some(row),
            // Another message takes care of it.
            Ok(None) => item.disposition = Disposition::Drop,
            Err(error) => {
                tracing::error!(%error, project = %delivery.message.project,
                    event = %delivery.message.event.id, endpoint = %delivery.message.endpoint,
                    "could not write down what becomes of a delivery; its message stays on the \
                        queue");
                item.disposition = Disposition::Keep;
            }
        }
        item
    }

    /// The row then; `None` if another message takes care of the delivery.
    async fn write(
        &self,
        Delivery { message, row, .. }: &Delivery,
        state: State,
        made: Option<(&Attempt, AttemptId)>,
        is_hidden: bool,
    ) -> Result<Option<DeliveryRow>, StoreError> {
        let now = self.clock.now();
        let after = |before: &DeliveryRow| {
            let after = match state {
                State::Ended(end) => before.ended(end, self.attempts.expiry(now), now),
                _ => before.waits_for(state, now),
            };
            let history = match made {
                Some((attempt, entry)) => before.history.after(attempt, entry),
                None => before.history.clone(),
            };
            DeliveryRow { history, ..after }
        };
        let has_room = |row: &DeliveryRow| match row.due_at() {
            Some(until) if is_hidden && row.is_carried() => {
                self.hidden.take(row.project, until, now)
            }
            _ => true,
        };
        let written = if let Some(row) = row {
            let is_carried = has_room(&after(row));
            let after = |row: &DeliveryRow| {
                let after = after(row);
                if is_carried { after } else { after.uncarried() }
            };
            self.rows.settle(row, after).await?
        } else {
            let seq = rand::random::<u32>().into();
            self.rows.begin(after(&DeliveryRow::new(message, state, seq, now))).await?
        };
        if let (None, Some((attempt, entry))) = (&written, made) {
            self.rows.note(attempt, entry).await?;
        }
        Ok(written)
    }

    /// Records the attempts. What they say of their endpoints, and the endpoints that are gone.
    ///
    /// Where that fails, the messages stay: who has them next puts into the log what their rows
    /// say. An attempt without a row is made again: better twice than unknown. No endpoint is
    /// disabled either: a delivery would then be refused, and the log would never say why.
    async fn record(&self, batch: &mut [Settled], entries: &[Entry]) -> Recorded {
        let mut attempted: Vec<(&mut Disposition, Attempted)> = Vec::new();
        for Settled { attempted: made, disposition, .. } in batch {
            attempted.extend(made.take().map(|made| (disposition, made)));
        }
        if attempted.is_empty() {
            return Recorded::default();
        }
        if let Err(error) = self.attempts.record(entries).await {
            tracing::error!(%error, count = attempted.len(), "could not record attempts; their \
                messages stay on the queue");
            for (disposition, _) in attempted {
                *disposition = Disposition::Keep;
            }
            return Recorded::default();
        }
        let (mut seen, mut gone, mut probed) = (Vec::new(), Vec::new(), Vec::new());
        for (_, item) in attempted {
            let says = item.judges && item.probe.is_none();
            if let Some(probe) = item.probe {
                probed.push(Probed::of(&item.attempt, item.judges, item.gone.is_some(), probe));
            }
            gone.extend(item.gone);
            seen.extend(says.then_some((item.attempt, item.circuit)));
        }
        Recorded { seen: Seen::by_circuit(&seen), gone, probed }
    }

    /// The queue that messages come from.
    pub(crate) fn queue(&self, source: Source) -> &Queue {
        match source {
            Source::Deliveries => &self.deliveries,
            Source::Retries => &self.retries,
        }
    }

    /// Hides messages, as far as that goes.
    async fn hide(&self, hidden: Vec<(Record, Duration)>) {
        for source in [Source::Deliveries, Source::Retries] {
            let queue = self.queue(source);
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
        let mut by_project: HashMap<ProjectId, Vec<(&Endpoint, SystemEvent)>> = HashMap::new();
        for (_, endpoint, event) in given_up.into_iter().filter(|(id, ..)| !kept.contains(id)) {
            if let Some(Ok(endpoint)) = receivers.endpoints.get(&endpoint) {
                by_project.entry(endpoint.project).or_default().push((endpoint, event));
            }
        }
        for happened in by_project.values() {
            self.health.news.note(happened).await;
        }
    }
}

/// What the log gets of a batch.
fn entries(batch: &[Settled]) -> Vec<Entry> {
    Entry::of(batch.iter().filter_map(|item| Some(item.attempted.as_ref()?.attempt.clone())))
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
    for Settled { record, delivery, row, disposition, .. } in batch {
        if let Err(error) = next.add(&record, delivery.as_deref(), row, disposition) {
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
        written: Option<DeliveryRow>,
        disposition: Disposition,
    ) -> Result<(), EncodeError> {
        let id = record.id.clone();
        let is_hidden = delivery.is_some_and(|delivery| hides(record, delivery));
        let could_not_be_handled = matches!(disposition, Disposition::Hide(_) | Disposition::Keep);
        match disposition {
            _ if could_not_be_handled && record.is_worn() => self.bury(record, id),
            Disposition::Park(_)
            | Disposition::Drop
            | Disposition::End(_)
            | Disposition::GiveUp => {}
            Disposition::Wait(_, wait) => {
                let Some(waits) = written.filter(DeliveryRow::is_carried) else { return Ok(()) };
                if is_hidden {
                    self.kept.insert(id);
                    self.hidden.push((record.clone(), wait));
                } else {
                    self.again.push((QueueEntry::again(&waits.again(false), wait)?, id));
                }
            }
            Disposition::Dead => self.bury(record, id),
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

    /// The message goes to the dead-letter queue.
    fn bury(&mut self, record: &Record, id: String) {
        let (body, delay) = (record.body.clone(), Duration::ZERO);
        self.dead.push((QueueEntry { body, group: None, delay }, id));
    }
}

/// Whether a message that carries a delivery on is hidden, and not followed by another one.
fn hides(record: &Record, delivery: &Delivery) -> bool {
    delivery.row.is_some() && record.source == Source::Retries
}

/// Sends messages to another queue. Returns the ids of all of them when that fails: some may then
/// exist twice, and act for one row.
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
