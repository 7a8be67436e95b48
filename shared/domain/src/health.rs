//! How an endpoint is doing, and what is done about one that keeps failing.
//!
//! A receiver that is down must neither fill the retries queue nor occupy functions. After
//! [`OPENS_AFTER`] first attempts in a row that failed its *circuit* opens: deliveries are
//! *parked*, off the queues, and *probes* are sent at growing intervals. The first success
//! releases the parked deliveries, oldest first, at a pace that grows while they succeed.
//!
//! A receiver that refuses some events for good is not down. Each of these makes many failed
//! attempts, so retries hardly count; and after a first probe that failed, several are sent at
//! once, of old and of new deliveries.
//!
//! A healthy endpoint pays nothing. Only failures, and the first success after some, write to an
//! endpoint's health.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    id::{EndpointId, ProjectId},
    time::Timestamp,
};

/// Failed first attempts in a row that open the circuit.
pub const OPENS_AFTER: u64 = 10;
/// Failures of any attempts in a row that open it. If half of all events are refused for good, nine
/// attempts of ten fail: so many in a row by chance come every few days.
const OPENS_AFTER_ANY: u64 = 100;
/// An endpoint with few deliveries counts as failing when none has succeeded for so long.
const FAILING_AFTER: Duration = Duration::from_hours(1);
/// The wait before the first probe; each next one is twice as long, up to [`MAX_PROBE_WAIT`].
const FIRST_PROBE_WAIT: Duration = Duration::from_secs(5);
/// The longest time that a recovered receiver waits for its deliveries.
pub const MAX_PROBE_WAIT: Duration = Duration::from_mins(5);
/// The most probes at once.
const MAX_PROBES: usize = 8;
/// Parked deliveries that are released in the first second.
const FIRST_PACE: usize = 10;
/// And at most in any: 50 batches of SQS.
const MAX_PACE: usize = 500;
/// Between two lots of released deliveries.
const RELEASE_WAIT: Duration = Duration::from_secs(1);
/// How often a circuit looks for stragglers when its list is empty, and the waits before. A batch
/// that saw the circuit open can still park deliveries until its invocation ends (a minute), and
/// the list may lag: by seconds, or for longer if the index is throttled.
const LOOKS: [Duration; 6] = [
    Duration::from_secs(45),
    Duration::from_secs(45),
    Duration::from_secs(45),
    Duration::from_secs(45),
    Duration::from_hours(1),
    Duration::from_hours(24),
];
/// For how long whoever claims a circuit has it to himself: longer than a step takes, and than a
/// probe is on its way. Then the claim is taken for lost.
pub const CLAIMED_FOR: Duration = Duration::from_mins(1);

/// Failures since the last success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// Of any attempts.
    pub all: u64,
    /// Of deliveries' first attempts.
    pub first: u64,
}

impl Failures {
    /// The fewest that open a circuit.
    pub const OPENING: Self = Self { all: OPENS_AFTER, first: OPENS_AFTER };

    /// Whether the receiver seems to be down, and does not just refuse what it is sent again.
    pub fn are_an_outage(self) -> bool {
        self.first >= OPENS_AFTER || self.all >= OPENS_AFTER_ANY
    }
}

/// The health of an endpoint. An endpoint that has never failed has none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// Its project.
    pub project: ProjectId,
    /// Failures since the last success.
    #[serde(default)]
    pub failures: u64,
    /// How many of them were first attempts.
    #[serde(default)]
    pub first_failures: u64,
    /// The first of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
    /// The last failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure_at: Option<Timestamp>,
    /// The last success that ended failures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success_at: Option<Timestamp>,
    /// Whether the project was told that it is failing.
    #[serde(default)]
    pub announced: bool,
    /// What is being done, while something is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circuit: Option<Circuit>,
    /// When `jobs` does the circuit's next step: the row's place in the list of what is due.
    #[serde(default, rename = "list_at", skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
}

/// What is being done about a failing endpoint, step by step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Circuit {
    /// Counted up with every change, and never the same again: a change is bound to the step that
    /// it was decided on. It begins at the milliseconds at which the circuit opened.
    pub step: u64,
    /// What the next step does.
    pub phase: Phase,
    /// How far the release has come: what is parked of older events has been released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<Timestamp>,
    /// Whether a probe is on its way: before the next step is due, nobody sends another one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub probing: bool,
}

/// What a circuit's next step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Probe the receiver; this many probes have failed. Deliveries are parked.
    Open(u32),
    /// Release this many parked deliveries. New deliveries are sent.
    Releasing(usize),
    /// Look once more for parked ones: so many looks have found none. New ones are sent.
    Lingering(u8),
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepResult {
    /// Nothing was parked.
    Nothing,
    /// The probe failed; or, as the endpoint is paused, no probe could be sent or nothing could be
    /// released. With the wait that the receiver asked for, if it asked.
    Down(Duration),
    /// The probe arrived; or the endpoint takes no more deliveries, and its parked ones must be
    /// refused.
    Up,
    /// The number of deliveries that were released.
    Released(usize),
    /// There are parked ones, and all of them have been released: they are on their way.
    UnderWay,
}

impl Health {
    /// Its failures since the last success.
    pub fn recent(&self) -> Failures {
        Failures { all: self.failures, first: self.first_failures }
    }

    /// Whether the endpoint counts as failing.
    pub fn is_failing(&self) -> bool {
        self.recent().are_an_outage() || self.failing_for() >= FAILING_AFTER
    }

    /// Between the first and the last of its failures. A quiet time after one says nothing.
    fn failing_for(&self) -> Duration {
        self.failing_since
            .zip(self.last_failure_at)
            .map(|(first, last)| last.since(first))
            .unwrap_or_default()
    }

    /// Whether it must be disabled. A few failures with days between them are not enough.
    pub fn must_be_disabled(&self, after: Duration) -> bool {
        self.failures >= OPENS_AFTER && self.failing_for() >= after
    }

    /// Whether deliveries must be parked.
    pub fn is_open(&self) -> bool {
        matches!(&self.circuit, Some(Circuit { phase: Phase::Open(_), .. }))
    }

    /// Whether the circuit must be opened now.
    pub fn must_open(&self) -> bool {
        self.recent().are_an_outage() && !self.is_open()
    }

    /// What its circuit's next step does; without a circuit, that of one that opens.
    pub fn phase(&self) -> Phase {
        self.circuit.as_ref().map_or(Phase::FIRST, |circuit| circuit.phase)
    }

    /// Whether a probe is on its way, or lost: that shows when the next step is due.
    pub fn is_probing(&self) -> bool {
        self.circuit.as_ref().is_some_and(|circuit| circuit.probing)
    }

    /// From which event's time on a release goes on; `None` if one begins with the oldest.
    pub fn released(&self) -> Option<Timestamp> {
        let circuit = self.circuit.as_ref()?;
        circuit.released.filter(|_| matches!(circuit.phase, Phase::Releasing(_)))
    }

    /// Whether a delivery that comes now must be the probe: nobody has sent one in time.
    pub fn wants_a_probe(&self, now: Timestamp) -> bool {
        self.is_open() && self.due_at.is_some_and(|due| due <= now)
    }
}

impl Phase {
    /// Of a circuit that opens.
    pub const FIRST: Self = Self::Open(0);
    /// The phase of a circuit whose receiver has recovered.
    pub const RECOVERED: Self = Self::Releasing(FIRST_PACE);

    /// How long to wait for the next step in this phase.
    pub fn wait(self) -> Duration {
        match self {
            Self::Open(probes) => {
                FIRST_PROBE_WAIT.saturating_mul(1 << probes.min(10)).min(MAX_PROBE_WAIT)
            }
            Self::Releasing(_) => RELEASE_WAIT,
            Self::Lingering(looks) => LOOKS[usize::from(looks).min(LOOKS.len() - 1)],
        }
    }

    /// How long to wait after a step that found this: longer if the receiver asks for it, but no
    /// longer than the longest wait between probes. A probe before the time that the receiver named
    /// would fail.
    pub fn wait_after(self, found: StepResult) -> Duration {
        match found {
            StepResult::Down(asked) => self.wait().max(asked.min(MAX_PROBE_WAIT)),
            _ => self.wait(),
        }
    }

    /// The same phase, with at most as many releases a second as the endpoint's rate limit allows:
    /// more would only move from one queue to another.
    #[must_use]
    pub fn at_most(self, rate_limit: Option<u16>) -> Self {
        match (self, rate_limit) {
            (Self::Releasing(pace), Some(limit)) => Self::Releasing(pace.min(limit.into())),
            _ => self,
        }
    }

    /// The phase after a step that found this; `None` if the circuit is done. `failures` are those
    /// of the endpoint's health by then.
    pub fn after(self, found: StepResult, failures: Failures) -> Option<Self> {
        let failing_again = failures.are_an_outage();
        match (self, found) {
            // With nothing parked there is nothing to probe with: the next delivery is the probe,
            // and opens the circuit again if it fails. But a batch that saw the circuit open may be
            // about to park some.
            (Self::Open(_), StepResult::Nothing) => Some(Self::Lingering(0)),
            (Self::Open(_), StepResult::Up) => Some(Self::RECOVERED),
            (Self::Open(probes), _) => Some(Self::Open(probes.saturating_add(1))),
            // These failures are older: nothing has been sent since.
            (Self::Lingering(looks), StepResult::Released(0)) => Self::look(looks + 1),
            (_, StepResult::Down(_)) => Some(Self::FIRST),
            (_, StepResult::Released(_) | StepResult::Up) if failing_again => Some(Self::FIRST),
            (_, StepResult::UnderWay) => Some(Self::Lingering(0)),
            (Self::Releasing(pace), StepResult::Released(count)) if count >= pace => {
                // One failure is a hint to go no faster.
                Some(Self::Releasing(if failures.all == 0 {
                    (pace * 2).min(MAX_PACE)
                } else {
                    pace
                }))
            }
            (Self::Lingering(_), StepResult::Released(_)) => Some(Self::RECOVERED),
            (Self::Lingering(looks), _) => Self::look(looks + 1),
            (Self::Releasing(_), _) => Some(Self::Lingering(0)),
        }
    }

    /// The look of this number, if there is one.
    fn look(number: u8) -> Option<Self> {
        (usize::from(number) < LOOKS.len()).then_some(Self::Lingering(number))
    }

    /// How many parked deliveries probe the receiver at once: one at first, then more and more, so
    /// that some of them are such as the receiver does not refuse for good.
    pub fn probes(self) -> usize {
        match self {
            Self::Open(probes) => usize::try_from(probes)
                .map_or(MAX_PROBES, |probes| MAX_PROBES.min(probes.saturating_add(1))),
            Self::Releasing(_) | Self::Lingering(_) => 0,
        }
    }

    /// How many parked deliveries a step of this phase releases.
    pub fn pace(self) -> usize {
        match self {
            Self::Releasing(pace) => pace,
            Self::Open(_) | Self::Lingering(_) => FIRST_PACE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    const NONE: Failures = Failures { all: 0, first: 0 };

    fn some(count: u64) -> Failures {
        Failures { all: count, first: count }
    }

    fn health(failures: u64, since: u64, last: u64) -> Health {
        Health {
            endpoint: EndpointId::new(at(0), 0),
            project: ProjectId::new(at(0), 0),
            failures,
            first_failures: failures,
            failing_since: (failures > 0).then(|| at(since)),
            last_failure_at: (failures > 0).then(|| at(last)),
            last_success_at: None,
            announced: false,
            circuit: None,
            due_at: None,
        }
    }

    #[test]
    fn many_failures_or_a_long_time_of_them_are_failing() {
        assert!(!health(0, 0, 0).is_failing());
        assert!(!health(2, 0, 3_599).is_failing());
        assert!(health(2, 0, 3_600).is_failing());
        assert!(
            !health(OPENS_AFTER - 1, 0, 1).is_failing() && health(OPENS_AFTER, 0, 1).is_failing()
        );
        assert!(
            health(OPENS_AFTER, 0, 1).must_open() && !health(OPENS_AFTER - 1, 0, 1).must_open()
        );
    }

    #[test]
    fn retries_that_fail_hardly_count() {
        let retries = |failures| Health { first_failures: 9, ..health(failures, 0, 1) };
        assert!(!retries(99).must_open() && !retries(99).is_failing());
        assert!(retries(100).must_open() && retries(100).is_failing());
        let refused = Failures { all: 99, first: 5 };
        let pace = Phase::Releasing(20).after(StepResult::Released(20), refused);
        assert_eq!(pace, Some(Phase::Releasing(20)));
    }

    #[test]
    fn probes_are_one_at_first_and_then_more_and_more() {
        let probes: Vec<_> = [0, 1, 5, 7, 8, u32::MAX].map(|n| Phase::Open(n).probes()).into();
        assert_eq!(probes, [1, 2, 6, 8, 8, 8]);
        assert_eq!(Phase::Releasing(11).probes(), 0);
    }

    #[test]
    fn days_of_failures_disable_but_not_two_failures_with_days_between_them() {
        let days = Duration::from_hours(5 * 24);
        assert!(!health(2, 0, 6 * 86_400).must_be_disabled(days));
        assert!(!health(OPENS_AFTER, 0, 5 * 86_400 - 1).must_be_disabled(days));
        assert!(health(OPENS_AFTER, 0, 5 * 86_400).must_be_disabled(days));
    }

    #[test]
    fn probes_come_at_growing_intervals_up_to_a_bound() {
        let waits: Vec<_> = (0..9).map(|probes| Phase::Open(probes).wait().as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        assert_eq!(Phase::Open(u32::MAX).wait(), MAX_PROBE_WAIT);
        assert_eq!(
            Phase::Open(3).after(StepResult::Down(Duration::ZERO), some(50)),
            Some(Phase::Open(4))
        );
    }

    #[test]
    fn a_success_lets_the_parked_ones_go_faster_and_faster() {
        let mut phase = Phase::Open(3).after(StepResult::Up, NONE).unwrap();
        let mut paces = Vec::new();
        for _ in 0..8 {
            paces.push(phase.pace());
            phase = phase.after(StepResult::Released(phase.pace()), NONE).unwrap();
        }
        assert_eq!(paces, [10, 20, 40, 80, 160, 320, 500, 500]);
        assert_eq!(
            Phase::Releasing(40).after(StepResult::Released(40), some(3)),
            Some(Phase::Releasing(40)),
            "no faster after a failure"
        );
    }

    #[test]
    fn a_receiver_that_asks_for_more_time_gets_it_within_reason() {
        let waits = [0, 30, 9_999].map(|asked| {
            Phase::Open(1).wait_after(StepResult::Down(Duration::from_secs(asked))).as_secs()
        });
        assert_eq!(waits, [10, 30, 300]);
        assert_eq!(
            Phase::Open(9).wait_after(StepResult::Down(Duration::from_secs(30))),
            MAX_PROBE_WAIT,
            "never less"
        );
    }

    #[test]
    fn no_more_is_let_go_than_the_endpoint_takes() {
        assert_eq!(Phase::Releasing(80).at_most(Some(5)), Phase::Releasing(5));
        assert_eq!(Phase::Releasing(80).at_most(None), Phase::Releasing(80));
        let all = Phase::Releasing(80).at_most(Some(5)).after(StepResult::Released(5), NONE);
        assert_eq!(all, Some(Phase::Releasing(10)), "there may be more");
    }

    #[test]
    fn a_receiver_that_fails_again_is_probed_again() {
        for phase in [Phase::Releasing(500), Phase::Lingering(4)] {
            assert_eq!(phase.after(StepResult::Released(1), Failures::OPENING), Some(Phase::FIRST));
        }
    }

    #[test]
    fn what_is_parked_waits_while_the_endpoint_is_paused() {
        for phase in [Phase::Releasing(500), Phase::Lingering(4)] {
            assert_eq!(phase.after(StepResult::Down(Duration::ZERO), NONE), Some(Phase::FIRST));
        }
    }

    #[test]
    fn what_was_parked_late_is_found_before_all_is_done() {
        let lingering = Phase::Releasing(20).after(StepResult::Released(3), NONE).unwrap();
        assert_eq!(lingering, Phase::Lingering(0));
        for looks in (0..).take(LOOKS.len()) {
            let found = |found| Phase::Lingering(looks).after(found, NONE);
            assert_eq!(found(StepResult::Released(2)), Some(Phase::RECOVERED));
            assert_eq!(found(StepResult::UnderWay), Some(Phase::Lingering(0)));
        }
        let (mut phase, mut waits) = (Some(lingering), Vec::new());
        while let Some(this) = phase {
            waits.push(this.wait().as_secs());
            phase = this.after(StepResult::Released(0), NONE);
        }
        assert_eq!(waits, [45, 45, 45, 45, 3_600, 86_400]);
        assert_eq!(
            Phase::Releasing(20).after(StepResult::UnderWay, NONE),
            Some(Phase::Lingering(0)),
            "as long as any of them has not ended, somebody looks"
        );
    }

    #[test]
    fn without_anything_parked_the_next_delivery_is_the_probe() {
        // Deliveries are sent again, and the circuit checks for what a batch parks that saw it
        // open.
        let lingering = Phase::Open(5).after(StepResult::Nothing, some(12)).unwrap();
        assert_eq!(lingering, Phase::Lingering(0));
        assert_eq!(
            lingering.after(StepResult::Released(0), some(12)),
            Some(Phase::Lingering(1)),
            "the failures are those of before"
        );
        assert_eq!(lingering.after(StepResult::Released(1), some(12)), Some(Phase::FIRST));
    }

    #[test]
    fn a_probe_that_is_due_may_be_any_delivery() {
        let with = |phase| Health {
            circuit: Some(Circuit { step: 1, phase, released: None, probing: false }),
            due_at: Some(at(1_000)),
            ..health(10, 0, 1)
        };
        let open = with(Phase::Open(9));
        assert!(open.is_open() && !open.must_open());
        assert!(!open.wants_a_probe(at(999)) && open.wants_a_probe(at(1_000)));
        assert!(!with(Phase::RECOVERED).wants_a_probe(at(9_999)), "it is known to be well");
        assert!(!health(10, 0, 1).wants_a_probe(at(9_999)));
    }
}
