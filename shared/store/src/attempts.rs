//! The log of attempts, as `deliver` writes and asks it. Entries are only ever added.
//!
//! A delivery's row is written before the log, and says which entries have its attempts. A crash in
//! between leaves an entry out; whoever handles the row next puts it there, from what the row says.

use std::collections::HashMap;

use domain::{
    delivery::FIRST_WINDOW,
    delivery_row::DeliveryRow,
    id::{ATTEMPT_SHARDS, AttemptId, EndpointId, EventId, ProjectId},
    model::Attempt,
    time::Timestamp,
};
use futures::TryStreamExt;

use crate::{
    StoreError, Table,
    attempt_row::{COUNT, attempts_of, key_of},
    item::{Item, number, text},
    list::{END, bound},
    merge::Merge,
    row_keys::pk,
    table,
};

pub use crate::attempt_row::Entry;

/// Attempts outlive every message: up to 14 days of retries, and 14 in a dead-letter queue.
const MIN_RETENTION_DAYS: u32 = 30;
/// How far clocks of functions may differ, and how long an event takes to be enqueued.
const MARGIN_MILLIS: u64 = 5_000;
/// How often an entry is mended while others mend it.
const TRIES: u32 = 8;

/// Writes attempts, and answers what `deliver` asks of them.
#[derive(Clone, Debug)]
pub struct AttemptLog {
    table: Table,
    retention_seconds: u64,
}

/// How long attempts are kept if events are kept this many days.
fn kept_seconds(retention_days: u32) -> u64 {
    u64::from(retention_days.max(MIN_RETENTION_DAYS)) * 86_400
}

impl AttemptLog {
    /// Over the log table, for attempts that are kept this many days, but `MIN_RETENTION_DAYS` at
    /// least.
    pub fn new(log: Table, retention_days: u32) -> Self {
        Self { table: log, retention_seconds: kept_seconds(retention_days) }
    }

    /// Until when an attempt of this time is kept, in Unix seconds.
    pub fn expiry(&self, made_at: Timestamp) -> u64 {
        made_at.seconds() + self.retention_seconds
    }

    /// Records attempts: one call for up to 25 entries.
    pub async fn record(&self, entries: &[Entry]) -> Result<(), StoreError> {
        let rows = entries.iter().map(|entry| entry.row(self.expiry(entry.id.time())));
        table::put_all(&self.table, rows.collect::<Result<_, _>>()?).await
    }

    /// Puts the last attempts of these deliveries into the log, where a crash has left them out:
    /// one read for up to 100 if nothing is amiss.
    pub async fn mend<'a>(
        &self,
        rows: impl IntoIterator<Item = &'a DeliveryRow>,
    ) -> Result<(), StoreError> {
        let mut missing: HashMap<AttemptId, Vec<Attempt>> = HashMap::new();
        for row in rows {
            let history = &row.history;
            if let (Some(last), Some(entry)) = (&history.last, history.entries.last()) {
                missing.entry(*entry).or_default().push(last.attempt(row));
            }
        }
        for attempt in 0..TRIES {
            table::pause(attempt).await;
            self.mend_once(&mut missing).await?;
            if missing.is_empty() {
                return Ok(());
            }
        }
        Err(StoreError::Conflict)
    }

    /// Leaves those in `missing` that somebody else has mended at the same moment.
    async fn mend_once(
        &self,
        missing: &mut HashMap<AttemptId, Vec<Attempt>>,
    ) -> Result<(), StoreError> {
        let keys = missing.iter().filter_map(|(id, attempts)| {
            let first = attempts.first()?;
            Some((&self.table, key_of(first.project, first.endpoint, *id)))
        });
        let rows = table::get_many(keys.collect()).await?;
        let rows: HashMap<_, _> = rows.iter().map(|row| (text(row, "sk"), row)).collect();
        let mut left = HashMap::new();
        for (id, attempts) in missing.drain() {
            let there = rows.get(id.to_string().as_str());
            let known = there.map_or_else(|| Ok(Vec::new()), |row| attempts_of(row))?;
            let is_new = |attempt: &Attempt| !known.iter().any(|known| known.id == attempt.id);
            let new: Vec<_> = attempts.iter().filter(|attempt| is_new(attempt)).cloned().collect();
            if new.is_empty() {
                continue;
            }
            tracing::warn!(entry = %id, count = new.len(), "the log lacked attempts; they are \
                there now, without the receivers' answers");
            let count = known.len() as u64;
            let mended = Entry { id, attempts: [known, new].concat() };
            let row = mended.row(self.expiry(id.time()))?;
            let same = format!("attribute_not_exists(pk) OR {COUNT} = :count");
            if self.table.put_if(row, &same, [(":count", number(count))]).await?.is_some() {
                left.insert(id, attempts);
            }
        }
        *missing = left;
        Ok(())
    }

    /// The attempts of a delivery without a row, if it was enqueued at that time: it can have been
    /// tried only at once. With the entries that they are in. Strongly consistent.
    pub async fn at_once(
        &self,
        project: ProjectId,
        endpoint: EndpointId,
        event: EventId,
        enqueued_at: Timestamp,
    ) -> Result<Vec<(Attempt, AttemptId)>, StoreError> {
        at_once(&self.table, project, endpoint, event, enqueued_at).await
    }
}

/// See [`AttemptLog::at_once`].
pub(crate) async fn at_once(
    log: &Table,
    project: ProjectId,
    endpoint: EndpointId,
    event: EventId,
    enqueued_at: Timestamp,
) -> Result<Vec<(Attempt, AttemptId)>, StoreError> {
    let enqueued = enqueued_at.millis();
    let window = u64::try_from(FIRST_WINDOW.as_millis()).unwrap_or(u64::MAX);
    let from = Timestamp::from_millis(enqueued.saturating_sub(MARGIN_MILLIS));
    let until = Timestamp::from_millis(enqueued.saturating_add(window + MARGIN_MILLIS));
    let low = bound(AttemptId::PREFIX, from);
    let high = format!("{}{END}", bound(AttemptId::PREFIX, until));
    let rows = Merge::new(log, &partitions(project, endpoint), low, high, false).rows();
    let of_row = |mut found: Vec<_>, row: Item| async move {
        let entry: AttemptId =
            text(&row, "sk").parse().map_err(|_| StoreError::Damaged("an attempt's id"))?;
        let attempts = attempts_of(&row)?.into_iter().filter(|attempt| attempt.event == event);
        found.extend(attempts.map(|attempt| (attempt, entry)));
        Ok(found)
    };
    rows.try_fold(Vec::new(), of_row).await
}

/// The partitions of an endpoint's attempts.
pub(crate) fn partitions(project: ProjectId, endpoint: EndpointId) -> Vec<String> {
    (0..ATTEMPT_SHARDS).map(|shard| pk::attempts(project, endpoint, shard)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_outlive_every_message_however_briefly_events_are_kept() {
        // SQS keeps a message for 14 days at most, in its queue and again in the dead-letter queue.
        assert!(kept_seconds(1) >= 28 * 86_400);
        assert_eq!(kept_seconds(1), kept_seconds(30));
        assert_eq!(kept_seconds(400), 400 * 86_400);
    }
}
