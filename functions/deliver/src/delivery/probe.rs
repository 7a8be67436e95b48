//! Deliveries to a receiver that is down: some of them are sent, to see whether it is well again.
//! `jobs` sends parked ones for that, when a probe is due; a delivery that comes earlier than that
//! takes their place. All others are parked.

use domain::{
    delivery::End,
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
    resolve::Delivery,
    sender::{NotSent, Verdict},
};

/// What the log says of a delivery that has waited for too long.
const OVER: &str = "given up: the receiver has been failing for too long";
/// And of one whose event has gone before it.
const EXPIRED: &str = "given up: the event is older than events are kept";

impl DeliveryHandler {
    /// Sends a parked delivery that `jobs` has chosen. It stays parked unless it arrives.
    pub(super) async fn probe(
        &self,
        record: &Record,
        delivery: &Delivery,
        open: Option<&Health>,
        batch: &Batch,
    ) -> Result<(Attempted, Disposition), Disposition> {
        let message = &delivery.message;
        // Otherwise it is about to be released.
        let (Some(health), Some(endpoint)) = (open, active(message, batch)?) else {
            return Err(park(message));
        };
        let Due { number, .. } = self.due(record, delivery, Timestamp::MAX).await?;
        let attempted = self.send_probe(record, message, endpoint, number, health, batch).await?;
        if attempted.attempt.outcome == Outcome::Succeeded {
            return Ok((attempted, Disposition::End(End::Succeeded)));
        }
        Ok((attempted, park(message)))
    }

    /// Sends a delivery if a probe is due and nobody else sends one; parks it if that fails,
    /// without using up a turn of its schedule.
    pub(super) async fn probe_or_park(
        &self,
        record: &Record,
        delivery: &Delivery,
        health: &Health,
        batch: &Batch,
    ) -> Result<(Attempted, Disposition), Disposition> {
        let (Delivery { message, row, .. }, now) = (delivery, self.clock.now());
        let endpoint = active(message, batch)?;
        if row.as_ref().is_some_and(|row| row.is_over(self.kept_for, now)) {
            return Ok((
                self.give_up(record, delivery, endpoint, OVER).await?,
                Disposition::GiveUp,
            ));
        }
        let Some(endpoint) = endpoint.filter(|_| health.wants_a_probe(now)) else {
            return Err(park(message));
        };
        let Due { number, .. } = self.due(record, delivery, now).await?;
        let claimed = match self.circuits.probing(health, now + CLAIMED_FOR, now).await {
            Ok(claimed) => claimed,
            Err(StoreError::Conflict) => return Err(park(message)),
            Err(error) => {
                tracing::error!(%error, "could not claim a circuit; the delivery is parked");
                return Err(park(message));
            }
        };
        let mut attempted =
            self.send_probe(record, message, endpoint, number, &claimed, batch).await?;
        if attempted.attempt.outcome == Outcome::Succeeded {
            return Ok((attempted, Disposition::End(End::Succeeded)));
        }
        if attempted.gone.is_some() {
            return Ok((attempted, Disposition::GiveUp));
        }
        attempted.attempt.trigger = Trigger::Probe;
        Ok((attempted, park(message)))
    }

    /// Gives up a delivery whose payload is not known any more.
    pub(super) async fn give_up_without_event(
        &self,
        record: &Record,
        delivery: &Delivery,
        batch: &Batch,
    ) -> Result<(Attempted, Disposition), Disposition> {
        let endpoint = find(&batch.receivers, &delivery.message)?;
        Ok((
            self.give_up(record, delivery, endpoint, EXPIRED).await?,
            Disposition::End(End::Failed),
        ))
    }

    pub(super) async fn give_up(
        &self,
        record: &Record,
        delivery: &Delivery,
        endpoint: Option<&Endpoint>,
        reason: &str,
    ) -> Result<Attempted, Disposition> {
        let Due { number, .. } = self.due(record, delivery, Timestamp::MAX).await?;
        let (started, verdict) = (self.clock.now(), Verdict::refused(reason));
        let attempt = logged(&delivery.message, endpoint, verdict, number, started, None);
        Ok(Attempted {
            attempt,
            judges: false,
            gone: None,
            circuit: delivery.message.circuit(),
            probe: None,
        })
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
        let failed = health.phase().after(down, health.recent());
        let (judges, gone) = (verdict.judges, verdict.is_gone().then(|| endpoint.clone()));
        let over = gone.is_some() || verdict.outcome == Outcome::Succeeded;
        let next = failed.filter(|_| !over).map(|phase| now + phase.wait_after(down));
        let attempt: Attempt = logged(message, Some(endpoint), verdict, number, started, next);
        let probe = Some(Probe { health: health.clone(), retry_after });
        Ok(Attempted { attempt, judges, gone, circuit: message.circuit(), probe })
    }
}

/// Has a delivery wait for its circuit.
fn park(message: &Message) -> Disposition {
    Disposition::park(message.circuit(), message.endpoint)
}

/// The endpoint of a delivery, if it takes deliveries.
fn active<'a>(message: &Message, batch: &'a Batch) -> Result<Option<&'a Endpoint>, Disposition> {
    let endpoint = find(&batch.receivers, message)?;
    Ok(endpoint.filter(|endpoint| endpoint.status == Status::Active))
}
