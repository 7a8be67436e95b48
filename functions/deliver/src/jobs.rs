//! Jobs: steps of work that goes on for longer than an invocation. A step that fails comes again; one that is done has sent its successor itself.

use std::time::Duration;

use shared::{
    job::{Job, STALLED, STALLS_AFTER},
    queue::{Outgoing, QueueError},
    store::StoreError,
    time::Timestamp,
};

use crate::{
    App, circuit,
    delivery::{Fate, Handled, RESERVE},
    incoming::Incoming,
    recovery,
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
    Message(#[from] shared::message::MessageError),
}

/// Handles one step.
pub(crate) async fn handle(app: &App, item: Incoming, job: Job, deadline: Timestamp) -> Handled {
    let outcome = match &job {
        Job::Circuit(step) => circuit::step(app, step, deadline).await,
        Job::Recovery(step) => in_time(app, deadline, Box::pin(recovery::step(app, step))).await,
    };
    match outcome {
        Ok(()) => Handled { fate: Fate::Drop, ..Handled::kept(&item) },
        Err(error) => {
            tracing::error!(endpoint = %job.endpoint(), %error, "a step of a job failed; it comes again");
            if app.now().since(item.first_received) >= STALLS_AFTER {
                tracing::error!(endpoint = %job.endpoint(), "{STALLED}");
            }
            Handled::postponed(&item)
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
    pub(crate) async fn go_on(&self, job: &Job, delay: Duration) -> Result<(), JobError> {
        let step = Outgoing { body: job.encode()?, group: Some(job.endpoint().to_string()), delay };
        self.retries.send(std::iter::once(Ok::<_, JobError>(step))).await
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
