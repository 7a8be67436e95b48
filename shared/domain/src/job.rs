//! Work that takes longer than an invocation: a circuit's, a recovery's. Each is a row with the
//! time of its next step, and `jobs` does the steps.

use std::time::Duration;

/// A job that is overdue by this is stalled: the operator must look into it.
pub const STALLS_AFTER: Duration = Duration::from_mins(15);
/// The log line of a job that stands still. The template counts these lines, for an alarm.
pub const STALLED: &str = "a job has not moved for 15 minutes";
