//! What becomes of a message.

use std::time::Duration;

use domain::{
    id::{EndpointId, EventId},
    message::Message,
    model::{Attempt, Endpoint},
};

use crate::incoming::Record;

/// What becomes of a message.
#[derive(Clone, Debug)]
pub(crate) enum Disposition {
    /// It is done with.
    Drop,
    /// It comes again after so long, on the retries queue.
    Again(Duration),
    /// It is replaced: this text comes after so long, as a new message on the retries queue.
    Replace(String, Duration),
    /// It stays on its queue, hidden for so long, as nothing could be done for it.
    Hide(Duration),
    /// It goes to the dead-letter queue.
    Dead,
    /// It waits in the log table until its receiver is well again.
    Park(Box<Message>),
    /// It stays on its queue until its visibility timeout ends.
    Keep,
}

/// A message after its handling: what to record, and what becomes of it.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) record: Record,
    /// The delivery, unless the message is none.
    pub(crate) delivery: Option<(EventId, EndpointId)>,
    /// The attempt that was made.
    pub(crate) attempted: Option<Attempted>,
    pub(crate) disposition: Disposition,
}

/// An attempt, and what it says of its receiver.
#[derive(Debug)]
pub(crate) struct Attempted {
    pub(crate) attempt: Attempt,
    /// Whether it says something of the receiver.
    pub(crate) judges: bool,
    /// The endpoint, if it said that it is gone.
    pub(crate) gone: Option<Endpoint>,
}

impl Settled {
    /// A message without an attempt.
    pub(crate) fn new(record: Record, disposition: Disposition) -> Self {
        Self { record, delivery: None, attempted: None, disposition }
    }

    /// A message that comes again soon, as nothing could be done for it now.
    pub(crate) fn postponed(record: Record) -> Self {
        let pause = record.pause();
        Self::new(record, Disposition::Hide(pause))
    }
}
