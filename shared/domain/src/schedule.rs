//! When a failed delivery is tried again.
//!
//! A schedule lists the waits *between* attempts: n waits make n + 1 attempts. Waits may be longer
//! than the 12 hours that SQS can hide a message; who waits hides the message again until the time
//! has come.

use std::{str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};
use utoipa::openapi::{Array, ObjectBuilder, Type};

use crate::schema::described;

/// The longest single wait: one day.
pub const MAX_WAIT: u32 = 86_400;
/// The most waits in a schedule.
pub const MAX_WAITS: usize = 20;
/// The longest sum of waits: ten days, which with jitter stays inside the 14 days that SQS keeps a
/// message.
pub const MAX_TOTAL: u32 = 10 * 86_400;
/// Each wait is varied by this share in both directions, so that deliveries that failed together
/// don't return together.
pub const JITTER: f64 = 0.2;
/// The longest `Retry-After` that is honoured, in seconds: six hours. Longer ones count as this, or
/// as the schedule's own wait if that is longer.
pub const MAX_RETRY_AFTER: u64 = 6 * 3_600;

/// The waits between the attempts of a delivery, in seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u32>", into = "Vec<u32>")]
pub struct Schedule(Vec<u32>);

/// Why a list of waits is not a schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// More than [`MAX_WAITS`].
    #[error("must have at most {MAX_WAITS} waits")]
    TooMany,
    /// A wait of zero or over [`MAX_WAIT`].
    #[error("each wait must be 1 to {MAX_WAIT} seconds")]
    Wait,
    /// All waits together exceed [`MAX_TOTAL`].
    #[error("the waits must add up to at most {MAX_TOTAL} seconds")]
    Total,
    /// Not a comma-separated list of whole seconds.
    #[error("must be whole seconds separated by commas")]
    Syntax,
}

impl Default for Schedule {
    /// At once, then after 5 s, 5 m, 30 m, 2 h, 5 h, 10 h, 10 h: the schedule that Standard
    /// Webhooks 1.0.0 suggests.
    fn default() -> Self {
        Self(vec![5, 300, 1_800, 7_200, 18_000, 36_000, 36_000])
    }
}

impl Schedule {
    /// How many attempts a delivery has in all.
    pub fn attempts(&self) -> usize {
        self.0.len() + 1
    }

    /// All waits together, without jitter.
    pub fn total(&self) -> Duration {
        Duration::from_secs(self.0.iter().copied().map(u64::from).sum())
    }

    /// The wait after the `failed`-th attempt (from 1), or `None` when that was the last. `jitter`
    /// is uniform in 0..1.
    pub fn wait_after(&self, failed: usize, jitter: f64) -> Option<Duration> {
        let base = f64::from(*self.0.get(failed.checked_sub(1)?)?);
        let factor = 1.0 - JITTER + 2.0 * JITTER * jitter.clamp(0.0, 1.0);
        Some(Duration::from_secs_f64(base * factor))
    }

    /// As [`Self::wait_after`], but never sooner than the receiver asked for by `Retry-After`.
    pub fn wait_at_least(
        &self,
        failed: usize,
        jitter: f64,
        retry_after: Option<Duration>,
    ) -> Option<Duration> {
        let asked = retry_after.unwrap_or_default().min(Duration::from_secs(MAX_RETRY_AFTER));
        self.wait_after(failed, jitter).map(|wait| wait.max(asked))
    }
}

impl TryFrom<Vec<u32>> for Schedule {
    type Error = ScheduleError;

    fn try_from(waits: Vec<u32>) -> Result<Self, ScheduleError> {
        if waits.len() > MAX_WAITS {
            return Err(ScheduleError::TooMany);
        }
        if waits.iter().any(|wait| !(1..=MAX_WAIT).contains(wait)) {
            return Err(ScheduleError::Wait);
        }
        if waits.iter().sum::<u32>() > MAX_TOTAL {
            return Err(ScheduleError::Total);
        }
        Ok(Self(waits))
    }
}

impl From<Schedule> for Vec<u32> {
    fn from(schedule: Schedule) -> Self {
        schedule.0
    }
}

described!(Schedule, {
    let wait =
        ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(MAX_WAIT));
    let waits = Array::builder()
        .items(wait)
        .max_items(Some(MAX_WAITS))
        .examples([serde_json::json!(Self::default().0)]);
    waits.description(Some(
        "The waits between attempts, in seconds: n waits make n + 1 attempts. At most ten days in \
            all. Each wait varies by ±20 %.",
    ))
});

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        text.split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(|part| part.parse().map_err(|_| ScheduleError::Syntax))
            .collect::<Result<Vec<u32>, _>>()?
            .try_into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_default_schedule_waits_5s_5m_30m_2h_5h_10h_10h() {
        let waits: Vec<_> =
            (1..=8).map(|n| Schedule::default().wait_after(n, 0.5).map(|w| w.as_secs())).collect();
        assert_eq!(
            waits,
            [
                Some(5),
                Some(300),
                Some(1_800),
                Some(7_200),
                Some(18_000),
                Some(36_000),
                Some(36_000),
                None
            ]
        );
        assert_eq!(Schedule::default().attempts(), 8);
    }

    #[test]
    fn an_empty_schedule_means_one_attempt() {
        assert_eq!(Schedule::try_from(vec![]).unwrap().wait_after(1, 0.5), None);
    }

    #[test]
    fn waits_out_of_range_are_refused_by_rule() {
        assert_eq!(Schedule::try_from(vec![0]), Err(ScheduleError::Wait));
        assert_eq!(Schedule::try_from(vec![MAX_WAIT + 1]), Err(ScheduleError::Wait));
        assert_eq!(Schedule::try_from(vec![1; MAX_WAITS + 1]), Err(ScheduleError::TooMany));
        assert_eq!(Schedule::try_from(vec![MAX_WAIT; 11]), Err(ScheduleError::Total));
        assert_eq!("5, x".parse::<Schedule>(), Err(ScheduleError::Syntax));
        assert_eq!("5, 300".parse(), Schedule::try_from(vec![5, 300]));
    }

    #[test]
    fn retry_after_lengthens_a_wait_and_never_shortens_one() {
        let schedule = Schedule::try_from(vec![100]).unwrap();
        let wait = |after| schedule.wait_at_least(1, 0.5, after).unwrap().as_secs();
        assert_eq!(wait(None), 100);
        assert_eq!(wait(Some(Duration::from_secs(30))), 100);
        assert_eq!(wait(Some(Duration::from_mins(5))), 300);
        assert_eq!(wait(Some(Duration::from_secs(u64::MAX))), MAX_RETRY_AFTER);
        let longer = Schedule::try_from(vec![MAX_WAIT]).unwrap();
        let forever = longer.wait_at_least(1, 0.5, Some(Duration::MAX)).unwrap();
        assert_eq!(forever.as_secs(), u64::from(MAX_WAIT));
        assert_eq!(
            schedule.wait_at_least(2, 0.5, Some(Duration::from_mins(5))),
            None,
            "Retry-After adds no attempt"
        );
    }

    proptest! {
        #[test]
        fn jitter_stays_within_a_fifth(wait in 1..=MAX_WAIT, jitter in 0.0..1.0) {
            let got = Schedule::try_from(vec![wait]).unwrap().wait_after(1,
                jitter).unwrap().as_secs_f64();
            prop_assert!(got >= f64::from(wait) * 0.799 && got <= f64::from(wait) * 1.201);
        }
    }
}
