//! How a delivery ends, and who may make its first attempt.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A first message that is younger than this brings a delivery that nobody else can have made: who
/// repeats a request waits for longer before another message goes out. Older ones come from a
/// backlog or a dead-letter queue, and the delivery's row and the log are asked first.
///
/// A first attempt that succeeds within this time leaves no row: the log has it, at this time.
pub const FIRST_WINDOW: Duration = Duration::from_secs(10);

/// How a delivery has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It has arrived.
    Succeeded,
    /// It was given up.
    Failed,
}
