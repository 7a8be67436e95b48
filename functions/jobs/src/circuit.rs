//! A step of a circuit: it has the receiver probed while it is down, releases its parked deliveries
//! when it is well again, and hands back those that have waited for too long, to be given up.
//!
//! # Pitfalls
//!
//! A step that sends something first *claims* its circuit: it counts the step up, and puts off the
//! next one. So of two runs at once one sends, and a claim whose run has died ends by itself.

use std::time::Duration;

use domain::{
    delivery::{NextAction, decide},
    health::{CLAIMED_FOR, Health, MAX_PROBE_WAIT, Phase, StepResult},
    id::{EndpointId, ProjectId},
    message::Message,
    model::{Status, Trigger},
    time::Timestamp,
};
use runtime::clock::Clock;
use store::{
    StoreError,
    attempts::AttemptLog,
    health::HealthStore,
    parked::{Parked, ParkedStore},
    queue::{Queue, QueueEntry},
    receivers::ReceiverReader,
};

use crate::outcome::{AHEAD, Next, StepError};

/// Parked deliveries that are handed back at a time.
const LOT: usize = 25;
/// Parked deliveries that are released at a time.
const RELEASED: usize = 100;
/// Such lots of one step; the next step takes the rest.
const LOTS: usize = 20;
/// Does the steps of circuits.
#[derive(Debug)]
pub(crate) struct Circuits {
    pub(crate) rows: HealthStore,
    pub(crate) parked: ParkedStore,
    pub(crate) receivers: ReceiverReader,
    pub(crate) attempts: AttemptLog,
    pub(crate) deliveries: Queue,
    /// How long a delivery is parked: after so many days without a success an endpoint is disabled.
    pub(crate) kept_for: Duration,
    pub(crate) clock: Clock,
}

impl Circuits {
    /// Does the step that the row names, if it is due.
    pub(crate) async fn step(
        &self,
        project: ProjectId,
        endpoint: EndpointId,
    ) -> Result<Next, StepError> {
        let Some(health) = self.rows.get(project, endpoint).await? else { return Ok(None) };
        let (Some(circuit), Some(due)) = (&health.circuit, health.due_at) else { return Ok(None) };
        // The list may lag, and a run looks ahead.
        let ahead = due.since(self.clock.now());
        let done = match circuit.phase {
            Phase::Open(_) if ahead > AHEAD => return Ok(None),
            Phase::Open(_) => self.probe(&health, due).await,
            phase if !ahead.is_zero() => return Ok(soon(phase, due)),
            phase => self.release(&health, phase).await,
        };
        match done {
            // Failures have opened it again meanwhile, a success has ended them, or another run is
            // at it: that holds, and what this step found is old.
            Err(StepError::Store(StoreError::Conflict)) => Ok(None),
            done => done,
        }
    }

    /// Has the oldest parked delivery sent when the probe is due, to see whether the receiver is
    /// well. `deliver` writes down what came of it.
    async fn probe(&self, health: &Health, due: Timestamp) -> Result<Next, StepError> {
        let health = &self.hand_back_what_is_over(health).await?;
        for _ in 0..LOT {
            let Some(parked) = self.parked.oldest(health.endpoint, 1).await?.pop() else {
                return self.decided(health, due, StepResult::Nothing).await;
            };
            match self.receivers.of_message(&parked.message).await?.map(|found| found.status) {
                Some(Status::Active) => {}
                Some(Status::Paused) => {
                    return self.decided(health, due, StepResult::Down(Duration::ZERO)).await;
                }
                // Deleted or disabled: its parked deliveries are released, and refused like any
                // others.
                Some(Status::Disabled) | None => {
                    self.rows.start_afresh(health, self.clock.now()).await?;
                    return Ok(Some(self.clock.now()));
                }
            }
            if self.has_arrived(&parked.message).await? {
                self.parked.delete(&[parked]).await?;
                continue;
            }
            let now = self.clock.now();
            let (at, phase) = (due.max(now), health.phase());
            self.rows.go_on(health, phase, at + CLAIMED_FOR, now).await?;
            let probe = Message { trigger: Trigger::Probe, ..parked.message };
            let entry = QueueEntry::new(&probe, at.since(now)).map_err(StepError::from);
            self.deliveries.send(std::iter::once(entry)).await?;
            return Ok(None);
        }
        // The rest in the next step.
        Ok(Some(self.clock.now()))
    }

    /// Writes down what a step found that has sent nothing. Before the step is due it writes
    /// nothing: a delivery may still be parked, or the owner may turn the endpoint on.
    async fn decided(
        &self,
        health: &Health,
        due: Timestamp,
        found: StepResult,
    ) -> Result<Next, StepError> {
        if due > self.clock.now() {
            return Ok(None);
        }
        self.after(health, health.phase(), found, health.failures).await
    }

    /// Releases the oldest parked deliveries, a lot at a time: all at once may be larger than
    /// memory, and no more than the endpoint takes.
    async fn release(&self, health: &Health, phase: Phase) -> Result<Next, StepError> {
        let mut lot = self.parked.oldest(health.endpoint, RELEASED.min(phase.pace())).await?;
        let Some(first) = lot.first() else {
            return self.after(health, phase, StepResult::Released(0), health.failures).await;
        };
        let receiver = self.receivers.of_message(&first.message).await?;
        // Let go, they would be refused one by one.
        if receiver.as_ref().is_some_and(|found| found.status == Status::Paused) {
            let paused = StepResult::Down(Duration::ZERO);
            return self.after(health, phase, paused, health.failures).await;
        }
        let pace = phase.at_most(receiver.and_then(|found| found.rate_limit));
        let now = self.clock.now();
        let claimed = self.rows.go_on(health, phase, now + CLAIMED_FOR, now).await?;
        lot.truncate(pace.pace());
        let mut released = 0;
        while !lot.is_empty() {
            let messages: Vec<_> = lot.iter().map(|parked| outgoing(&parked.message)).collect();
            self.deliveries.send(messages.into_iter()).await?;
            self.parked.delete(&lot).await?;
            released += lot.len();
            lot = if released < pace.pace() {
                self.parked.oldest(health.endpoint, RELEASED.min(pace.pace() - released)).await?
            } else {
                Vec::new()
            };
        }
        let failures = self.rows.get(health.project, health.endpoint).await?;
        let failures = failures.map_or(0, |health| health.failures);
        self.after(&claimed, pace, StepResult::Released(released), failures).await
    }

    /// Writes down what is next after a step that found this in this phase.
    async fn after(
        &self,
        health: &Health,
        phase: Phase,
        found: StepResult,
        failures: u64,
    ) -> Result<Next, StepError> {
        let now = self.clock.now();
        let Some(next) = phase.after(found, failures, now) else {
            self.rows.close(health).await?;
            return Ok(None);
        };
        let due = now + next.wait_after(found);
        self.rows.go_on(health, next, due, now).await?;
        Ok(soon(next, due))
    }

    async fn has_arrived(&self, message: &Message) -> Result<bool, StoreError> {
        let attempts = self.attempts.of(message.endpoint, message.event.id).await?;
        Ok(!matches!(decide(&attempts, message.round, Timestamp::MAX), NextAction::Send { .. }))
    }

    /// Sends deliveries on that have waited for as long as an endpoint may fail until it is
    /// disabled: `deliver` gives them up, unless their receiver is well. A paused endpoint's wait
    /// with it. The health then.
    async fn hand_back_what_is_over(&self, health: &Health) -> Result<Health, StepError> {
        let mut health = health.clone();
        for _ in 0..LOTS {
            let oldest = self.parked.oldest(health.endpoint, LOT).await?;
            let now = self.clock.now();
            let over: Vec<_> =
                oldest.into_iter().filter(|parked| is_over(parked, self.kept_for, now)).collect();
            let Some(first) = over.first() else { break };
            let receiver = self.receivers.of_message(&first.message).await?;
            if receiver.is_none_or(|found| found.status != Status::Active) {
                break;
            }
            health = self.rows.go_on(&health, health.phase(), now + CLAIMED_FOR, now).await?;
            let marked = |parked: &Parked| Message { over: true, ..parked.message.clone() };
            let messages: Vec<_> = over.iter().map(|parked| outgoing(&marked(parked))).collect();
            self.deliveries.send(messages.into_iter()).await?;
            self.parked.delete(&over).await?;
        }
        Ok(health)
    }
}

/// A run waits for the next release, which is a second away, and for no other step.
fn soon(phase: Phase, due: Timestamp) -> Next {
    matches!(phase, Phase::Releasing(_)).then_some(due)
}

/// Not before a few probes have had the time to find the receiver well: a delivery may have been
/// redriven.
fn is_over(parked: &Parked, kept_for: Duration, now: Timestamp) -> bool {
    now > (parked.message.enqueued_at + kept_for).max(parked.parked_at + MAX_PROBE_WAIT * 2)
}

fn outgoing(message: &Message) -> Result<QueueEntry, StepError> {
    Ok(QueueEntry::new(message, Duration::ZERO)?)
}
