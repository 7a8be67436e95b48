//! A row of the log of attempts: those of one endpoint that began in the same second and were
//! recorded together. A write unit holds some ten of them, deflated.

use std::collections::BTreeMap;

use domain::{
    id::{AttemptId, EndpointId, ProjectId},
    model::Attempt,
};

use crate::{
    StoreError,
    item::{Item, format_version, key, number},
    packed::{pack, unpack_text},
    row_keys::pk,
};

/// The most attempts of a row: with the longest answers it stays far below 400 KB (DynamoDB).
const MOST: usize = 50;
/// How many attempts a row holds.
pub(crate) const COUNT: &str = "n";

/// A row with its attempts, in the order of their ids. Its id is the first one's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: AttemptId,
    /// There is one at least.
    pub attempts: Vec<Attempt>,
}

impl Entry {
    /// The rows that hold these attempts.
    pub fn of(attempts: impl IntoIterator<Item = Attempt>) -> Vec<Self> {
        let mut groups: BTreeMap<(ProjectId, EndpointId, u64), Vec<Attempt>> = BTreeMap::new();
        for attempt in attempts {
            let second = attempt.id.time().seconds();
            groups.entry((attempt.project, attempt.endpoint, second)).or_default().push(attempt);
        }
        let mut entries = Vec::new();
        for mut group in groups.into_values() {
            group.sort_by_key(|attempt| attempt.id);
            entries.extend(group.chunks(MOST).filter_map(|chunk| {
                Some(Self { id: chunk.first()?.id, attempts: chunk.to_vec() })
            }));
        }
        entries
    }

    /// The row, kept until then (Unix seconds).
    pub(crate) fn row(&self, expires_at: u64) -> Result<Item, StoreError> {
        let first = self.attempts.first().ok_or(StoreError::Damaged("attempts"))?;
        let text =
            serde_json::to_string(&self.attempts).map_err(|_| StoreError::Damaged("attempts"))?;
        let mut row = key_of(first.project, first.endpoint, self.id);
        row.insert("v".to_owned(), format_version());
        row.insert(COUNT.to_owned(), number(self.attempts.len() as u64));
        row.insert("attempts".to_owned(), pack(&text));
        row.insert("expires_at".to_owned(), number(expires_at));
        Ok(row)
    }
}

/// The key of a row.
pub(crate) fn key_of(project: ProjectId, endpoint: EndpointId, id: AttemptId) -> Item {
    key(pk::attempts(project, endpoint, id.shard()), id.to_string())
}

/// The attempts of a row.
pub(crate) fn attempts_of(row: &Item) -> Result<Vec<Attempt>, StoreError> {
    let text = row.get("attempts").and_then(unpack_text);
    text.and_then(|text| serde_json::from_str(&text).ok()).ok_or(StoreError::Damaged("attempts"))
}

#[cfg(test)]
mod tests {
    use domain::{
        id::EventId,
        model::{Outcome, Trigger},
        time::Timestamp,
    };

    use super::*;

    fn attempt(millis: u64, endpoint: u128) -> Attempt {
        let at = Timestamp::from_millis(millis);
        Attempt {
            id: AttemptId::new(at, endpoint),
            project: ProjectId::new(at, 1),
            event: EventId::new(at, 1),
            endpoint: EndpointId::new(Timestamp::from_millis(0), endpoint),
            kind: "task.created".parse().unwrap(),
            url: "https://example.com/webhooks".to_owned(),
            number: 1,
            round: None,
            trigger: Trigger::Scheduled,
            outcome: Outcome::Succeeded,
            response_status: Some(200),
            response_body: Some("ok".to_owned()),
            error: None,
            duration_ms: 7,
            created_at: at,
            next_attempt_at: None,
        }
    }

    #[test]
    fn attempts_of_one_endpoint_and_second_share_a_row() {
        let project = ProjectId::new(Timestamp::from_millis(0), 1);
        let of = |millis, endpoint| Attempt { project, ..attempt(millis, endpoint) };
        let entries =
            Entry::of([of(1_900, 1), of(1_001, 1), of(2_000, 1), of(1_500, 2), of(1_001, 1)]);
        let told: Vec<_> = entries
            .iter()
            .map(|entry| {
                let times = entry.attempts.iter().map(|attempt| attempt.id.time().millis());
                (entry.id == entry.attempts[0].id, times.collect::<Vec<_>>())
            })
            .collect();
        assert_eq!(
            told,
            [(true, vec![1_001, 1_001, 1_900]), (true, vec![2_000]), (true, vec![1_500]),]
        );
        let many = Entry::of((0..120).map(|number| of(3_000 + number, 1)));
        assert_eq!(many.iter().map(|entry| entry.attempts.len()).collect::<Vec<_>>(), [50, 50, 20]);
    }

    #[test]
    fn a_row_gives_its_attempts_back_and_ten_of_them_take_one_write_unit() {
        let project = ProjectId::new(Timestamp::from_millis(0), 1);
        let ten = (0..10).map(|number| Attempt { project, ..attempt(1_000 + number, 1) });
        for attempts in [vec![attempt(1, 1)], ten.collect::<Vec<_>>()] {
            let [entry] = Entry::of(attempts.clone()).try_into().unwrap();
            let row = entry.row(9).unwrap();
            assert_eq!(attempts_of(&row).unwrap(), attempts);
            let size: usize = row
                .iter()
                .map(|(name, value)| {
                    let text = value.as_s().map(String::len).or(value.as_n().map(String::len));
                    name.len() + text.unwrap_or_else(|_| value.as_b().unwrap().as_ref().len())
                })
                .sum();
            assert!(size <= 1_024, "{size} bytes for {}", attempts.len());
        }
    }
}
