//! A step of a circuit: it has the receiver probed while it is down, releases its parked deliveries
//! when it is well again, and hands back those that have waited for too long, to be given up. What
//! waits for a suspended project it releases when that is active again.
//!
//! # Pitfalls
//!
//! A step that sends something first *claims* its circuit: it counts the step up, and puts off the
//! next one. So of two runs at once one sends, and a claim whose run has died ends by itself.

use std::{sync::Arc, time::Duration};

use domain::{
    delivery_row::DeliveryRow,
    health::{CLAIMED_FOR, Failures, Health, Phase, StepResult},
    id::{EndpointId, ProjectId},
    model::Status,
    time::Timestamp,
};
use futures::{StreamExt, TryStreamExt};
use runtime::clock::Clock;
use store::{
    StoreError, delivery_rows::DeliveryKey, health::HealthStore, receivers::ReceiverReader,
};

use crate::{
    backlog::Backlog,
    outcome::{AHEAD, Next, StepError},
};

/// Parked deliveries of which one is the probe.
const PROBED: usize = 25;
/// Parked deliveries that are released or handed back at a time.
const LOT: usize = 100;
/// Such lots of one step; the next step takes the rest.
const LOTS: usize = 20;
/// Until the next step, when there is more to hand back.
const MORE: Duration = Duration::from_secs(1);
/// Between looks at whether a project is still suspended.
const SUSPENDED: Duration = Duration::from_secs(30);

/// Does the steps of circuits.
#[derive(Debug)]
pub(crate) struct Circuits {
    pub(crate) rows: HealthStore,
    pub(crate) backlog: Arc<Backlog>,
    pub(crate) receivers: ReceiverReader,
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
            // Whether the probe is lost shows only then.
            Phase::Open(_) if health.is_probing() && !ahead.is_zero() => return Ok(None),
            Phase::Open(_) => Box::pin(self.probe(&health, due)).await,
            phase if !ahead.is_zero() => return Ok(soon(phase, due)),
            phase => Box::pin(self.release(&health, phase)).await,
        };
        match done {
            // Failures have opened it again meanwhile, a success has ended them, or another run is
            // at it: that holds, and what this step found is old.
            Err(StepError::Store(StoreError::Conflict)) => Ok(None),
            done => done,
        }
    }

    /// Has parked deliveries sent when the probe is due, to see whether the receiver is well: one
    /// of the oldest, and others of the newest, those that were tried least. A receiver may refuse
    /// some for good, and take all others. `deliver` writes down what came of it.
    async fn probe(&self, health: &Health, due: Timestamp) -> Result<Next, StepError> {
        let (health, there_is_more) = &self.hand_back_what_is_over(health).await?;
        if *there_is_more {
            let now = self.clock.now();
            self.rows.go_on(health, health.phase(), now + MORE, now).await?;
            return Ok(Some(now + MORE));
        }
        let keys: Vec<_> = self.backlog.of(health, None).take(PROBED).try_collect().await?;
        if keys.is_empty() {
            return self.decided(health, due, StepResult::Nothing).await;
        }
        let oldest = self.tried_least(&keys).await?;
        let Some(first) = oldest.first() else {
            // The list lags, or newer code has written these.
            return self.decided(health, due, StepResult::UnderWay).await;
        };
        let receiver = self.receivers.of_delivery(first).await?;
        let rate_limit = receiver.as_ref().and_then(|found| found.rate_limit);
        match receiver.map(|found| found.status) {
            // It was its project that waited: nothing tells that its receiver is down.
            Some(Status::Active) if first.is_of_suspension() => {
                self.rows.start_afresh(health, self.clock.now()).await?;
                return Ok(Some(self.clock.now()));
            }
            Some(Status::Active) => {}
            Some(Status::Paused) if first.is_of_suspension() => {
                let now = self.clock.now();
                self.rows.go_on(health, Phase::FIRST, now + SUSPENDED, now).await?;
                return Ok(None);
            }
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
        let now = self.clock.now();
        let at = due.max(now);
        let until = at + CLAIMED_FOR;
        self.rows.probing(health, until, now).await?;
        // Probes wait for no slot of a rate limit.
        let mut wanted = health.phase().probes().min(rate_limit.map_or(usize::MAX, usize::from));
        let newest = if wanted > 1 {
            let keys: Vec<_> = self.backlog.newest_of(health).take(PROBED).try_collect().await?;
            self.tried_least(&keys).await?
        } else {
            Vec::new()
        };
        let (first, others) = oldest.split_at(1);
        for parked in first.iter().chain(&newest).chain(others) {
            wanted -= usize::from(self.backlog.probe(parked.clone(), at, until).await?);
            if wanted == 0 {
                break;
            }
        }
        // If all of these are on their way, the next step is in a minute.
        Ok(None)
    }

    /// Those of these that are parked, of the fewest attempts first.
    async fn tried_least(&self, keys: &[DeliveryKey]) -> Result<Vec<DeliveryRow>, StepError> {
        let mut rows = self.backlog.read(keys).await?;
        rows.retain(DeliveryRow::is_parked);
        rows.sort_by_key(|row| row.history.attempts);
        Ok(rows)
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
        self.after(health, health.phase(), found, health.recent(), None).await
    }

    /// Releases the oldest parked deliveries, and no more than the endpoint takes. A released one
    /// stays in its list until it has been sent, so a release goes on where the last one has ended.
    /// A look begins with the oldest again, and finds what was lost.
    async fn release(&self, health: &Health, phase: Phase) -> Result<Next, StepError> {
        let mut upto = health.released();
        let mut keys = std::pin::pin!(self.backlog.of(health, upto));
        let (mut claimed, mut pace, mut found) = (None, phase, StepResult::Released(0));
        let mut released = 0;
        for _ in 0..LOTS {
            let size = LOT.min(pace.pace() - released);
            let lot: Vec<_> = keys.by_ref().take(size).try_collect().await?;
            let Some(last) = lot.last() else { break };
            found = StepResult::UnderWay;
            let mut rows = self.backlog.read(&lot).await?;
            if let (None, Some(first)) = (&claimed, rows.first()) {
                let receiver = self.receivers.of_delivery(first).await?;
                // Let go, they would be refused one by one.
                if receiver.as_ref().is_some_and(|found| found.status == Status::Paused) {
                    let paused = StepResult::Down(Duration::ZERO);
                    return self.after(health, phase, paused, health.recent(), None).await;
                }
                pace = phase.at_most(receiver.and_then(|found| found.rate_limit));
                let now = self.clock.now();
                claimed = Some(self.rows.go_on(health, phase, now + CLAIMED_FOR, now).await?);
            }
            rows.retain(|row| row.is_parked() && !row.is_claimed(self.clock.now()));
            rows.truncate(pace.pace() - released);
            upto = Some(rows.last().map_or(last.event, |parked| parked.event).time());
            released += self.backlog.hand_out(rows).await?;
            if released >= pace.pace() {
                break;
            }
        }
        if released > 0 {
            found = StepResult::Released(released);
        }
        let failures = self.rows.get(health.project, health.endpoint).await?;
        let failures = failures.map_or_else(Failures::default, |health| health.recent());
        self.after(claimed.as_ref().unwrap_or(health), pace, found, failures, upto).await
    }

    /// Writes down what is next after a step that found this in this phase, and how far a release
    /// has come.
    async fn after(
        &self,
        health: &Health,
        phase: Phase,
        found: StepResult,
        failures: Failures,
        upto: Option<Timestamp>,
    ) -> Result<Next, StepError> {
        let now = self.clock.now();
        let Some(next) = phase.after(found, failures) else {
            self.rows.close(health).await?;
            return Ok(None);
        };
        let due = now + next.wait_after(found);
        let upto = upto.filter(|_| matches!(next, Phase::Releasing(_)));
        self.rows.released(health, next, upto, due, now).await?;
        Ok(soon(next, due))
    }

    /// Hands out deliveries that have waited for as long as an endpoint may fail until it is
    /// disabled: `deliver` gives them up, unless their receiver is well. A paused endpoint's wait
    /// with it. The health then, and whether there may be more of them.
    async fn hand_back_what_is_over(&self, health: &Health) -> Result<(Health, bool), StepError> {
        let (mut claimed, mut handed_out) = (health.clone(), 0);
        let mut keys = std::pin::pin!(self.backlog.of(health, None));
        for lot in 0..LOTS {
            // Mostly none is over, which these few show.
            let size = if lot == 0 { PROBED } else { LOT };
            let lot: Vec<_> = keys.by_ref().take(size).try_collect().await?;
            let (mut rows, now) = (self.backlog.read(&lot).await?, self.clock.now());
            // Probes, and what was recovered, have waited for less time than their events.
            rows.retain(|parked| parked.is_over(self.kept_for, now));
            let Some(first) = rows.first() else { return Ok((claimed, false)) };
            let receiver = self.receivers.of_delivery(first).await?;
            if receiver.is_none_or(|found| found.status != Status::Active) {
                return Ok((claimed, false));
            }
            claimed = self.rows.go_on(&claimed, claimed.phase(), now + CLAIMED_FOR, now).await?;
            handed_out += self.backlog.hand_out(rows).await?;
        }
        // Those that are on their way already come off the list soon.
        Ok((claimed, handed_out > 0))
    }
}

/// A run waits for the next release, which is a second away, and for no other step.
fn soon(phase: Phase, due: Timestamp) -> Next {
    matches!(phase, Phase::Releasing(_)).then_some(due)
}
