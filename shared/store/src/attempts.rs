//! The log of attempts: append-only, one item per attempt.
//!
//! The key ends with the attempt's own id. Two requests that were made under one number (a crash
//! between sending and recording) are both on record.

use domain::{
    id::{AttemptId, EndpointId, EventId, SHARDS},
    model::{Attempt, Endpoint, Target, event::LoggedEvent},
    time::Timestamp,
};
use futures::{StreamExt, TryStreamExt, stream};

use crate::{
    Access, Page, PageRequest, StoreError, Table,
    events::EventReader,
    item::{Item, expired, item, number},
    list::{Listing, parse},
    merge::Merge,
    row_keys::{pk, sk},
    table,
};

/// The log decides what is sent again, so it outlives every message: up to 14 days of retries, and
/// 14 in a dead-letter queue.
const MIN_RETENTION_DAYS: u32 = 30;

/// Writes and reads the attempts of deliveries that a message names.
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

    /// All attempts of one delivery so far. Strongly consistent: what was recorded as delivered is
    /// not sent again.
    pub async fn of(
        &self,
        endpoint: EndpointId,
        event: EventId,
    ) -> Result<Vec<Attempt>, StoreError> {
        self.table
            .all(pk::attempts(endpoint, event.shard()), &sk::of_event(event))
            .await?
            .into_iter()
            .map(parse)
            .collect()
    }

    /// Records attempts: one call for up to 25.
    pub async fn record(&self, attempts: &[Attempt]) -> Result<(), StoreError> {
        let items = attempts.iter().map(|attempt| {
            let pk = pk::attempts(attempt.endpoint, attempt.event.shard());
            let sk = sk::attempt(attempt.event, attempt.number, attempt.id);
            let mut item = item(pk, sk, attempt)?;
            item.insert(
                "expires_at".to_owned(),
                number(attempt.created_at.seconds() + self.retention_seconds),
            );
            Ok::<_, StoreError>(item)
        });
        table::put_all(&self.table, items.collect::<Result<_, _>>()?).await
    }
}

/// An endpoint whose attempts the caller may see: known to be of their project.
#[derive(Clone, Copy, Debug)]
pub struct Owned(EndpointId);

impl From<&Endpoint> for Owned {
    /// An endpoint was itself read through an [`Access`].
    fn from(endpoint: &Endpoint) -> Self {
        Self(endpoint.id)
    }
}

impl Owned {
    /// A worker's webhook, whose id is made from the project's.
    pub fn worker(access: Access, worker_id: &str) -> Self {
        Self(EndpointId::of_worker(access.project(), worker_id))
    }
}

/// A count that may have stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// So many there are, or more if it isn't complete.
    pub number: usize,
    /// Whether all were counted.
    pub complete: bool,
}

/// How many events' deliveries are read at a time.
const CONCURRENCY: usize = 8;

/// Reads attempts for the API: only of an endpoint or event that was itself read through an
/// [`Access`], so that no other project's can be named.
#[derive(Clone, Debug)]
pub struct AttemptReader(Table);

impl AttemptReader {
    /// Over the log table.
    pub fn new(log: Table) -> Self {
        Self(log)
    }

    /// The attempts of an event to one of its targets, oldest first.
    pub async fn of_target(
        &self,
        event: EventId,
        target: &Target,
        now: Timestamp,
    ) -> Result<Vec<Attempt>, StoreError> {
        let rows =
            self.0.all(pk::attempts(target.endpoint, event.shard()), &sk::of_event(event)).await?;
        rows.into_iter().filter(|row| !expired(row, now.seconds())).map(parse).collect()
    }

    /// The attempts of an event to each of its targets.
    pub async fn of_event(
        &self,
        logged: &LoggedEvent,
        now: Timestamp,
    ) -> Result<Vec<(Target, Vec<Attempt>)>, StoreError> {
        stream::iter(logged.targets.iter().cloned())
            .map(|target| async move {
                let attempts = self.of_target(logged.event.id, &target, now).await?;
                Ok((target, attempts))
            })
            .buffered(CONCURRENCY)
            .try_collect()
            .await
    }

    /// Whether the endpoint's attempts, if there are any, may be shown: those of an endpoint
    /// without a row of its own (a deleted one, a URL) are the project's when their events are. An
    /// endpoint's attempts all belong to one project, so the newest tells for all.
    pub async fn owned(
        &self,
        access: Access,
        endpoint: EndpointId,
        events: &EventReader,
        now: Timestamp,
    ) -> Result<Option<Owned>, StoreError> {
        let newest = self.newest(endpoint).await?;
        let event = match newest {
            Some(attempt) => events.get(access, attempt.event, now).await?,
            None => None,
        };
        // An event's id is the producer's choice, so another project may have one of the same id;
        // but it went to its own endpoints.
        Ok(event
            .filter(|logged| logged.targets.iter().any(|target| target.endpoint == endpoint))
            .map(|_| Owned(endpoint)))
    }

    async fn newest(&self, endpoint: EndpointId) -> Result<Option<Attempt>, StoreError> {
        let mut rows = std::pin::pin!(self.rows(endpoint));
        rows.try_next().await?.map(parse).transpose()
    }

    fn rows(
        &self,
        endpoint: EndpointId,
    ) -> impl futures::Stream<Item = Result<Item, StoreError>> + '_ {
        Merge::new(
            &self.0,
            &partitions(endpoint),
            sk::EVENTS.0.to_owned(),
            sk::EVENTS.1.to_owned(),
            true,
        )
        .rows()
    }

    /// How many attempts of an endpoint are on record. It reads them to count them, so it stops
    /// when it has looked at more than `most` (a few calls later, as partitions are read in
    /// parallel).
    pub async fn count(
        &self,
        Owned(endpoint): Owned,
        most: usize,
        now: Timestamp,
    ) -> Result<Count, StoreError> {
        let limit = i32::try_from(most + 1).unwrap_or(i32::MAX);
        let pages = partitions(endpoint)
            .into_iter()
            .map(|pk| Box::pin(self.0.counts(pk, EventId::PREFIX, limit, now)));
        let mut pages = stream::select_all(pages);
        let (mut found, mut examined) = (0, 0);
        while let Some(page) = pages.try_next().await? {
            found += page.found;
            examined += page.examined;
            if examined > most {
                return Ok(Count { number: found.min(most), complete: false });
            }
        }
        Ok(Count { number: found, complete: true })
    }

    /// Attempts of an endpoint, of the newest event first, without the first `skipped`.
    pub async fn slice(
        &self,
        Owned(endpoint): Owned,
        skipped: usize,
        count: usize,
        now: Timestamp,
    ) -> Result<Vec<Attempt>, StoreError> {
        let rows = self
            .rows(endpoint)
            .try_filter(|row| futures::future::ready(!expired(row, now.seconds())));
        rows.skip(skipped).take(count).map(|row| parse(row?)).try_collect().await
    }

    /// A page of an endpoint's attempts: those of the newest event first, and of one event the last
    /// first.
    pub async fn list<F>(
        &self,
        Owned(endpoint): Owned,
        request: &PageRequest<AttemptId>,
        now: Timestamp,
        keep: F,
    ) -> Result<Page<Attempt>, StoreError>
    where
        F: Fn(&Attempt) -> bool,
    {
        let keep = &keep;
        let parse_kept = |row| async move { Ok(Some(parse(row)?).filter(keep)) };
        Listing::new(&self.0, partitions(endpoint), EventId::PREFIX)
            .page(request, now, parse_kept)
            .await
    }
}

fn partitions(endpoint: EndpointId) -> Vec<String> {
    (0..SHARDS).map(|shard| pk::attempts(endpoint, shard)).collect()
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
