//! Jobs: steps of work that goes on for longer than an invocation. A step that fails comes again; one that is done has sent its successor itself.

use std::time::Duration;

use shared::{
    id::EndpointId,
    job::{STALLED, STALLS_AFTER},
    queue::QueueError,
    store::StoreError,
    time::Timestamp,
    work::{self, EncodeError, WorkRef},
};

use crate::{
    App,
    delivery::{Fate, Handled, RESERVE},
    incoming::Record,
};

/// Why a step comes again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    /// DynamoDB.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// SQS.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// A step that comes before the one ahead of it is written down, or while somebody is at it.
    #[error("it is early")]
    Early,
    /// Something on our side: no time left, no socket.
    #[error("a fault on our side")]
    Fault,
    /// A message that can't be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// What becomes of the message of a step that was done, or has failed.
pub(crate) fn settled(app: &App, record: &Record, endpoint: EndpointId, done: Result<(), JobError>) -> Handled {
    match done {
        Ok(()) => Handled { fate: Fate::Drop, ..Handled::kept(record) },
        Err(error) => {
            tracing::error!(%endpoint, %error, "a step of a job failed; it comes again");
            if app.now().since(record.first_received) >= STALLS_AFTER {
                tracing::error!(%endpoint, "{STALLED}");
            }
            Handled::postponed(record)
        }
    }
}

/// Ends a step that would end with the invocation, and with it what the rest of the batch has to write down. A step may die anywhere.
pub(crate) async fn in_time<T>(app: &App, deadline: Timestamp, step: impl Future<Output = Result<T, JobError>>) -> Result<T, JobError> {
    within(deadline.since(app.now()), step).await
}

/// Ends a step when of the time left only [`RESERVE`] is left.
async fn within<T>(left: Duration, step: impl Future<Output = Result<T, JobError>>) -> Result<T, JobError> {
    let left = left.saturating_sub(RESERVE);
    tokio::time::timeout(left, step).await.unwrap_or(Err(JobError::Fault))
}

impl App {
    /// Sends a step of a job, to be done after `delay`.
    pub(crate) async fn go_on<'a>(&self, step: impl Into<WorkRef<'a>>, delay: Duration) -> Result<(), JobError> {
        let entry = work::entry(step, delay)?;
        self.retries.send(std::iter::once(Ok::<_, JobError>(entry))).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn a_step_ends_while_there_is_time_to_write_down_the_rest_of_its_batch() {
        let (left, started) = (RESERVE + Duration::from_millis(50), Instant::now());
        let ended = within(left, std::future::pending::<Result<(), _>>()).await;
        assert!(matches!(ended, Err(JobError::Fault)));
        assert!(left.saturating_sub(started.elapsed()) + Duration::from_secs(1) > RESERVE);
        assert!(within(left, async { Ok(()) }).await.is_ok());
    }
}
