//! Deliveries to a receiver that is down: one of them at a time is sent, to see whether it is well
//! again. `jobs` sends the oldest parked one for that, when a probe is due; a delivery that comes
//! earlier than that takes its place. All others are parked.

use domain::{
    health::{CLAIMED_FOR, Health, StepResult},
    message::Message,
    model::{Attempt, Endpoint, Outcome, Status, Trigger},
    time::Timestamp,
};
use store::StoreError;

use super::{Batch, DeliveryHandler, Due, find, logged};
use crate::{
    disposition::{Attempted, Disposition, Probe},
    incoming::Record,
    sender::{NotSent, Verdict},
};

/// What the log says of a delivery that has waited for too long.
const OVER: &str = "given up: the receiver has been failing for too long";

impl DeliveryHandler {
    /// Sends a parked delivery that `jobs` has chosen. It stays parked, so its message is done
    /// whatever comes of it.
    pub(super) async fn probe(
        &self,
        record: &Record,
        message: &Message,
        open: Option<&Health>,
        batch: &Batch,
    ) -> Result<(Attempted, Disposition), Disposition> {
        // Otherwise it is about to be released.
        let (Some(health), Some(endpoint)) = (open, active(find(&batch.receivers, message)?))
        else {
            return Err(Disposition::Drop);
        };
        let Due { number, .. } = self.due(record, message, Timestamp::MAX).await?;
        let attempted = self.send_probe(record, message, endpoint, number, health, batch).await?;
        Ok((attempted, Disposition::Drop))
    }

    /// Sends a delivery if a probe is due and nobody else sends one; parks it if that fails,
    /// without using up a turn of its schedule.
    pub(super) async fn probe_or_park(
        &self,
        record: &Record,
        message: Message,
        health: &Health,
        batch: &Batch,
    ) -> Result<(Attempted, Disposition), Disposition> {
        let now = self.clock.now();
        let endpoint = active(find(&batch.receivers, &message)?);
        if message.over {
            return self.give_up(record, &message, endpoint).await;
        }
        let Some(endpoint) = endpoint.filter(|_| health.wants_a_probe(now)) else {
            return Err(Disposition::Park(Box::new(message)));
        };
        let Due { number, .. } = self.due(record, &message, now).await?;
        let claimed =
            match self.circuits.go_on(health, health.phase(), now + CLAIMED_FOR, now).await {
                Ok(claimed) => claimed,
                Err(StoreError::Conflict) => return Err(Disposition::Park(Box::new(message))),
                Err(error) => {
                    tracing::error!(%error, "could not claim a circuit; the delivery is parked");
                    return Err(Disposition::Park(Box::new(message)));
                }
            };
        let mut attempted =
            self.send_probe(record, &message, endpoint, number, &claimed, batch).await?;
        if attempted.attempt.outcome == Outcome::Succeeded {
            return Ok((attempted, Disposition::Drop));
        }
        if attempted.gone.is_some() {
            return Ok((attempted, Disposition::Dead));
        }
        attempted.attempt.trigger = Trigger::Probe;
        Ok((attempted, Disposition::Park(Box::new(message))))
    }

    /// Gives up a delivery that has waited for too long.
    async fn give_up(
        &self,
        record: &Record,
        message: &Message,
        endpoint: Option<&Endpoint>,
    ) -> Result<(Attempted, Disposition), Disposition> {
        let Due { number, .. } = self.due(record, message, Timestamp::MAX).await?;
        let (started, verdict) = (self.clock.now(), Verdict::refused(OVER));
        let attempt = logged(message, endpoint, verdict, number, started, None);
        let attempted = Attempted { attempt, judges: false, gone: None, probe: None };
        Ok((attempted, Disposition::Dead))
    }

    async fn send_probe(
        &self,
        record: &Record,
        message: &Message,
        endpoint: &Endpoint,
        number: u32,
        health: &Health,
        batch: &Batch,
    ) -> Result<Attempted, Disposition> {
        let started = self.clock.now();
        let sent = self.sender.send(Some(endpoint), message, &batch.hosts, batch.deadline).await;
        let verdict: Verdict = sent.map_err(|NotSent| Disposition::Hide(record.pause()))?;
        let retry_after = verdict.retry_after.unwrap_or_default();
        let (now, down) = (self.clock.now(), StepResult::Down(retry_after));
        let failed = health.phase().after(down, health.failures, now);
        let (judges, gone) = (verdict.judges, verdict.is_gone().then(|| endpoint.clone()));
        let over = gone.is_some() || verdict.outcome == Outcome::Succeeded;
        let next = failed.filter(|_| !over).map(|phase| now + phase.wait_after(down));
        let attempt: Attempt = logged(message, Some(endpoint), verdict, number, started, next);
        let probe = Some(Probe { health: health.clone(), retry_after });
        Ok(Attempted { attempt, judges, gone, probe })
    }
}

fn active(endpoint: Option<&Endpoint>) -> Option<&Endpoint> {
    endpoint.filter(|endpoint| endpoint.status == Status::Active)
}
