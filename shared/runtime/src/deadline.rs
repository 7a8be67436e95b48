//! When Lambda ends an invocation.
//!
//! # Pitfalls
//!
//! Lambda's header holds a moment in Unix milliseconds, but `cargo lambda watch` always says
//! 600000, which is meant as ten minutes. Taken for a moment of 1970 it would leave no time for any
//! request.

use std::time::Duration;

use domain::time::Timestamp;

/// Lambda ends every invocation after 15 minutes, so a larger number is no time that is left, and a
/// smaller one no moment.
const LONGEST_INVOCATION: Duration = Duration::from_mins(15);

/// The moment that the runtime's `Lambda-Runtime-Deadline-Ms` names.
pub fn deadline(header: u64, now: Timestamp) -> Timestamp {
    let left = Duration::from_millis(header);
    if left <= LONGEST_INVOCATION { now + left } else { Timestamp::from_millis(header) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_taken_as_it_is_and_a_time_left_counts_from_now() {
        let now = Timestamp::from_seconds(1_800_000_000);
        assert_eq!(deadline(1_800_000_060_000, now), now + Duration::from_mins(1));
        assert_eq!(
            deadline(1_799_999_999_000, now),
            Timestamp::from_seconds(1_799_999_999),
            "a late moment stays late"
        );
        assert_eq!(deadline(600_000, now), now + Duration::from_mins(10));
    }
}
