//! How many deliveries a second an endpoint takes.
//!
//! Each request of a limited endpoint has a slot, and slots are an interval apart: the generic cell
//! rate algorithm without a burst. A row holds the next free slot (see `store::rates`). An
//! invocation waits for a near slot; it sends the message back to the queue with a far slot, hidden
//! until then.
//!
//! # Pitfalls
//!
//! If a queue stood still, all of its messages' slots have passed, and sending them all at once
//! would drown the receiver.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Deliveries a second that an endpoint may be limited to: at most half of the 1,000 writes a
/// second that an item takes (DynamoDB).
pub const RATE_LIMIT: std::ops::RangeInclusive<u16> = 1..=500;

/// What is waited for where the message is, in place of putting it away. Queues' delays are whole
/// seconds, so that what was put away comes up to one early.
pub const NEAR: Duration = Duration::from_millis(1_500);
/// How late a slot may still be used. Doubles after each miss, so that a slow queue cannot starve a
/// delivery.
const LATE: Duration = Duration::from_secs(2);

/// The slot of an attempt, in its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateSlot {
    /// The attempt that it is for, by its number in the log. A later one needs a slot of its own.
    pub number: u32,
    /// Its time.
    pub at: Timestamp,
    /// How many slots of this attempt have passed unused.
    pub passed: u32,
    /// Under which limit it was taken. When that is changed, another is needed: the owner may be
    /// waiting for a backlog with slots hours from now.
    pub limit: u16,
}

impl RateSlot {
    /// Whether it was taken under this limit.
    pub fn is_under(&self, limit: u16) -> bool {
        self.limit == limit
    }
}

/// Microseconds between slots. Rounded up: never more than the limit.
pub fn interval(limit: u16) -> u64 {
    1_000_000_u64.div_ceil(limit.max(1).into())
}

/// What a message's slot is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotCheck {
    /// It is this attempt's: at this time, or now if that has passed.
    Good(RateSlot),
    /// There is no slot, or it has passed: the caller needs another.
    Needed {
        /// See [`RateSlot::passed`].
        passed: u32,
    },
}

/// Judges the slot that a message brings, for the attempt that is due now.
pub fn check_slot(reserved: Option<RateSlot>, number: u32, now: Timestamp) -> SlotCheck {
    match reserved.filter(|reserved| reserved.number == number) {
        None => SlotCheck::Needed { passed: 0 },
        Some(slot) if now.since(slot.at) <= LATE.saturating_mul(1 << slot.passed.min(16)) => {
            SlotCheck::Good(slot)
        }
        Some(RateSlot { passed, .. }) => SlotCheck::Needed { passed: passed.saturating_add(1) },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    /// When each of several deliveries that arrive at once is sent, in milliseconds: each is
    /// received as often as needed, late by up to the queue's lag, and takes slots from the store.
    fn simulated(limit: u16, count: usize, mut late: impl FnMut() -> u64) -> Vec<u64> {
        let start = 1_000_000;
        let (mut next_slot, mut sent) = (start * 1_000, Vec::new());
        let mut waiting: BTreeSet<(u64, usize)> =
            (0..count).map(|message| (start + late(), message)).collect();
        let mut slots = vec![None; count];
        while let Some((now, message)) = waiting.pop_first() {
            let slot = match check_slot(slots[message], 1, Timestamp::from_millis(now)) {
                SlotCheck::Good(slot) => slot,
                SlotCheck::Needed { passed } => {
                    let taken = next_slot.max(now * 1_000);
                    next_slot = taken + interval(limit);
                    RateSlot {
                        number: 1,
                        at: Timestamp::from_millis(taken.div_ceil(1_000)),
                        passed,
                        limit,
                    }
                }
            };
            let wait = slot.at.since(Timestamp::from_millis(now));
            if wait > NEAR {
                slots[message] = Some(slot);
                // Whole seconds on the queue.
                waiting.insert((now + wait.as_secs() * 1_000 + late(), message));
            } else {
                sent.push(slot.at.millis().max(now) - start);
            }
        }
        sent.sort_unstable();
        sent
    }

    #[test]
    fn a_slot_is_for_one_attempt_and_not_for_much_later() {
        let at = Timestamp::from_seconds(100);
        let slot = |passed| RateSlot { number: 2, at, passed, limit: 5 };
        let reserved = |passed| Some(slot(passed));
        let after = |seconds: u64| Timestamp::from_seconds(100 + seconds);
        assert_eq!(check_slot(None, 1, at), SlotCheck::Needed { passed: 0 });
        assert_eq!(
            check_slot(reserved(0), 3, at),
            SlotCheck::Needed { passed: 0 },
            "another attempt's"
        );
        assert_eq!(
            check_slot(reserved(0), 2, Timestamp::from_seconds(1)),
            SlotCheck::Good(slot(0))
        );
        assert_eq!(check_slot(reserved(0), 2, after(2)), SlotCheck::Good(slot(0)));
        assert_eq!(check_slot(reserved(0), 2, after(3)), SlotCheck::Needed { passed: 1 });
        assert_eq!(check_slot(reserved(1), 2, after(4)), SlotCheck::Good(slot(1)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// The queue may be up to two and a half seconds late, and hand out some messages much
        /// later.
        #[test]
        fn over_time_an_endpoint_gets_what_it_takes_to_within_a_fifth(
            limit in RATE_LIMIT,
            lates in prop::collection::vec((0..2_500_u64, 0..20_u8), 64),
        ) {
            let (seconds, mut place) = (60_usize, 0);
            let count = usize::from(limit) * seconds;
            let sent = simulated(limit, count, || {
                place += 1;
                let (late, dice) = lates[(place * 31 + place / 64) % lates.len()];
                if dice == 0 { late * 4 } else { late }
            });
            prop_assert_eq!(sent.len(), count);
            // The last few may wait for slots that they have missed.
            let most = sent[count * 19 / 20 - 1];
            prop_assert!(most <= 60_000 * 95 / 100 * 12 / 10 + 5_000, "{} of {} in {} \
                ms", count * 19 / 20, count, most);
            for window in sent.windows(usize::from(limit) * 10 * 12 / 10 + 2) {
                prop_assert!(window[window.len() - 1] - window[0] + 2_500 >= 10_000, "{:?}",
                    (window[0], window[window.len() - 1]));
            }
        }

    }

    proptest! {
        #[test]
        fn slots_are_never_denser_than_the_limit(limit in RATE_LIMIT) {
            prop_assert!(interval(limit) * u64::from(limit) >= 1_000_000);
            prop_assert!(interval(limit) * u64::from(limit) <= 1_000_000 + u64::from(limit));
        }

        #[test]
        fn whatever_the_delay_a_message_is_sent_in_the_end(late in 0..1_000_u64) {
            let at = Timestamp::from_seconds(1_000);
            let now = Timestamp::from_seconds(1_000 + late);
            let mut slots = (0..20).map(|passed| RateSlot { number: 1, at, passed, limit: 5 });
            let good = slots.any(|slot| check_slot(Some(slot), 1, now) == SlotCheck::Good(slot));
            prop_assert!(good);
        }
    }
}
