//! What a project may cause: deliveries, bytes that are sent to receivers, and reads of tables,
//! each so many a second. So nobody's deliveries wait for a project gone wild.
//!
//! The project's budget is a row for each [`Resource`]: the generic cell rate algorithm with
//! [`BURST`]. A process does not ask it for everything: it has a small [`Resource::free`] amount in
//! each [`WINDOW`], and beyond that takes [`lots`](Limits::lot).
//!
//! # Pitfalls
//!
//! What processes spend freely, the row doesn't know. With a limit of L a second, n processes
//! (running environments of functions) let through at most `10 L + L t` in t seconds; besides
//! `free n` once, as processes that were busy with the project in one window ask the row from the
//! first in the next; and if none is busy, `free n` in each window. A request that begins within
//! the budget may end beyond it, or a low limit would never take a large one; what comes next waits
//! the longer.

use std::{num::NonZeroU32, time::Duration};

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// How far a project may be ahead of its rate.
pub const BURST: Duration = Duration::from_secs(10);
/// In such windows a process counts what it spends freely.
pub const WINDOW: Duration = Duration::from_secs(10);
/// The part of a second's budget that a process takes at a time.
const LOTS_A_SECOND: u64 = 2;

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// Deliveries: each recipient of an event counts, and an event without any as one.
    Deliveries,
    /// What these deliveries have to carry, in kilobytes of 1,000 bytes.
    Kilobytes,
    /// Read units of DynamoDB, of 4 KB, for the answers to requests.
    Reads,
}

impl Resource {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Deliveries, Self::Kilobytes, Self::Reads];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deliveries => "deliveries",
            Self::Kilobytes => "kilobytes",
            Self::Reads => "reads",
        }
    }

    /// What a process spends in a window before it asks the row. A project below ten deliveries of
    /// up to 64 KB a second causes no write.
    pub const fn free(self) -> u64 {
        match self {
            Self::Deliveries => 100,
            Self::Kilobytes => 6_400,
            Self::Reads => 1_000,
        }
    }
}

/// What a project may cause a second, where the operator has set that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// See [`Resource::Deliveries`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deliveries: Option<NonZeroU32>,
    /// See [`Resource::Kilobytes`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kilobytes: Option<NonZeroU32>,
    /// See [`Resource::Reads`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads: Option<NonZeroU32>,
    /// Live viewers at once: not a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub viewers: Option<NonZeroU32>,
}

impl Limits {
    /// How many live viewers a project may have at once.
    pub fn viewers(&self) -> u32 {
        self.viewers.map_or(20, NonZeroU32::get)
    }

    /// So much a second of this.
    pub fn of(&self, resource: Resource) -> u32 {
        let (set, default) = match resource {
            Resource::Deliveries => (self.deliveries, 1_000),
            Resource::Kilobytes => (self.kilobytes, 32_000),
            Resource::Reads => (self.reads, 2_000),
        };
        set.map_or(default, NonZeroU32::get)
    }

    /// What a process takes at a time, at least.
    pub fn lot(&self, resource: Resource) -> u64 {
        (u64::from(self.of(resource)) / LOTS_A_SECOND).max(1)
    }

    /// How long the rate takes for so much of this.
    pub fn time_for(&self, resource: Resource, amount: u64) -> Duration {
        Duration::from_micros(amount.saturating_mul(1_000_000) / u64::from(self.of(resource)))
    }
}

/// What something costs a project.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// See [`Resource::Deliveries`].
    pub deliveries: u64,
    /// What they carry.
    pub bytes: u64,
    /// See [`Resource::Reads`].
    pub reads: u64,
}

impl Cost {
    /// Of so many deliveries, each of this many bytes.
    pub fn of_deliveries(deliveries: usize, bytes_each: usize) -> Self {
        let wide = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let bytes = wide(deliveries).saturating_mul(wide(bytes_each));
        Self { deliveries: wide(deliveries), bytes, reads: 0 }
    }

    /// How much of this resource.
    pub fn of(&self, resource: Resource) -> u64 {
        match resource {
            Resource::Deliveries => self.deliveries,
            Resource::Kilobytes => self.bytes.div_ceil(1_000),
            Resource::Reads => self.reads,
        }
    }
}

impl std::iter::Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), |sum, cost| Self {
            deliveries: sum.deliveries.saturating_add(cost.deliveries),
            bytes: sum.bytes.saturating_add(cost.bytes),
            reads: sum.reads.saturating_add(cost.reads),
        })
    }
}

/// What a process knows of a project's budget of one resource.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allowance {
    window: u64,
    /// In this window, refused or not.
    asked: u64,
    /// More than is free was asked for in the window before this.
    is_busy: bool,
    /// Taken from the row, and not spent.
    left: u64,
    refused_until: Option<Timestamp>,
}

/// What is to be done before something may be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spend {
    /// Nothing: it is spent.
    Free,
    /// So much must be taken from the row, or a [lot](Limits::lot) if that is more.
    Take(u64),
    /// It must not be spent before then.
    NotBefore(Timestamp),
}

impl Allowance {
    /// Spends so much if the process may.
    pub fn spend(&mut self, resource: Resource, amount: u64, now: Timestamp) -> Spend {
        self.enter(resource, now);
        self.asked = self.asked.saturating_add(amount);
        if let Some(until) = self.refused_until(now) {
            return Spend::NotBefore(until);
        }
        self.refused_until = None;
        if self.left >= amount {
            self.left -= amount;
        } else if self.is_busy || self.asked > resource.free() {
            return Spend::Take(amount - self.left);
        }
        Spend::Free
    }

    /// Spends it after the row has given so much.
    pub fn spend_taken(&mut self, amount: u64, taken: u64) {
        self.left = self.left.saturating_add(taken).saturating_sub(amount);
    }

    /// The row has refused.
    pub fn refuse(&mut self, until: Timestamp) {
        self.refused_until = Some(until);
    }

    /// Until when it must not be spent, if the row has said so.
    pub fn refused_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.refused_until.filter(|until| *until > now)
    }

    /// Whether nothing is known of it any more.
    pub fn is_over(&self, now: Timestamp) -> bool {
        window(now).abs_diff(self.window) > 1 && self.refused_until(now).is_none()
    }

    fn enter(&mut self, resource: Resource, now: Timestamp) {
        let window = window(now);
        if window != self.window {
            self.is_busy = window == self.window + 1 && self.asked > resource.free();
            (self.window, self.asked) = (window, 0);
            if !self.is_busy {
                self.left = 0;
            }
        }
    }
}

fn window(now: Timestamp) -> u64 {
    now.seconds() / WINDOW.as_secs()
}

/// Asks a project's row, by which all that it was given is paid for at this moment, for what the
/// rate takes this time for. The moment then; or when to ask again.
pub fn take(
    paid_at: Option<Timestamp>,
    time: Duration,
    now: Timestamp,
) -> Result<Timestamp, Timestamp> {
    let paid_at = paid_at.unwrap_or(now).max(now);
    if paid_at.since(now) > BURST {
        let burst = u64::try_from(BURST.as_millis()).unwrap_or(u64::MAX);
        return Err(Timestamp::from_millis(paid_at.millis() - burst));
    }
    Ok(paid_at + time)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Timestamp = Timestamp::from_seconds(1_800_000_000);

    /// What processes may spend of a row, each asking for `amount` every so many milliseconds.
    fn simulated(processes: usize, limit: u32, amount: u64, every: u64, seconds: u64) -> u64 {
        let resource = Resource::Deliveries;
        let limits = Limits { deliveries: NonZeroU32::new(limit), ..Limits::default() };
        let mut all = vec![Allowance::default(); processes];
        let (mut paid_at, mut accepted) = (None, 0);
        for millis in (0..seconds * 1_000).step_by(usize::try_from(every).unwrap()) {
            let now = START + Duration::from_millis(millis);
            for allowance in &mut all {
                match allowance.spend(resource, amount, now) {
                    Spend::Free => accepted += amount,
                    Spend::NotBefore(_) => {}
                    Spend::Take(missing) => {
                        let taken = missing.max(limits.lot(resource));
                        match take(paid_at, limits.time_for(resource, taken), now) {
                            Ok(paid) => {
                                paid_at = Some(paid);
                                allowance.spend_taken(amount, taken);
                                accepted += amount;
                            }
                            Err(until) => allowance.refuse(until),
                        }
                    }
                }
            }
        }
        accepted
    }

    #[test]
    fn over_time_a_busy_project_gets_its_rate_a_burst_and_what_each_process_has_freely() {
        let accepted = simulated(8, 100, 1, 10, 60);
        let rate_and_burst = 100 * 70;
        assert!(accepted >= rate_and_burst, "{accepted}");
        assert!(accepted <= rate_and_burst + 8 * 100 + 8 * 50, "{accepted}");
    }

    #[test]
    fn a_quiet_project_asks_no_row() {
        let mut allowance = Allowance::default();
        for millis in (0..120_000).step_by(101) {
            let now = START + Duration::from_millis(millis);
            assert_eq!(allowance.spend(Resource::Deliveries, 1, now), Spend::Free);
        }
    }

    #[test]
    fn a_large_request_is_taken_once_and_paid_for_by_waiting() {
        let limits = Limits { deliveries: NonZeroU32::new(10), ..Limits::default() };
        let time = limits.time_for(Resource::Deliveries, 500);
        let paid_at = take(None, time, START).unwrap();
        assert_eq!(paid_at, START + Duration::from_secs(50));
        let again = START + Duration::from_secs(40);
        assert_eq!(take(Some(paid_at), time, START), Err(again));
        assert!(take(Some(paid_at), time, again).is_ok());
    }

    #[test]
    fn costs_add_up_and_bytes_are_whole_kilobytes() {
        let cost: Cost = [Cost::of_deliveries(3, 500), Cost::of_deliveries(1, 1)].into_iter().sum();
        assert_eq!((cost.of(Resource::Deliveries), cost.of(Resource::Kilobytes)), (4, 2));
        let most = Cost::of_deliveries(usize::MAX, usize::MAX);
        assert_eq!([most, cost].into_iter().sum::<Cost>().deliveries, u64::MAX);
    }

    proptest! {
        #[test]
        fn no_number_of_processes_gets_more_than_is_documented(
            processes in 1_usize..20, limit in 1_u32..500, amount in 1_u64..300,
            every in 5_u64..2_000, seconds in 1_u64..60,
        ) {
            let accepted = simulated(processes, limit, amount, every, seconds);
            let (l, n) = (u64::from(limit), u64::try_from(processes).unwrap());
            let windows = seconds / 10 + 2;
            // Without a busy one, each has as much freely as it is asked for.
            let free = if amount * 10_000 / every > 100 { 100 } else { 100 * windows };
            let most = l * (seconds + 10) + n * free + amount + n * (l / 2 + 1);
            prop_assert!(accepted <= most, "{accepted} of {most}");
        }
    }
}
