//! Fair queues: which tenants of a queue are noisy. A tenant is a message group.
//!
//! By the SQS guide, "Amazon SQS fair queues": a tenant is noisy when it has at least 30 messages
//! in flight and more than 10 % of all of them, or takes more than 10 % of the processing time.
//! Messages of quiet tenants are handed out first; those of noisy ones go when nothing quiet waits.
//! A tenant is quiet again when its backlog is gone, or after five minutes. A message without a
//! group is a tenant of its own.
//!
//! Simplified: the processing time is that of the last minute, of messages that were deleted; what
//! is in flight when the store is opened is not known. AWS calls its thresholds approximate, so a
//! test may set [`Reaction::LATE`].

use std::collections::{BTreeSet, HashMap, VecDeque};

/// Messages in flight that a noisy tenant has at least.
const IN_FLIGHT: usize = 30;
/// How long processing time counts.
const WINDOW_MS: i64 = 60_000;
/// How long a tenant stays noisy that has a backlog.
const NOISY_MS: i64 = 300_000;

/// How the model reacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reaction {
    /// By how much a tenant must exceed the thresholds of the guide.
    pub factor: u32,
    /// How much later it is known to be noisy.
    pub delay_ms: i64,
}

impl Reaction {
    /// As the guide says.
    pub const PROMPT: Self = Self { factor: 1, delay_ms: 0 };
    /// At twice the thresholds, ten seconds later.
    pub const LATE: Self = Self { factor: 2, delay_ms: 10_000 };

    /// Whether so much is too much of all: more than a tenth, by the factor.
    fn is_too_much(self, own: i64, all: i64) -> bool {
        own * 10 > all * i64::from(self.factor)
    }
}

/// What is known of a queue's tenants.
#[derive(Debug, Default)]
pub(crate) struct Fairness {
    tenants: HashMap<String, Tenant>,
    /// Messages in flight, all tenants', and those without a group.
    in_flight: HashMap<i64, (Option<String>, i64)>,
    /// Processing time of messages without a group.
    others: Spent,
}

#[derive(Debug, Default)]
struct Tenant {
    in_flight: usize,
    spent: Spent,
    /// Since when it exceeds a threshold.
    exceeds: Option<i64>,
    noisy_until: Option<i64>,
}

/// Processing time: when messages ended, and how long they had taken.
#[derive(Debug, Default)]
struct Spent {
    ended: VecDeque<(i64, i64)>,
    sum: i64,
}

impl Spent {
    fn add(&mut self, now: i64, took: i64) {
        self.ended.push_back((now, took));
        self.sum += took;
    }

    fn within_window(&mut self, now: i64) -> i64 {
        while let Some((ended, took)) = self.ended.front().copied()
            && ended < now - WINDOW_MS
        {
            self.ended.pop_front();
            self.sum -= took;
        }
        self.sum
    }
}

impl Fairness {
    /// A message was handed out.
    pub(crate) fn received(&mut self, message: i64, group: Option<&str>, now: i64) {
        self.forget(message);
        self.in_flight.insert(message, (group.map(str::to_owned), now));
        if let Some(group) = group {
            self.tenants.entry(group.to_owned()).or_default().in_flight += 1;
        }
    }

    /// A message was deleted.
    pub(crate) fn deleted(&mut self, message: i64, now: i64) {
        let Some((group, received)) = self.forget(message) else { return };
        let spent = match group.and_then(|group| self.tenants.get_mut(&group)) {
            Some(tenant) => &mut tenant.spent,
            None => &mut self.others,
        };
        spent.add(now, (now - received).max(0));
    }

    fn forget(&mut self, message: i64) -> Option<(Option<String>, i64)> {
        let known = self.in_flight.remove(&message)?;
        if let Some(tenant) = known.0.as_ref().and_then(|group| self.tenants.get_mut(group)) {
            tenant.in_flight = tenant.in_flight.saturating_sub(1);
        }
        Some(known)
    }

    /// The tenants that are noisy now, of those that have a backlog.
    pub(crate) fn noisy<E>(
        &mut self,
        now: i64,
        reaction: Reaction,
        mut has_backlog: impl FnMut(&str) -> Result<bool, E>,
    ) -> Result<BTreeSet<String>, E> {
        let all_in_flight = self.in_flight.len();
        let mut all_spent = self.others.within_window(now);
        for tenant in self.tenants.values_mut() {
            all_spent += tenant.spent.within_window(now);
        }
        let wide = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let least = IN_FLIGHT * usize::try_from(reaction.factor).unwrap_or(1);
        let mut noisy = BTreeSet::new();
        for (group, tenant) in &mut self.tenants {
            let exceeds = tenant.in_flight >= least
                && reaction.is_too_much(wide(tenant.in_flight), wide(all_in_flight))
                || reaction.is_too_much(tenant.spent.sum, all_spent);
            tenant.exceeds = exceeds.then(|| tenant.exceeds.unwrap_or(now));
            if tenant.exceeds.is_some_and(|since| now >= since + reaction.delay_ms) {
                tenant.noisy_until.get_or_insert(now + NOISY_MS);
            }
            if let Some(until) = tenant.noisy_until {
                if now >= until || !has_backlog(group)? {
                    tenant.noisy_until = None;
                } else {
                    noisy.insert(group.clone());
                }
            }
        }
        self.tenants.retain(|_, tenant| tenant.in_flight > 0 || tenant.spent.sum > 0);
        Ok(noisy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noisy(fairness: &mut Fairness, now: i64, reaction: Reaction) -> Vec<String> {
        let noisy = fairness.noisy(now, reaction, |_| Ok::<_, ()>(true));
        noisy.unwrap().into_iter().collect()
    }

    #[test]
    fn a_tenant_with_thirty_in_flight_and_more_than_a_tenth_is_noisy() {
        let mut fairness = Fairness::default();
        for message in 0..29 {
            fairness.received(message, Some("a"), 0);
        }
        assert!(noisy(&mut fairness, 0, Reaction::PROMPT).is_empty());
        fairness.received(29, Some("a"), 0);
        assert_eq!(noisy(&mut fairness, 0, Reaction::PROMPT), ["a"]);
        let mut crowded = Fairness::default();
        for message in 0..300 {
            crowded.received(message, (message < 30).then_some("a"), 0);
        }
        assert!(noisy(&mut crowded, 0, Reaction::PROMPT).is_empty(), "just a tenth");
    }

    #[test]
    fn a_tenant_that_takes_more_than_a_tenth_of_the_time_is_noisy() {
        let mut fairness = Fairness::default();
        for (message, group, took) in [(1, "slow", 5_000), (2, "quick", 100), (3, "quick", 100)] {
            fairness.received(message, Some(group), 0);
            fairness.deleted(message, took);
        }
        assert_eq!(noisy(&mut fairness, 5_000, Reaction::PROMPT), ["slow"]);
        assert!(noisy(&mut fairness, 5_000 + WINDOW_MS + NOISY_MS, Reaction::PROMPT).is_empty());
    }

    #[test]
    fn a_noisy_tenant_is_quiet_when_its_backlog_is_gone_or_after_five_minutes() {
        let mut fairness = Fairness::default();
        for message in 0..40 {
            fairness.received(message, Some("a"), 0);
        }
        assert_eq!(noisy(&mut fairness, 0, Reaction::PROMPT), ["a"]);
        for message in 0..40 {
            fairness.deleted(message, 0);
        }
        fairness.received(99, Some("a"), 1);
        assert_eq!(noisy(&mut fairness, 1, Reaction::PROMPT), ["a"], "it has a backlog");
        assert!(fairness.noisy(2, Reaction::PROMPT, |_| Ok::<_, ()>(false)).unwrap().is_empty());
        let mut other = Fairness::default();
        for message in 0..40 {
            other.received(message, Some("a"), 0);
        }
        assert_eq!(noisy(&mut other, 0, Reaction::PROMPT), ["a"]);
        for message in 1..40 {
            other.deleted(message, 0);
        }
        assert_eq!(noisy(&mut other, NOISY_MS - 1, Reaction::PROMPT), ["a"]);
        assert!(noisy(&mut other, NOISY_MS, Reaction::PROMPT).is_empty());
    }

    #[test]
    fn a_late_reaction_needs_twice_as_much_and_ten_seconds() {
        let mut fairness = Fairness::default();
        for message in 0..59 {
            fairness.received(message, Some("a"), 0);
        }
        assert!(noisy(&mut fairness, 0, Reaction::LATE).is_empty());
        fairness.received(59, Some("a"), 0);
        assert!(noisy(&mut fairness, 0, Reaction::LATE).is_empty());
        assert!(noisy(&mut fairness, 9_999, Reaction::LATE).is_empty());
        assert_eq!(noisy(&mut fairness, 10_000, Reaction::LATE), ["a"]);
    }
}
