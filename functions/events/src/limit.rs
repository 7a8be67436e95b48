//! How many events a second a project may post, on average.
//!
//! Held in this process's memory, so that it costs an event nothing.
//!
//! # Pitfalls
//!
//! Each instance of the function counts for itself, and Lambda runs as many as there are requests
//! at once: a project that posts on n connections may get n times the rate. So it stops a producer
//! gone wild, whose batches of a hundred pass API Gateway's throttle as one request each; what all
//! requests together may be is that throttle's to say (template.yaml).

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use api::ApiError;
use domain::{id::ProjectId, time::Timestamp};
use store::Access;

/// How far a project may be ahead of its rate.
const BURST: Duration = Duration::from_secs(1);
/// Projects that are remembered before those are forgotten that are within their rate.
const REMEMBERED: usize = 1_000;

/// The limit, and how far each project is ahead of it.
#[derive(Debug)]
pub(crate) struct EventLimit {
    per_second: NonZeroU32,
    ahead: Mutex<HashMap<ProjectId, Ahead>>,
}

/// A leaky bucket: what is in it, as the time that it takes to drain, at a moment.
#[derive(Clone, Copy, Debug)]
struct Ahead {
    by: Duration,
    at: Timestamp,
}

impl Ahead {
    fn now(self, now: Timestamp) -> Duration {
        self.by.saturating_sub(now.since(self.at))
    }
}

impl EventLimit {
    pub(crate) fn new(per_second: NonZeroU32) -> Self {
        Self { per_second, ahead: Mutex::default() }
    }

    /// Counts events that are about to be accepted, or refuses all of them with 429. A batch that
    /// begins within the limit may end beyond it, or a low limit would never take a large batch;
    /// what comes next waits the longer.
    pub(crate) fn take(
        &self,
        access: Access,
        events: usize,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let mut projects = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        if projects.len() >= REMEMBERED {
            projects.retain(|_, ahead| !ahead.now(now).is_zero());
        }
        let by = projects.get(&access.project()).map_or(Duration::ZERO, |ahead| ahead.now(now));
        if by > BURST {
            let seconds = u16::try_from(by.saturating_sub(BURST).as_secs() + 1).unwrap_or(u16::MAX);
            return Err(ApiError::rate_limited(
                format!("a project may post at most {} events a second", self.per_second),
                seconds,
            ));
        }
        let events = u32::try_from(events).unwrap_or(u32::MAX);
        let by = by + Duration::from_secs(events.into()) / self.per_second.get();
        projects.insert(access.project(), Ahead { by, at: now });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use domain::model::Project;

    use super::*;

    const START: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn limit(per_second: u32) -> EventLimit {
        EventLimit::new(NonZeroU32::new(per_second).unwrap())
    }

    fn project(number: u128) -> Access {
        let id = ProjectId::new(START, number);
        Access::of_project(&Project::new(id, "Acme".to_owned(), START))
    }

    #[test]
    fn over_time_a_project_gets_its_rate_and_a_second_of_burst() {
        let limit = limit(50);
        let accepted = (0..20_000)
            .filter(|milli| {
                limit.take(project(1), 1, START + Duration::from_millis(*milli)).is_ok()
            })
            .count();
        assert!((20 * 50 + 45..=20 * 50 + 55).contains(&accepted), "{accepted} events in 20 s");
    }

    #[test]
    fn a_batch_above_the_rate_is_taken_once_and_paid_for_by_waiting() {
        let limit = limit(10);
        let at = |seconds| START + Duration::from_secs(seconds);
        assert!(limit.take(project(1), 100, at(0)).is_ok());
        let refused = limit.take(project(1), 1, at(0)).unwrap_err();
        assert_eq!(refused.status(), 429);
        assert!(limit.take(project(1), 1, at(8)).is_err());
        assert!(limit.take(project(1), 100, at(9)).is_ok());
        assert!(limit.take(project(2), 1, at(0)).is_ok(), "another project's rate is its own");
    }

    #[test]
    fn what_is_refused_costs_nothing() {
        let limit = limit(1);
        assert!(limit.take(project(1), 3, START).is_ok());
        for _ in 0..1_000 {
            assert!(limit.take(project(1), 100, START).is_err());
        }
        assert!(limit.take(project(1), 1, START + Duration::from_secs(2)).is_ok());
    }

    #[test]
    fn projects_within_their_rate_are_forgotten() {
        let limit = limit(1);
        for number in 0..10_000 {
            limit
                .take(
                    project(number),
                    1,
                    START + Duration::from_secs(u64::try_from(number).unwrap()),
                )
                .unwrap();
        }
        assert!(limit.ahead.lock().unwrap().len() <= REMEMBERED);
    }

    #[test]
    fn a_clock_that_goes_back_frees_nobody_and_blocks_nobody_for_ever() {
        let limit = limit(1);
        limit.take(project(1), 5, START + Duration::from_mins(1)).unwrap();
        assert!(limit.take(project(1), 1, START).is_err());
        assert!(limit.take(project(1), 1, START + Duration::from_secs(64)).is_ok());
    }
}
