//! What to do with a delivery's message, given what the log says: the heart of "at least once, and
//! nothing twice that has succeeded".
//!
//! # Pitfalls
//!
//! SQS's receive count is not the attempt number (throttling and waiting raise it too). Only the
//! log counts.

use std::time::Duration;

use crate::{
    id::RoundId,
    model::{Attempt, Outcome, Trigger},
    time::Timestamp,
};

/// A first message that is younger than this brings a delivery that nobody else can have made: who
/// repeats a request waits for longer before another message goes out. Older ones come from a
/// backlog or a dead-letter queue, and the log and the delivery's row are asked first.
pub const FIRST_WINDOW: Duration = Duration::from_secs(10);

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextAction {
    /// It has succeeded, or was given up: drop the message.
    Drop,
    /// It is not due before then.
    Wait(Timestamp),
    /// Send it.
    Send {
        /// The attempt's number in the log, from 1, over all rounds.
        number: u32,
        /// Its place in the schedule, from 1.
        turn: usize,
    },
}

/// The first attempt of a delivery that the log can't know yet.
pub const FIRST: NextAction = NextAction::Send { number: 1, turn: 1 };

/// Decides by all `attempts` in the log of this event to this endpoint. A scheduled delivery is
/// done after any success. A resend is done after a success of its own round, or any success after
/// it was requested. Either has ended with an attempt that failed and has none to follow. Numbers
/// count all attempts.
pub fn decide(attempts: &[Attempt], round: Option<RoundId>, now: Timestamp) -> NextAction {
    // Probes are the circuit's own and use up no turn.
    let own = || {
        attempts
            .iter()
            .filter(|attempt| attempt.round == round && attempt.trigger != Trigger::Probe)
    };
    let counts = |attempt: &Attempt| {
        round.is_none_or(|this| attempt.round == round || attempt.created_at > this.time())
    };
    let done = |attempt: &Attempt| attempt.outcome == Outcome::Succeeded && counts(attempt);
    if attempts.iter().any(done) {
        return NextAction::Drop;
    }
    let last = own().max_by_key(|attempt| (attempt.number, attempt.created_at));
    match last.map(|attempt| attempt.next_attempt_at) {
        Some(None) => NextAction::Drop,
        Some(Some(due)) if due > now => NextAction::Wait(due),
        _ => NextAction::Send {
            number: attempts
                .iter()
                .map(|attempt| attempt.number)
                .max()
                .unwrap_or(0)
                .saturating_add(1),
            turn: own()
                .map(|attempt| attempt.number)
                .collect::<std::collections::BTreeSet<_>>()
                .len()
                + 1,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{AttemptId, EndpointId, EventId};

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn attempt(number: u32, outcome: Outcome, next: Option<u64>) -> Attempt {
        let event = EventId::new(at(0), 0);
        Attempt {
            id: AttemptId::of(&event, at(u64::from(number)), 0),
            event,
            endpoint: EndpointId::new(at(0), 0),
            kind: "task.created".parse().unwrap(),
            url: "https://example.com/".into(),
            number,
            round: None,
            trigger: Trigger::Scheduled,
            outcome,
            response_status: None,
            response_body: None,
            error: None,
            duration_ms: 1,
            created_at: at(u64::from(number)),
            next_attempt_at: next.map(at),
        }
    }

    #[test]
    fn an_unknown_delivery_is_sent_for_the_first_time() {
        assert_eq!(decide(&[], None, at(9)), FIRST);
    }

    #[test]
    fn what_has_succeeded_is_never_sent_again() {
        let log = [attempt(1, Outcome::HttpError, Some(5)), attempt(2, Outcome::Succeeded, None)];
        assert_eq!(decide(&log, None, at(99)), NextAction::Drop);
        assert_eq!(
            decide(
                &[attempt(1, Outcome::Succeeded, None), attempt(2, Outcome::Timeout, Some(5))],
                None,
                at(99)
            ),
            NextAction::Drop
        );
    }

    #[test]
    fn before_its_time_a_retry_waits_and_then_is_sent_with_the_next_number() {
        let log = [attempt(1, Outcome::HttpError, Some(100))];
        assert_eq!(decide(&log, None, at(40)), NextAction::Wait(at(100)));
        assert_eq!(decide(&log, None, at(100)), NextAction::Send { number: 2, turn: 2 });
    }

    #[test]
    fn what_was_given_up_is_sent_again_by_a_resend_only() {
        let log = [attempt(1, Outcome::HttpError, Some(5)), attempt(2, Outcome::HttpError, None)];
        assert_eq!(decide(&log, None, at(99)), NextAction::Drop);
        let resend = Some(RoundId::new(at(50), 1));
        assert_eq!(decide(&log, resend, at(99)), NextAction::Send { number: 3, turn: 1 });
    }

    #[test]
    fn a_probe_counts_as_an_attempt_but_not_as_a_turn_of_the_schedule() {
        let probe = Attempt { trigger: Trigger::Probe, ..attempt(2, Outcome::Timeout, Some(500)) };
        let log = [attempt(1, Outcome::HttpError, Some(5)), probe];
        assert_eq!(decide(&log, None, at(99)), NextAction::Send { number: 3, turn: 2 });
    }

    #[test]
    fn an_attempt_recorded_twice_uses_one_turn_of_the_schedule() {
        let log =
            [attempt(1, Outcome::HttpError, Some(5)), attempt(1, Outcome::HttpError, Some(6))];
        assert_eq!(decide(&log, None, at(99)), NextAction::Send { number: 2, turn: 2 });
    }

    #[test]
    fn a_resend_has_a_schedule_of_its_own_and_numbers_that_go_on() {
        let round = RoundId::new(at(50), 1);
        let log = [attempt(1, Outcome::Succeeded, None)];
        assert_eq!(decide(&log, Some(round), at(99)), NextAction::Send { number: 2, turn: 1 });
        let log = [
            attempt(1, Outcome::Succeeded, None),
            Attempt { round: Some(round), ..attempt(2, Outcome::Timeout, Some(60)) },
        ];
        assert_eq!(decide(&log, Some(round), at(99)), NextAction::Send { number: 3, turn: 2 });
        let log = [
            attempt(1, Outcome::Timeout, Some(500)),
            Attempt { round: Some(round), ..attempt(2, Outcome::Succeeded, None) },
        ];
        assert_eq!(decide(&log, Some(round), at(99)), NextAction::Drop);
        assert_eq!(
            decide(&log, None, at(999)),
            NextAction::Drop,
            "a resend that arrived makes the waiting retry needless"
        );
        let earlier = RoundId::new(at(1), 2);
        assert_eq!(
            decide(&log, Some(earlier), at(999)),
            NextAction::Drop,
            "and an earlier resend that waits or was given up"
        );
    }
}
