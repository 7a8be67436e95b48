//! Steps: each is a message on the retries queue. One that fails comes again; one that is done has
//! sent its successor itself.

use std::time::Duration;

use domain::{
    job::{STALLED, STALLS_AFTER},
    time::Timestamp,
    work::{EncodeError, WorkRef},
};
use store::{
    StoreError,
    queue::{Queue, QueueEntry, QueueError},
};

use crate::{
    RESERVE,
    disposition::{Disposition, Settled},
    incoming::Record,
};

/// Why a step comes again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    /// DynamoDB.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// SQS.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The step before it isn't written down yet, or another invocation is at this one.
    #[error("it is early")]
    Early,
    /// Something on our side: no time left, no socket.
    #[error("a fault on our side")]
    Fault,
    /// A message that can't be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// Where steps wait.
#[derive(Clone, Debug)]
pub(crate) struct StepQueue(pub(crate) Queue);

impl StepQueue {
    /// Sends a step, to be done after `delay`.
    pub(crate) async fn send<'a>(
        &self,
        step: impl Into<WorkRef<'a>>,
        delay: Duration,
    ) -> Result<(), StepError> {
        let entry = QueueEntry::new(step, delay)?;
        self.0.send(std::iter::once(Ok::<_, StepError>(entry))).await
    }
}

/// What becomes of the message of a step that was done, or has failed.
pub(crate) fn settled(record: Record, done: Result<(), StepError>, now: Timestamp) -> Settled {
    let Err(error) = done else { return Settled::new(record, Disposition::Drop) };
    tracing::error!(%error, "a step of a job failed; its message comes again");
    if now.since(record.first_received) >= STALLS_AFTER {
        tracing::error!("{STALLED}");
    }
    Settled::postponed(record)
}

/// Ends a step when of the time `left` only [`RESERVE`] is left: the rest of its batch must still
/// be written down. A step may end anywhere.
pub(super) async fn within<T>(
    left: Duration,
    step: impl Future<Output = Result<T, StepError>>,
) -> Result<T, StepError> {
    let left = left.saturating_sub(RESERVE);
    tokio::time::timeout(left, step).await.unwrap_or(Err(StepError::Fault))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn a_step_ends_while_there_is_time_to_write_down_the_rest_of_its_batch() {
        let (left, started) = (RESERVE + Duration::from_millis(50), Instant::now());
        let ended = within(left, std::future::pending::<Result<(), _>>()).await;
        assert!(matches!(ended, Err(StepError::Fault)));
        assert!(left.saturating_sub(started.elapsed()) + Duration::from_secs(1) > RESERVE);
        assert!(within(left, async { Ok(()) }).await.is_ok());
    }
}
