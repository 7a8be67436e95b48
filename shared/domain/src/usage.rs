//! What a project has used, by hours: for the bill, and to find who is noisy.
//!
//! Events are counted from the log, after their hour: so an hour that is closed misses none that
//! the log has, whatever died, and accepting an event costs no write. What has no event of its own
//! (resends, recoveries, refusals) is added when it happens.
//!
//! # Pitfalls
//!
//! An event counts in the hour of its id. One that its producer gave an id of another hour counts
//! there, and is missed if that is closed. Refusals are counted in memory, and written every ten
//! seconds at most: a process that dies loses those of that time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// What is counted together.
pub const HOUR: Duration = Duration::from_hours(1);
/// How long after its end an hour is closed: what was accepted in it is in the log by then.
pub const CLOSES_AFTER: Duration = Duration::from_mins(5);

/// What was used in some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Accepted events, with tests and system events.
    pub events: u64,
    /// Deliveries: of these events to their recipients, and those that were sent again.
    pub deliveries: u64,
    /// Bytes of these deliveries' data and metadata, once for each delivery.
    pub bytes: u64,
    /// Requests that were refused because of the project's limits.
    pub refusals: u64,
}

impl Usage {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            events: self.events.saturating_add(other.events),
            deliveries: self.deliveries.saturating_add(other.deliveries),
            bytes: self.bytes.saturating_add(other.bytes),
            refusals: self.refusals.saturating_add(other.refusals),
        }
    }
}

/// The beginning of a time's hour.
pub fn hour_of(time: Timestamp) -> Timestamp {
    let hour = HOUR.as_secs();
    Timestamp::from_seconds(time.seconds() / hour * hour)
}

/// The beginning of a time's day, in UTC.
pub fn day_of(time: Timestamp) -> Timestamp {
    let day = HOUR.as_secs() * 24;
    Timestamp::from_seconds(time.seconds() / day * day)
}

/// When an hour that began then is closed.
pub fn closes_at(hour: Timestamp) -> Timestamp {
    hour + HOUR + CLOSES_AFTER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_and_days_begin_in_utc() {
        let time = Timestamp::from_seconds(1_800_003_725);
        assert_eq!(hour_of(time), Timestamp::from_seconds(1_800_000_000 + 3_600));
        assert_eq!(day_of(time).rfc_3339(), "2027-01-15T00:00:00Z");
        assert_eq!(closes_at(hour_of(time)), Timestamp::from_seconds(1_800_003_600 + 3_900));
    }

    #[test]
    fn usages_add_up_and_never_overflow() {
        let one = Usage { events: 1, deliveries: 2, bytes: u64::MAX, refusals: 4 };
        let two = one.plus(one);
        assert_eq!((two.events, two.deliveries, two.bytes, two.refusals), (2, 4, u64::MAX, 8));
    }
}
