//! Publishing events: first the log, then the queue, so that whatever is delivered can be found.
//!
//! When [`Publisher::publish`] returns `Ok`, every delivery is on the queue. When it fails, some
//! may be.

use std::time::Duration;

use domain::{message::Message, model::event::LoggedEvent, time::Timestamp, work::EncodeError};

use crate::{
    Access, StoreError,
    events::EventWriter,
    queue::{Queue, QueueEntry, QueueError},
};

/// Why events were not published, or not all of their deliveries.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// DynamoDB.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// SQS.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// A delivery that can't be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// Records events and enqueues their deliveries.
#[derive(Clone, Debug)]
pub struct Publisher {
    events: EventWriter,
    deliveries: Queue,
}

impl Publisher {
    /// To the log, and to the queue of first attempts.
    pub fn new(events: EventWriter, deliveries: Queue) -> Self {
        Self { events, deliveries }
    }

    /// Publishes a project's events. Their deliveries are made only as they are sent: together they
    /// may be larger than memory.
    pub async fn publish(
        &self,
        access: Access,
        events: &[LoggedEvent],
        deliveries: impl Iterator<Item = Message>,
        now: impl Fn() -> Timestamp,
    ) -> Result<(), PublishError> {
        self.events.record(access, events, now).await?;
        self.send(deliveries).await
    }

    /// The second step alone: enqueues deliveries of events that are in the log.
    pub async fn send(
        &self,
        deliveries: impl Iterator<Item = Message>,
    ) -> Result<(), PublishError> {
        let entries = deliveries.map(|message| Ok(QueueEntry::new(&message, Duration::ZERO)?));
        self.deliveries.send::<PublishError>(entries).await
    }
}
