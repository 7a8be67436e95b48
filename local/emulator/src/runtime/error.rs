//! Why an invocation has no answer.

use std::time::Duration;

/// Why an invocation has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// The function answered with an error; the text is its JSON.
    #[error("the function failed: {0}")]
    Failed(String),
    /// The function's timeout passed; its process was ended.
    #[error("the function took longer than its timeout of {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The process ended before it answered.
    #[error("the function's process ended: {0}")]
    Crashed(String),
    /// The process couldn't be started, or ended before it asked for an event.
    #[error("the function doesn't start: {0}")]
    NotStarted(String),
    /// Too many invocations run or wait already.
    #[error("too many requests run or wait for this function")]
    TooBusy,
    /// The stack is shutting down.
    #[error("the stack is shutting down")]
    ShuttingDown,
}
