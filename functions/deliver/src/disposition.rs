//! What happens to a message next.

use std::time::Duration;

use domain::{
    delivery::End,
    delivery_row::{DeliveryRow, State},
    health::Health,
    id::EndpointId,
    model::{Attempt, Endpoint},
};

use crate::{incoming::Record, resolve::Delivery};

/// What happens to a message next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disposition {
    /// It is done: its delivery has ended, or another message acts for it.
    Drop,
    /// It is done, and its delivery ends.
    End(End),
    /// Its delivery waits for this. A message that carries it is hidden for this long.
    Wait(State, Duration),
    /// Its delivery is parked, or stays so, until this circuit releases it: its endpoint's if none
    /// is named.
    Park(Option<EndpointId>),
    /// It is done, and its delivery is given up: its project is told.
    GiveUp,
    /// It can't be read: it goes to the dead-letter queue.
    Dead,
    /// It stays on its queue, hidden for this long: it could not be handled now.
    Hide(Duration),
    /// It stays on its queue until its visibility timeout ends.
    Keep,
}

impl Disposition {
    /// Its delivery to this endpoint is parked until this circuit releases it.
    pub(crate) fn park(circuit: EndpointId, endpoint: EndpointId) -> Self {
        Self::Park((circuit != endpoint).then_some(circuit))
    }
}

/// A message after its handling: what to record, and what becomes of it.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) record: Record,
    /// The delivery, if the message is about one.
    pub(crate) delivery: Option<Box<Delivery>>,
    /// Its row, once that says for what the delivery waits, or how it has ended.
    pub(crate) row: Option<DeliveryRow>,
    /// The attempt that was made.
    pub(crate) attempted: Option<Attempted>,
    pub(crate) disposition: Disposition,
}

/// An attempt, and what it says of its receiver.
#[derive(Debug)]
pub(crate) struct Attempted {
    pub(crate) attempt: Attempt,
    /// Whether it reflects the health of the receiver.
    pub(crate) judges: bool,
    /// The endpoint, if its receiver answered 410 (gone).
    pub(crate) gone: Option<Endpoint>,
    /// Whose health it says something of.
    pub(crate) circuit: EndpointId,
    /// What it was a probe for.
    pub(crate) probe: Option<Probe>,
}

/// A request that tests whether a receiver is well.
#[derive(Debug)]
pub(crate) struct Probe {
    /// The health with the circuit that it was sent for.
    pub(crate) health: Health,
    /// The wait that the receiver asked for.
    pub(crate) retry_after: Duration,
}

impl Settled {
    /// A message without an attempt.
    pub(crate) fn new(record: Record, disposition: Disposition) -> Self {
        Self { record, delivery: None, row: None, attempted: None, disposition }
    }

    /// A message that could not be handled now, and is hidden for a short time.
    pub(crate) fn postponed(record: Record) -> Self {
        let pause = record.pause();
        Self::new(record, Disposition::Hide(pause))
    }
}
