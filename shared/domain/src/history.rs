//! What a delivery's row remembers of its attempts: enough to go on without a look at the log.

use serde::{Deserialize, Serialize};

use crate::{
    delivery_row::DeliveryRow,
    id::{AttemptId, RoundId},
    model::{Attempt, Outcome, Trigger},
    time::Timestamp,
};

/// Rows of the log that are remembered: more than a schedule has attempts.
const ENTRIES: usize = 50;
/// Characters of the URL of the last attempt that are remembered.
const SHOWN_URL: usize = 100;

/// The attempts of a delivery, in short.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// Attempts over all rounds.
    pub attempts: u32,
    /// Attempts of this round, without probes: the places of its schedule that are used.
    pub turns: u32,
    /// The rows of the log that have its newest attempts, the one with the last attempt at the end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<AttemptId>,
    /// The last attempt. A crash may have come between this and the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<LastAttempt>,
}

/// What a row says of its last attempt, should the log lack it: all but the receiver's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastAttempt {
    id: AttemptId,
    url: String,
    number: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    round: Option<RoundId>,
    trigger: Trigger,
    outcome: Outcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    response_status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    duration_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<Timestamp>,
}

impl History {
    /// With one more attempt, which is in this row of the log.
    #[must_use]
    pub fn after(&self, attempt: &Attempt, entry: AttemptId) -> Self {
        let mut entries = self.entries.clone();
        if entries.last() != Some(&entry) {
            entries.push(entry);
        }
        entries.drain(..entries.len().saturating_sub(ENTRIES));
        Self {
            attempts: attempt.number.max(self.attempts + 1),
            turns: self.turns + u32::from(attempt.trigger != Trigger::Probe),
            entries,
            last: Some(LastAttempt::of(attempt)),
        }
    }

    /// The same, at the beginning of a round.
    #[must_use]
    pub fn anew(&self) -> Self {
        Self { turns: 0, ..self.clone() }
    }

    /// Of attempts that the log has in these rows, and no row of a delivery.
    pub fn of<'a>(attempts: impl IntoIterator<Item = (&'a Attempt, AttemptId)>) -> Self {
        let after = |history: Self, (attempt, entry)| history.after(attempt, entry);
        attempts.into_iter().fold(Self::default(), after).anew()
    }
}

impl LastAttempt {
    fn of(attempt: &Attempt) -> Self {
        let url = match attempt.url.char_indices().nth(SHOWN_URL) {
            Some((end, _)) => format!("{}…", &attempt.url[..end]),
            None => attempt.url.clone(),
        };
        Self {
            id: attempt.id,
            url,
            number: attempt.number,
            round: attempt.round,
            trigger: attempt.trigger,
            outcome: attempt.outcome,
            response_status: attempt.response_status,
            error: attempt.error.clone(),
            duration_ms: attempt.duration_ms,
            next_attempt_at: attempt.next_attempt_at,
        }
    }

    /// As the log would have it.
    pub fn attempt(&self, row: &DeliveryRow) -> Attempt {
        Attempt {
            id: self.id,
            project: row.project,
            event: row.event,
            endpoint: row.endpoint,
            kind: row.kind.clone(),
            url: self.url.clone(),
            number: self.number,
            round: self.round,
            trigger: self.trigger,
            outcome: self.outcome,
            response_status: self.response_status,
            response_body: None,
            error: self.error.clone(),
            duration_ms: self.duration_ms,
            created_at: self.id.time(),
            next_attempt_at: self.next_attempt_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{EndpointId, EventId, ProjectId};

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn attempt(number: u32, trigger: Trigger) -> Attempt {
        let at = at(u64::from(number));
        Attempt {
            id: AttemptId::new(at, number.into()),
            project: ProjectId::new(at, 1),
            event: EventId::new(at, 1),
            endpoint: EndpointId::new(at, 1),
            kind: "task.created".parse().unwrap(),
            url: "https://example.com/".to_owned(),
            number,
            round: None,
            trigger,
            outcome: Outcome::Timeout,
            response_status: None,
            response_body: Some("an answer".to_owned()),
            error: Some("no answer within 5 s".to_owned()),
            duration_ms: 5_000,
            created_at: at,
            next_attempt_at: Some(Timestamp::from_seconds(90)),
        }
    }

    fn entry(number: u32) -> AttemptId {
        AttemptId::new(at(u64::from(number)), 7)
    }

    #[test]
    fn attempts_are_counted_over_all_rounds_and_turns_in_this_one_without_probes() {
        let first = History::default().after(&attempt(1, Trigger::Scheduled), entry(1));
        let probed = first.after(&attempt(2, Trigger::Probe), entry(2));
        let again = probed.anew().after(&attempt(3, Trigger::Manual), entry(3));
        let counts = |history: &History| (history.attempts, history.turns);
        assert_eq!([&first, &probed, &again].map(counts), [(1, 1), (2, 1), (3, 1)]);
        assert_eq!(again.entries, [1, 2, 3].map(entry));
        let lost = History::default().after(&attempt(5, Trigger::Scheduled), entry(5));
        assert_eq!(lost.attempts, 5, "those before have no row");
    }

    #[test]
    fn the_newest_rows_of_the_log_are_remembered_each_once() {
        let mut history = History::default();
        for number in 1..=60 {
            history = history.after(&attempt(number, Trigger::Scheduled), entry(number));
        }
        assert_eq!(history.entries, (11..=60).map(entry).collect::<Vec<_>>());
        assert_eq!(history.after(&attempt(61, Trigger::Scheduled), entry(60)).entries.len(), 50);
    }

    #[test]
    fn what_the_log_lacks_is_all_there_but_for_the_answer() {
        let made = attempt(3, Trigger::Scheduled);
        let row = crate::delivery_row::tests::row_of(made.project, made.event, made.endpoint);
        let last = History::default().after(&made, entry(3)).last.unwrap();
        assert_eq!(last.attempt(&row), Attempt { response_body: None, ..made.clone() });
        let long = Attempt { url: "é".repeat(500), ..made };
        assert_eq!(LastAttempt::of(&long).url.chars().count(), SHOWN_URL + 1);
    }
}
