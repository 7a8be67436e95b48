//! The schedule of circuits: opening one, and sending its steps.

use std::time::Duration;

use domain::{
    health::{Circuit, Health, Phase},
    job::CircuitStep,
};
use store::{StoreError, health::HealthStore};

use super::{StepError, StepQueue};
use crate::clock::Clock;

/// Opens circuits and sends their steps.
#[derive(Clone, Debug)]
pub(crate) struct CircuitSchedule {
    pub(crate) rows: HealthStore,
    pub(crate) steps: StepQueue,
    pub(crate) clock: Clock,
}

impl CircuitSchedule {
    /// Sends a circuit's next step again, without a delay. Whichever of the two messages arrives
    /// first runs it; the other finds it done. Does nothing while the step is leased: its holder
    /// re-reads the row before it commits.
    pub(crate) async fn run_step_now(&self, health: &Health) -> Result<(), StepError> {
        let now = self.clock.now();
        let Some(circuit) = health.circuit.as_ref().filter(|circuit| !circuit.is_busy(now)) else {
            return Ok(());
        };
        match self.rows.reschedule(health.endpoint, circuit, now).await {
            Ok(()) => {}
            // The step is done, or another invocation has sent it again.
            Err(StoreError::Conflict) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let &Health { project, endpoint, .. } = health;
        let step =
            CircuitStep { project, endpoint, opening: circuit.opening.clone(), step: circuit.step };
        self.steps.send(&step, Duration::ZERO).await
    }

    /// Opens a circuit: from now on deliveries are parked.
    pub(crate) async fn open(&self, health: &Health) -> Result<(), StepError> {
        if let Some(circuit) = &health.circuit {
            return Ok(self.rows.reopen(health.endpoint, &circuit.opening).await?);
        }
        let (opening, phase, started) =
            (format!("{:032x}", rand::random::<u128>()), Phase::FIRST, self.clock.now());
        let first = CircuitStep {
            project: health.project,
            endpoint: health.endpoint,
            opening: opening.clone(),
            step: 0,
        };
        let circuit =
            Circuit { opening, step: 0, due_at: started + phase.wait(), phase, busy_until: None };
        // First the step: without an open circuit it does nothing, but an open circuit without it
        // would keep its deliveries for ever.
        self.steps.send(&first, phase.wait()).await?;
        let opened = self.rows.open(health.endpoint, &circuit).await;
        if matches!(opened, Err(StoreError::Conflict)) {
            // Another invocation has opened it.
            return Ok(());
        }
        if opened.is_err() || self.clock.now().since(started) > phase.wait() / 2 {
            // The step may have come before the circuit was open, and a call that failed may have
            // been carried out. Twice is harmless.
            self.steps.send(&first, phase.wait()).await?;
        }
        opened?;
        tracing::warn!(endpoint = %health.endpoint, failures = health.failures, "a circuit has \
            opened; deliveries are parked");
        Ok(())
    }

    /// Sends the step that follows `done`, and then writes down that `done` is done.
    pub(super) async fn go_on(
        &self,
        step: &CircuitStep,
        done: &Circuit,
        phase: Phase,
        wait: Duration,
    ) -> Result<(), StepError> {
        let due_at = self.clock.now() + wait;
        let next = Circuit {
            opening: done.opening.clone(),
            step: done.step + 1,
            due_at,
            phase,
            busy_until: None,
        };
        self.steps.send(&CircuitStep { step: next.step, ..step.clone() }, wait).await?;
        Ok(self.rows.advance(step.endpoint, done, &next).await?)
    }
}
