//! What comes of a step.

use std::time::Duration;

use domain::{time::Timestamp, work::EncodeError};
use store::{StoreError, publish::PublishError, queue::QueueError};

/// How far ahead a run looks: the schedule invokes it once a minute. What it sends before its time
/// is hidden on its queue until then.
pub(crate) const AHEAD: Duration = Duration::from_mins(1);

/// When a run goes on with a row; `None` if that is for another run.
pub type Next = Option<Timestamp>;

/// Why a step was not done, or not to its end. The row says when the next run tries it.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// DynamoDB.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// SQS.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// A system event.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// A message that can't be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}
