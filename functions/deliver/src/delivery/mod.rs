//! One delivery: what its row says of it, the request, and what becomes of its message. While its
//! receiver is down it is parked, or is the [`probe`].

mod probe;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::{
    delivery::End,
    delivery_row::State,
    history::History,
    id::{AttemptId, EndpointId},
    message::{Message, SettingsSource},
    model::{Attempt, Endpoint, Outcome, Status, Trigger},
    schedule::Schedule,
    time::Timestamp,
};
use runtime::clock::Clock;
use store::{
    StoreError,
    attempts::AttemptLog,
    deliveries::Receivers,
    delivery_rows::{DeliveryKey, DeliveryRows},
    health::HealthStore,
    standings::Standing,
};

use crate::{
    disposition::{Attempted, Disposition, Settled},
    incoming::Record,
    rate::{Pacing, RateLimiter},
    resolve::Delivery,
    sender::{Hosts, NotSent, Sender, Verdict},
};

/// What the log says of a delivery that its endpoint does not want any more.
const UNSUBSCRIBED: &str = "the endpoint does not subscribe to this topic any more";

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
    /// Which projects the operator has suspended.
    pub(crate) standing: Arc<Standing>,
    /// Circuits that hold deliveries of it.
    pub(crate) held: Mutex<HashSet<EndpointId>>,
    /// When Lambda ends the invocation.
    pub(crate) deadline: Timestamp,
}

impl Batch {
    /// Whether no delivery of it was held by this circuit before.
    fn is_first_held_by(&self, circuit: EndpointId) -> bool {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(circuit)
    }
}

/// The attempt that is next.
#[derive(Clone, Copy, Debug)]
struct Due {
    /// Counted over all attempts, from 1.
    number: u32,
    /// The place in the schedule of the wait that follows a failure.
    turn: usize,
}

impl Due {
    const FIRST: Self = Self { number: 1, turn: 1 };

    /// The attempt after these.
    fn after(history: &History) -> Self {
        let turn = usize::try_from(history.turns).unwrap_or(usize::MAX).saturating_add(1);
        Self { number: history.attempts.saturating_add(1), turn }
    }
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
            self.give_up_without_event(&record, &delivery, batch).await
        } else {
            self.attempt(&record, &delivery, batch).await
        };
        let (attempted, disposition) = match done {
            Ok((attempted, disposition)) => (Some(attempted), disposition),
            Err(disposition) => (None, disposition),
        };
        Settled { record, delivery: Some(delivery), row: None, attempted, disposition }
    }

    /// Makes the attempt that is next. `Err` when none is made.
    async fn attempt(
        &self,
        record: &Record,
        delivery: &Delivery,
        batch: &Batch,
    ) -> Result<(Attempted, Disposition), Disposition> {
        let message = &delivery.message;
        let endpoint = find(&batch.receivers, message)?;
        if endpoint.is_some_and(|endpoint| !is_wanted(endpoint, message)) {
            let refused = self.give_up(record, delivery, endpoint, UNSUBSCRIBED).await?;
            return Ok((refused, Disposition::End(End::Failed)));
        }
        if let Some(held_by) = held_by(endpoint, message, batch) {
            return Err(self.hold(record, delivery, held_by, batch).await);
        }
        let open = batch.receivers.health.get(&message.circuit()).filter(|health| health.is_open());
        match open {
            _ if message.trigger == Trigger::Probe => {
                return Box::pin(self.probe(record, delivery, open, batch)).await;
            }
            Some(health) if is_parkable(delivery) => {
                return Box::pin(self.probe_or_park(record, delivery, health, batch)).await;
            }
            _ => {}
        }
        let Due { number, turn } = self.due(record, delivery, self.clock.now()).await?;
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
        Ok((
            Attempted { attempt, judges, gone, circuit: message.circuit(), probe: None },
            disposition,
        ))
    }

    /// The attempt that is next: what the row says, or the first one.
    async fn due(
        &self,
        record: &Record,
        delivery: &Delivery,
        now: Timestamp,
    ) -> Result<Due, Disposition> {
        match &delivery.row {
            None if record.may_be_known(&delivery.message, self.clock.now()) => {
                self.due_if_known(record, delivery).await
            }
            None => Ok(Due::FIRST),
            Some(row) => match row.state {
                // A person waits for the result, and clocks differ.
                _ if row.is_untried() => Ok(Due::after(&row.history)),
                State::Waiting { until, slot: None } if until > now => Err(self.wait(until)),
                _ if row.may_have_been_tried() => self.due_by_the_log(record, delivery).await,
                _ => Ok(Due::after(&row.history)),
            },
        }
    }

    /// Of a first message that may not be the only one. If its delivery did not succeed at once it
    /// has a row: that is asked before the log.
    async fn due_if_known(&self, record: &Record, delivery: &Delivery) -> Result<Due, Disposition> {
        let message = &delivery.message;
        let (project, event, endpoint) = (message.project, message.event.id, message.endpoint);
        let rows = self.rows.get(&[DeliveryKey { project, event, endpoint }]).await;
        let rows = rows.map_err(|error| unread(&error, record))?;
        let Some(row) = rows.first() else { return self.due_by_the_log(record, delivery).await };
        self.attempts.mend([row]).await.map_err(|error| unread(&error, record))?;
        // This message came before, and may have sent no other one. If it has made no attempt, a
        // repeated request has written the row.
        Err(match row.state {
            State::Waiting { until, .. } if row.history.attempts > 0 => self.wait(until),
            _ => Disposition::Drop,
        })
    }

    /// Of a delivery that may have been tried at once.
    async fn due_by_the_log(
        &self,
        record: &Record,
        Delivery { message, accepted_at, .. }: &Delivery,
    ) -> Result<Due, Disposition> {
        let (project, event, endpoint) = (message.project, message.event.id, message.endpoint);
        let made = self.attempts.at_once(project, endpoint, event, *accepted_at).await;
        let made = made.map_err(|error| unread(&error, record))?;
        if made.iter().any(|(attempt, _)| attempt.outcome == Outcome::Succeeded) {
            return Err(Disposition::End(End::Succeeded));
        }
        Ok(Due::after(&History::of(made.iter().map(|(attempt, entry)| (attempt, *entry)))))
    }

    /// Has a delivery wait for its owner or the operator, without using up a turn of its schedule:
    /// parked, as if its receiver were down. First the circuit, by which `jobs` finds it.
    async fn hold(
        &self,
        record: &Record,
        delivery: &Delivery,
        held_by: EndpointId,
        batch: &Batch,
    ) -> Disposition {
        let Message { project, endpoint, .. } = delivery.message;
        // What has ended, or waits for its time, does not wait for anybody.
        if let Err(disposition) = self.due(record, delivery, self.clock.now()).await {
            return disposition;
        }
        if batch.is_first_held_by(held_by)
            && let Err(error) = self.circuits.hold(project, held_by, self.clock.now()).await
        {
            tracing::error!(%error, "could not hold a delivery");
            return Disposition::Hide(record.pause());
        }
        Disposition::park(held_by, endpoint)
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
            Disposition::Wait(..) | Disposition::GiveUp if message.trigger == Trigger::Test => {
                Disposition::End(End::Failed)
            }
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
            _ if verdict.outcome == Outcome::Succeeded => Disposition::End(End::Succeeded),
            // No later attempt can succeed.
            None => Disposition::End(End::Failed),
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

/// Whether an endpoint, as it is now, wants a delivery. What a person sends goes there all the
/// same, and a URL gets what it was named for.
fn is_wanted(endpoint: &Endpoint, message: &Message) -> bool {
    let is_resent = message.round.is_some_and(|round| !round.is_of_recovery());
    let is_asked_for = message.trigger == Trigger::Test || is_resent;
    let is_url = matches!(message.via, Some(SettingsSource::Url { .. }));
    is_asked_for || is_url || endpoint.subscribes(&message.event.kind)
}

/// Whose circuit holds a delivery that waits for its owner or the operator. A test doesn't wait for
/// its owner: somebody waits for its result.
fn held_by(endpoint: Option<&Endpoint>, message: &Message, batch: &Batch) -> Option<EndpointId> {
    if batch.standing.is_suspended(message.project) {
        return Some(EndpointId::of_suspension(message.project));
    }
    let is_paused = endpoint.is_some_and(|endpoint| endpoint.status == Status::Paused);
    (is_paused && message.trigger != Trigger::Test).then_some(message.endpoint)
}

/// What is known of a delivery can't be read now.
fn unread(error: &StoreError, record: &Record) -> Disposition {
    tracing::error!(%error, "could not read what is known of a delivery");
    Disposition::Hide(record.pause())
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
    let id = AttemptId::new(started, rand::random());
    verdict.attempt(id, message, url, number, started, next)
}
