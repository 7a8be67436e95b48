//! What happens to a message next.

use std::time::Duration;

use domain::{
    health::Health,
    id::{EndpointId, EventId},
    message::Message,
    model::{Attempt, Endpoint},
};

use crate::incoming::Record;

/// What happens to a message next.
#[derive(Clone, Debug)]
pub(crate) enum Disposition {
    /// It is done: delete it.
    Drop,
    /// It is sent to the retries queue, to arrive after this wait.
    Again(Duration),
    /// It is replaced by a new message with this text on the retries queue, to arrive after this
    /// wait.
    Replace(String, Duration),
    /// It stays on its queue, hidden for this long: it could not be handled now.
    Hide(Duration),
    /// It goes to the dead-letter queue.
    Dead,
    /// It is parked in the log table until its receiver has recovered.
    Park(Box<Message>),
    /// It stays on its queue until its visibility timeout ends.
    Keep,
}

/// A message after its handling: what to record, and what becomes of it.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) record: Record,
    /// The delivery, if the message is one.
    pub(crate) delivery: Option<(EventId, EndpointId)>,
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
        Self { record, delivery: None, attempted: None, disposition }
    }

    /// A message that could not be handled now, and is hidden for a short time.
    pub(crate) fn postponed(record: Record) -> Self {
        let pause = record.pause();
        Self::new(record, Disposition::Hide(pause))
    }
}
