//! Moments, as Unix milliseconds.
//!
//! The API speaks Unix seconds, ids and logs milliseconds; [`Timestamp`] keeps the two from being
//! mixed up.

use std::{ops::Add, time::Duration};

use ::time::{OffsetDateTime, format_description::well_known::Rfc3339};
use serde::{Deserialize, Serialize};

/// A moment: milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The last moment a ULID can name (48 bits of milliseconds).
    pub const MAX: Self = Self((1 << 48) - 1);

    /// A moment from Unix milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// A moment from Unix seconds; absurdly late ones saturate.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000))
    }

    /// Unix milliseconds.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// Unix seconds, rounded down.
    pub const fn seconds(self) -> u64 {
        self.0 / 1_000
    }

    /// RFC 3339 in UTC, with as many digits of the second as it needs (`2026-01-01T00:00:00.25Z`).
    /// Empty after the year 9999, which RFC 3339 cannot write.
    pub fn rfc_3339(self) -> String {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .ok()
            .and_then(|time| time.format(&Rfc3339).ok())
            .unwrap_or_default()
    }

    /// How long after `earlier` this is; zero when it is not after.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(rhs.as_millis()).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_by_rfc_3339_with_as_many_digits_as_it_needs() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_735_689_886_250, "2025-01-01T00:04:46.25Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (253_402_300_800_000, ""),
            (u64::MAX, ""),
        ] {
            assert_eq!(Timestamp::from_millis(millis).rfc_3339(), text);
        }
    }
}
