//! A step of a circuit: it probes a receiver that is down, releases its parked deliveries when it
//! has recovered, and gives up those whose schedule is over.
//!
//! # Pitfalls
//!
//! A step sends its successor before it marks itself as done in the row. A crash in between leaves
//! two successors, not none; the row's step count then admits only one (see [`domain::job`]).

use std::{sync::Arc, time::Duration};

use domain::{
    delivery::{NextAction, decide},
    health::{Health, MAX_PROBE_WAIT, Phase, STEP_TIME, StepResult},
    id::AttemptId,
    job::CircuitStep,
    message::Message,
    model::{Attempt, Endpoint, Outcome, Status, Trigger},
    schedule::{JITTER, Schedule},
    time::Timestamp,
};
use store::{
    StoreError,
    announce::SystemEvent,
    attempts::AttemptLog,
    deliveries::DeliveryEndpoints,
    health::HealthStore,
    parked::{Parked, ParkedStore},
    queue::{Queue, QueueEntry},
};

use super::{CircuitSchedule, StepError, step::within};
use crate::{
    clock::Clock,
    health::{EndpointHealth, Seen},
    sender::{Hosts, NotSent, Sender, Verdict},
};

/// Parked deliveries that are given up at a time.
const LOT: usize = 25;
/// Parked deliveries that are released at a time.
const RELEASED: usize = 100;
/// Such lots of one step; the next step takes the rest.
const LOTS: usize = 20;
/// What a step leaves for its probe: the longest timeout, and the time to write down what came of
/// it.
const PROBE_TIME: Duration = Duration::from_secs(45);
/// What the log says of a delivery whose time was over before its receiver was well.
const OVER: &str =
    "given up: the endpoint was failing or paused for as long as the delivery was to be retried";

/// Does the steps of circuits.
pub(crate) struct Circuits {
    pub(crate) rows: HealthStore,
    pub(crate) schedule: CircuitSchedule,
    pub(crate) health: EndpointHealth,
    pub(crate) parked: ParkedStore,
    pub(crate) endpoints: DeliveryEndpoints,
    pub(crate) attempts: AttemptLog,
    pub(crate) sender: Arc<Sender>,
    pub(crate) deliveries: Queue,
    pub(crate) dead_letters: Queue,
    /// For endpoints without a schedule of their own.
    pub(crate) default_schedule: Schedule,
    pub(crate) clock: Clock,
}

impl Circuits {
    /// Does one step. After a failure it gives the step back, so that the message can take it as
    /// soon as SQS delivers it again.
    pub(crate) async fn step(
        &self,
        step: &CircuitStep,
        deadline: Timestamp,
    ) -> Result<(), StepError> {
        // By the random part two that take it within a millisecond can be told apart.
        let until =
            self.clock.now() + STEP_TIME + Duration::from_millis(rand::random_range(0..1_000));
        let done =
            within(deadline.since(self.clock.now()), Box::pin(self.take(step, until, deadline)))
                .await;
        if done.is_err()
            && let Err(error) =
                self.rows.give_back(step.endpoint, &step.opening, step.step, until).await
        {
            tracing::error!(endpoint = %step.endpoint, %error, "could not give back a circuit's \
                step; it stands still for a minute");
        }
        done
    }

    async fn take(
        &self,
        step: &CircuitStep,
        until: Timestamp,
        deadline: Timestamp,
    ) -> Result<(), StepError> {
        let health = match self
            .rows
            .take(step.endpoint, &step.opening, step.step, self.clock.now(), until)
            .await
        {
            Ok(health) => health,
            Err(StoreError::Conflict) => {
                return if self.is_pending(step).await? { Err(StepError::Early) } else { Ok(()) };
            }
            Err(error) => return Err(error.into()),
        };
        let Some(done) = health.circuit.clone() else { return Ok(()) };
        let (phase, found) = match done.phase {
            phase @ Phase::Open(probes) => {
                (phase, self.probe(&health, Phase::Open(probes.saturating_add(1)), deadline).await?)
            }
            phase @ (Phase::Releasing(_) | Phase::Lingering(_)) => {
                self.release(&health, phase).await?
            }
        };
        let now = self.clock.now();
        let Some(health) = self.rows.get(step.endpoint).await? else { return Ok(()) };
        let Some(current) = health
            .circuit
            .filter(|circuit| circuit.opening == done.opening && circuit.step == done.step)
        else {
            return Ok(());
        };
        // Failures may have opened it again meanwhile, or a success has ended them: that holds, and
        // what this step found is old.
        let next = if current.phase == done.phase {
            phase.after(found, health.failures, now).map(|phase| (phase, phase.wait_after(found)))
        } else {
            Some((current.phase, current.phase.wait()))
        };
        let advanced = match next {
            Some((phase, wait)) => self.schedule.go_on(step, &current, phase, wait).await,
            None => self.rows.close(step.endpoint, &current).await.map_err(StepError::from),
        };
        match advanced {
            // Another invocation did this step too; or the phase has just changed, and the step
            // that is due now needs this message.
            Err(StepError::Store(StoreError::Conflict)) if self.is_pending(step).await? => {
                Err(StepError::Early)
            }
            Err(StepError::Store(StoreError::Conflict)) => Ok(()),
            other => other,
        }
    }

    /// Whether a step that could not be leased is still pending: the step before it is not
    /// committed yet, or its current holder may crash.
    async fn is_pending(&self, step: &CircuitStep) -> Result<bool, StepError> {
        let health = self.rows.get(step.endpoint).await?;
        let circuit = health
            .and_then(|health| health.circuit)
            .filter(|circuit| circuit.opening == step.opening);
        Ok(circuit.is_some_and(|circuit| circuit.step <= step.step))
    }

    /// Sends the oldest parked delivery, to see whether the receiver is well.
    async fn probe(
        &self,
        health: &Health,
        next: Phase,
        deadline: Timestamp,
    ) -> Result<StepResult, StepError> {
        self.give_up_what_is_over(health, deadline).await?;
        for _ in 0..LOT {
            let Some(parked) = self.parked.oldest(health.endpoint, 1).await?.pop() else {
                return Ok(StepResult::Nothing);
            };
            let endpoint = match self.receiver(&parked.message).await? {
                Some(endpoint) if endpoint.status == Status::Paused => {
                    return Ok(StepResult::Down(Duration::ZERO));
                }
                Some(endpoint) if endpoint.status == Status::Active => endpoint,
                // Deleted or disabled: its parked deliveries are released, and refused like any
                // others.
                _ => return self.let_go(health).await,
            };
            let attempts = self.attempts.of(endpoint.id, parked.message.event.id).await?;
            let number = match decide(&attempts, parked.message.round, Timestamp::MAX) {
                NextAction::Send { number, .. } => number,
                NextAction::Drop | NextAction::Wait(_) => {
                    self.parked.delete(&[parked]).await?;
                    continue;
                }
            };
            let started = self.clock.now();
            let sent = self
                .sender
                .send(Some(&endpoint), &parked.message, &Hosts::default(), deadline)
                .await;
            let verdict = sent.map_err(|NotSent| StepError::Fault)?;
            let (outcome, gone, judges) = (verdict.outcome, verdict.is_gone(), verdict.judges);
            let (succeeded, down) = (
                outcome == Outcome::Succeeded,
                StepResult::Down(verdict.retry_after.unwrap_or_default()),
            );
            let next = (!succeeded).then(|| self.clock.now() + next.wait_after(down));
            self.attempts
                .record(&[attempt(&parked.message, &endpoint, verdict, number, started, next)])
                .await?;
            if gone {
                self.health.disable_gone(&endpoint).await;
            }
            // What can't be sent says nothing of the receiver, and must not keep the others
            // waiting: each is judged for itself.
            if gone || !judges {
                return self.let_go(health).await;
            }
            if !succeeded {
                self.health.note(&endpoint, Some(health), Seen::failure(started)).await;
                return Ok(down);
            }
            // Unlike the outcomes of a batch, this success must be recorded here: while the old
            // failures still count, the deliveries that are released next would be parked again.
            self.health.note_success(&endpoint, health).await?;
            self.parked.delete(&[parked]).await?;
            return Ok(StepResult::Up);
        }
        // The rest in the next step.
        Ok(StepResult::Down(Duration::ZERO))
    }

    /// Clears the failure count, so that parked deliveries are released and each is judged on its
    /// own.
    async fn let_go(&self, health: &Health) -> Result<StepResult, StepError> {
        self.rows.start_afresh(health).await?;
        Ok(StepResult::Up)
    }

    /// Releases the oldest parked deliveries, a lot at a time: all at once may be larger than
    /// memory. Returns the phase at the pace that this endpoint allows.
    async fn release(
        &self,
        health: &Health,
        phase: Phase,
    ) -> Result<(Phase, StepResult), StepError> {
        let mut lot = self.parked.oldest(health.endpoint, RELEASED.min(phase.pace())).await?;
        let Some(first) = lot.first() else { return Ok((phase, StepResult::Released(0))) };
        let endpoint = self.receiver(&first.message).await?;
        // Let go, they would be refused one by one.
        if endpoint.as_ref().is_some_and(|endpoint| endpoint.status == Status::Paused) {
            return Ok((phase, StepResult::Down(Duration::ZERO)));
        }
        let phase = phase.at_most(endpoint.and_then(|endpoint| endpoint.rate_limit));
        lot.truncate(phase.pace());
        let mut released = 0;
        while !lot.is_empty() {
            let messages: Vec<_> = lot.iter().map(|parked| outgoing(&parked.message)).collect();
            self.deliveries.send(messages.into_iter()).await?;
            self.parked.delete(&lot).await?;
            released += lot.len();
            lot = if released < phase.pace() {
                self.parked.oldest(health.endpoint, RELEASED.min(phase.pace() - released)).await?
            } else {
                Vec::new()
            };
        }
        Ok((phase, StepResult::Released(released)))
    }

    /// Deliveries whose whole time span went by while the receiver was down.
    async fn give_up_what_is_over(
        &self,
        health: &Health,
        deadline: Timestamp,
    ) -> Result<(), StepError> {
        for _ in 0..LOTS {
            // The next step takes the rest: this one is in a batch with others, and its probe needs
            // time.
            if deadline.since(self.clock.now()) < PROBE_TIME {
                return Ok(());
            }
            let oldest = self.parked.oldest(health.endpoint, LOT).await?;
            let Some(first) = oldest.first() else { return Ok(()) };
            let Some(endpoint) = self.receiver(&first.message).await? else { return Ok(()) };
            let now = self.clock.now();
            let over: Vec<Parked> = oldest
                .into_iter()
                .filter(|parked| is_over(parked, self.span(&endpoint), now))
                .collect();
            if over.is_empty() {
                return Ok(());
            }
            let (mut given_up, mut dead) = (Vec::new(), Vec::new());
            for Parked { message, .. } in &over {
                let attempts = self.attempts.of(endpoint.id, message.event.id).await?;
                // What has arrived in another way is only deleted.
                if let NextAction::Send { number, .. } =
                    decide(&attempts, message.round, Timestamp::MAX)
                {
                    given_up.push(attempt(
                        message,
                        &endpoint,
                        Verdict::refused(OVER),
                        number,
                        now,
                        None,
                    ));
                    dead.push(outgoing(message));
                }
            }
            self.attempts.record(&given_up).await?;
            self.dead_letters.send(dead.into_iter()).await?;
            self.parked.delete(&over).await?;
            for attempt in given_up {
                let event = SystemEvent::DeliveryFailed {
                    event: attempt.event,
                    kind: attempt.kind,
                    attempts: attempt.number,
                };
                self.health.announce(&endpoint, &event).await;
            }
        }
        Ok(())
    }

    /// How long a delivery is tried: all waits of its schedule, at their longest.
    fn span(&self, endpoint: &Endpoint) -> Duration {
        endpoint
            .retry_schedule
            .as_ref()
            .unwrap_or(&self.default_schedule)
            .total()
            .mul_f64(1.0 + JITTER)
    }

    /// The endpoint of a parked delivery; `None` if it was deleted.
    async fn receiver(&self, message: &Message) -> Result<Option<Endpoint>, StepError> {
        let mut found = self.endpoints.load([message]).await?;
        Ok(found.endpoints.remove(&message.endpoint).transpose()?)
    }
}

/// Not before a few probes have had the time to find the receiver well: its schedule may be short,
/// or have been over when it was redriven.
fn is_over(parked: &Parked, span: Duration, now: Timestamp) -> bool {
    now > (parked.message.enqueued_at + span).max(parked.parked_at + MAX_PROBE_WAIT * 2)
}

fn outgoing(message: &Message) -> Result<QueueEntry, StepError> {
    Ok(QueueEntry::new(message, Duration::ZERO)?)
}

fn attempt(
    message: &Message,
    endpoint: &Endpoint,
    verdict: Verdict,
    number: u32,
    started: Timestamp,
    next: Option<Timestamp>,
) -> Attempt {
    let id = AttemptId::of(&message.event.id, started, rand::random());
    Attempt {
        trigger: Trigger::Probe,
        ..verdict.attempt(id, message, endpoint.url.to_string(), number, started, next)
    }
}
