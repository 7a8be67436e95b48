//! One delivery: what the log says of it, the request, and what becomes of its message. While its
//! receiver is down it is parked, or is the [`probe`].

mod probe;

use std::{sync::Arc, time::Duration};

use domain::{
    delivery::{FIRST, NextAction, decide},
    delivery_row::State,
    id::AttemptId,
    message::Message,
    model::{Attempt, Endpoint, Outcome, Status, Trigger},
    schedule::Schedule,
    time::Timestamp,
};
use runtime::clock::Clock;
use store::{
    attempts::AttemptLog,
    deliveries::Receivers,
    delivery_rows::{DeliveryKey, DeliveryRows},
    health::HealthStore,
};

use crate::{
    disposition::{Attempted, Disposition, Settled},
    incoming::Record,
    rate::{Pacing, RateLimiter},
    resolve::Delivery,
    sender::{Hosts, NotSent, Sender, Verdict},
};

/// Handles deliveries.
pub(crate) struct DeliveryHandler {
    pub(crate) sender: Arc<Sender>,
    pub(crate) attempts: AttemptLog,
    pub(crate) rows: DeliveryRows,
    pub(crate) circuits: HealthStore,
    pub(crate) rates: RateLimiter,
    /// How long a delivery is parked.
    pub(crate) kept_for: Duration,
    /// For endpoints without a schedule of their own.
    pub(crate) schedule: Schedule,
    pub(crate) clock: Clock,
}

/// What the deliveries of a batch share.
pub(crate) struct Batch {
    pub(crate) receivers: Receivers,
    pub(crate) hosts: Hosts,
    /// When Lambda ends the invocation.
    pub(crate) deadline: Timestamp,
}

/// The attempt that is next.
#[derive(Clone, Copy, Debug)]
struct Due {
    /// Counted over all attempts, from 1.
    number: u32,
    /// The place in the schedule of the wait that follows a failure.
    turn: usize,
}

impl DeliveryHandler {
    /// Handles one delivery. It never fails: whatever happens is a disposition.
    pub(crate) async fn handle(
        &self,
        record: Record,
        delivery: Box<Delivery>,
        batch: &Batch,
    ) -> Settled {
        let done = if delivery.is_expired {
            self.give_up_without_event(&record, &delivery.message, batch).await
        } else {
            self.attempt(&record, &delivery, batch).await
        };
        let (attempted, disposition) = match done {
            Ok((attempted, disposition)) => (Some(attempted), disposition),
            Err(disposition) => (None, disposition),
        };
        Settled { record, delivery: Some(delivery), waits: None, attempted, disposition }
    }

    /// Makes the attempt that is next. `Err` when none is made.
    async fn attempt(
        &self,
        record: &Record,
        delivery: &Delivery,
        batch: &Batch,
    ) -> Result<(Attempted, Disposition), Disposition> {
        let message = &delivery.message;
        let open = batch.receivers.health.get(&message.endpoint).filter(|health| health.is_open());
        match open {
            _ if message.trigger == Trigger::Probe => {
                return Box::pin(self.probe(record, message, open, batch)).await;
            }
            Some(health) if is_parkable(delivery) => {
                return Box::pin(self.probe_or_park(record, delivery, health, batch)).await;
            }
            _ => {}
        }
        // The row before the log: it goes when the log has its delivery.
        let has_row = self.has_row(record, delivery).await?;
        let Due { number, turn } = self.due(record, message, self.clock.now()).await?;
        if number == 1 && has_row {
            return Err(Disposition::Drop);
        }
        let endpoint = find(&batch.receivers, message)?;
        self.wait_for_its_slot(record, endpoint, message, number).await?;

        let started = self.clock.now();
        let sent = self.sender.send(endpoint, message, &batch.hosts, batch.deadline).await;
        let verdict = sent.map_err(|NotSent| Disposition::Hide(record.pause()))?;
        let disposition = self.disposition(endpoint, message, &verdict, turn);
        let next = match disposition {
            Disposition::Wait(State::Waiting { until, .. }, _) => Some(until),
            _ => None,
        };
        let gone = endpoint.filter(|_| verdict.is_gone()).cloned();
        let judges = verdict.judges;
        let attempt = logged(message, endpoint, verdict, number, started, next);
        Ok((Attempted { attempt, judges, gone, probe: None }, disposition))
    }

    /// What the log says is next for a delivery. A first attempt that no invocation can have made
    /// yet does not read the log.
    async fn due(
        &self,
        record: &Record,
        message: &Message,
        now: Timestamp,
    ) -> Result<Due, Disposition> {
        let step = if record.may_be_known(message, self.clock.now()) {
            let attempts = self.attempts.of(message.endpoint, message.event.id).await;
            let attempts = attempts.map_err(|error| {
                tracing::error!(%error, "could not read the attempts of a delivery");
                Disposition::Hide(record.pause())
            })?;
            decide(&attempts, message.round, now)
        } else {
            FIRST
        };
        match step {
            NextAction::Drop => Err(Disposition::Drop),
            NextAction::Wait(until) => Err(self.wait(until)),
            NextAction::Send { number, turn } => Ok(Due { number, turn }),
        }
    }

    /// Whether the delivery of a first message has a row. If nothing was tried yet, the row's
    /// message acts for it: a repeated request has written it, or this message when it came before.
    async fn has_row(
        &self,
        record: &Record,
        Delivery { message, row, .. }: &Delivery,
    ) -> Result<bool, Disposition> {
        let is_first = row.is_none() && message.trigger == Trigger::Scheduled;
        if !is_first || !record.may_be_known(message, self.clock.now()) {
            return Ok(false);
        }
        let (project, event, endpoint) = (message.project, message.event.id, message.endpoint);
        let found = self.rows.get(&[DeliveryKey { project, event, endpoint }]).await;
        found.map(|rows| !rows.is_empty()).map_err(|error| {
            tracing::error!(%error, "could not read the row of a delivery");
            Disposition::Hide(record.pause())
        })
    }

    async fn wait_for_its_slot(
        &self,
        record: &Record,
        endpoint: Option<&Endpoint>,
        message: &Message,
        number: u32,
    ) -> Result<(), Disposition> {
        match self.rates.pace(endpoint, message, number).await {
            Ok(Pacing::Now) => Ok(()),
            Ok(Pacing::Later(slot, wait)) => {
                let state = State::Waiting { until: slot.at, slot: Some(slot) };
                Err(Disposition::Wait(state, wait))
            }
            Err(error) => {
                tracing::error!(%error, "could not take a slot of an endpoint's rate limit");
                Err(Disposition::Hide(record.pause()))
            }
        }
    }

    /// What becomes of a message after an attempt.
    fn disposition(
        &self,
        endpoint: Option<&Endpoint>,
        message: &Message,
        verdict: &Verdict,
        turn: usize,
    ) -> Disposition {
        match self.by_schedule(endpoint, verdict, turn) {
            // A test is not retried: the customer is looking, and can test again.
            _ if message.trigger == Trigger::Test => Disposition::Drop,
            disposition => disposition,
        }
    }

    /// Waits for its next attempt.
    fn wait(&self, until: Timestamp) -> Disposition {
        Disposition::Wait(State::Waiting { until, slot: None }, until.since(self.clock.now()))
    }

    /// Succeeded, to come again by the schedule, or given up.
    fn by_schedule(
        &self,
        endpoint: Option<&Endpoint>,
        verdict: &Verdict,
        turn: usize,
    ) -> Disposition {
        match endpoint {
            _ if verdict.outcome == Outcome::Succeeded => Disposition::Drop,
            // No later attempt can succeed.
            None => Disposition::Drop,
            Some(endpoint) if endpoint.status == Status::Disabled || verdict.is_gone() => {
                Disposition::GiveUp
            }
            Some(endpoint) => {
                let schedule = endpoint.retry_schedule.as_ref().unwrap_or(&self.schedule);
                let wait: Option<Duration> =
                    schedule.wait_at_least(turn, rand::random(), verdict.retry_after);
                wait.map_or(Disposition::GiveUp, |wait| self.wait(self.clock.now() + wait))
            }
        }
    }
}

/// Whether a delivery may be parked. A test never is, nor the first attempt of a resend: a customer
/// is waiting for the result. Deliveries of a recovery are many, and are parked like any others.
fn is_parkable(Delivery { message, row, .. }: &Delivery) -> bool {
    match message.trigger {
        Trigger::Scheduled => true,
        Trigger::Manual => row.as_ref().is_some_and(|row| !row.is_new_resend()),
        Trigger::Test | Trigger::Probe => false,
    }
}

/// The endpoint of a delivery; `None` if it was deleted.
fn find<'a>(
    receivers: &'a Receivers,
    message: &Message,
) -> Result<Option<&'a Endpoint>, Disposition> {
    receivers.endpoints.get(&message.endpoint).map(Result::as_ref).transpose().map_err(|error| {
        tracing::error!(%error, "an endpoint's row can't be read; its deliveries stay on their \
            queue");
        Disposition::Keep
    })
}

fn logged(
    message: &Message,
    endpoint: Option<&Endpoint>,
    verdict: Verdict,
    number: u32,
    started: Timestamp,
    next: Option<Timestamp>,
) -> Attempt {
    let url = endpoint.map(|endpoint| endpoint.url.to_string()).unwrap_or_default();
    let id = AttemptId::of(&message.event.id, started, rand::random());
    verdict.attempt(id, message, url, number, started, next)
}
