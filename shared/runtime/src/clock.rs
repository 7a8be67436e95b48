//! The system clock: the only place that reads it. All other code gets the moment as an argument.

use std::time::{SystemTime, UNIX_EPOCH};

use domain::time::Timestamp;

/// The present moment.
pub fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}
