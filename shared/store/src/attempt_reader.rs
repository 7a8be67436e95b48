//! Attempts as the API shows them: of an event, of an endpoint.

use domain::{
    delivery_row::DeliveryRow,
    history::History,
    id::{AttemptId, EndpointId},
    model::{Attempt, Target, event::LoggedEvent},
    time::Timestamp,
};
use futures::{Stream, StreamExt, TryStreamExt, future::ready, stream};

use crate::{
    Access, Page, PageRequest, StoreError, Table,
    attempt_row::{COUNT, attempts_of, key_of},
    attempts::{at_once, partitions},
    item::{Item, expired},
    list::{END, Looked, bound, fill},
    merge::Merge,
    moments::sorted,
    table,
};

/// How many deliveries' attempts are read at a time.
const CONCURRENCY: usize = 8;

/// A count that may have stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// So many there are, or more if it isn't complete.
    pub number: usize,
    /// Whether all were counted.
    pub complete: bool,
}

/// Reads attempts.
#[derive(Clone, Debug)]
pub struct AttemptReader(Table);

impl AttemptReader {
    /// Over the log table.
    pub fn new(log: Table) -> Self {
        Self(log)
    }

    /// The attempts of an event to each of its targets, the oldest first; of one with a row, those
    /// that the row remembers.
    pub async fn of_event(
        &self,
        access: Access,
        logged: &LoggedEvent,
        rows: &[DeliveryRow],
    ) -> Result<Vec<(Target, Vec<Attempt>)>, StoreError> {
        stream::iter(logged.targets.iter().cloned())
            .map(|target| async move {
                let row = rows.iter().find(|row| row.endpoint == target.endpoint);
                let mut attempts = match row {
                    Some(row) => self.of_row(row).await?,
                    None => Vec::new(),
                };
                if row.is_none_or(|row| row.unconfirmed) {
                    let found = self.at_once(access, logged, target.endpoint).await?;
                    attempts.extend(found.into_iter().map(|(attempt, _)| attempt));
                }
                attempts.sort_by_key(|attempt| attempt.id);
                attempts.dedup_by_key(|attempt| attempt.id);
                Ok((target, attempts))
            })
            .buffered(CONCURRENCY)
            .try_collect()
            .await
    }

    /// What the log says of a delivery without a row.
    pub async fn history(
        &self,
        access: Access,
        logged: &LoggedEvent,
        endpoint: EndpointId,
    ) -> Result<History, StoreError> {
        let found = self.at_once(access, logged, endpoint).await?;
        Ok(History::of(found.iter().map(|(attempt, entry)| (attempt, *entry))))
    }

    async fn at_once(
        &self,
        access: Access,
        logged: &LoggedEvent,
        endpoint: EndpointId,
    ) -> Result<Vec<(Attempt, AttemptId)>, StoreError> {
        at_once(&self.0, access.project(), endpoint, logged.event.id, logged.accepted_at).await
    }

    async fn of_row(&self, row: &DeliveryRow) -> Result<Vec<Attempt>, StoreError> {
        let key = |id: &AttemptId| (&self.0, key_of(row.project, row.endpoint, *id));
        let entries = table::get_many(row.history.entries.iter().map(key).collect()).await?;
        let mut attempts = Vec::new();
        for entry in &entries {
            attempts.extend(attempts_of(entry)?);
        }
        attempts.retain(|attempt| attempt.event == row.event);
        Ok(attempts)
    }

    /// Whether any attempt of an endpoint is on record.
    pub async fn has_any(&self, access: Access, endpoint: EndpointId) -> Result<bool, StoreError> {
        let rows = self.rows(access, endpoint, (Timestamp::from_millis(0), Timestamp::MAX), true);
        Ok(std::pin::pin!(rows).try_next().await?.is_some())
    }

    /// The rows of an endpoint from the second of one time to that of another, both included.
    fn rows(
        &self,
        access: Access,
        endpoint: EndpointId,
        (from, until): (Timestamp, Timestamp),
        descending: bool,
    ) -> impl Stream<Item = Result<Item, StoreError>> + '_ {
        let low = bound(AttemptId::PREFIX, Timestamp::from_seconds(from.seconds()));
        let high = format!("{}{END}", bound(AttemptId::PREFIX, end_of_second(until)));
        let partitions = partitions(access.project(), endpoint);
        Merge::new(&self.0, &partitions, low, high, descending).rows()
    }

    /// Attempts of an endpoint by their own time.
    fn attempts(
        &self,
        access: Access,
        endpoint: EndpointId,
        range: (Timestamp, Timestamp),
        descending: bool,
        now: Timestamp,
    ) -> impl Stream<Item = Result<Attempt, StoreError>> + '_ {
        let rows = self
            .rows(access, endpoint, range, descending)
            .try_filter(move |row| ready(!expired(row, now.seconds())));
        let attempts = rows.map_ok(|row| stream::iter(read(&row)).map(Ok)).try_flatten();
        sorted(
            attempts,
            |attempt: &Attempt| attempt.id,
            |attempt| attempt.id.time().seconds(),
            descending,
        )
    }

    /// How many attempts of an endpoint are on record. It reads them to count them, so it stops
    /// when it has looked at more than `most` (a few calls later, as partitions are read in
    /// parallel).
    pub async fn count(
        &self,
        access: Access,
        endpoint: EndpointId,
        most: usize,
        now: Timestamp,
    ) -> Result<Count, StoreError> {
        let limit = i32::try_from(most + 1).unwrap_or(i32::MAX);
        let pages = partitions(access.project(), endpoint)
            .into_iter()
            .map(|pk| Box::pin(self.0.sums(pk, AttemptId::PREFIX, COUNT, limit, now)));
        let mut pages = stream::select_all(pages);
        let (mut found, mut examined) = (0, 0);
        while let Some(page) = pages.try_next().await? {
            found += page.found;
            examined += page.examined;
            if found.max(examined) > most {
                return Ok(Count { number: found.min(most), complete: false });
            }
        }
        Ok(Count { number: found, complete: true })
    }

    /// Attempts of an endpoint, the newest first, without the first `skipped`.
    pub async fn slice(
        &self,
        access: Access,
        endpoint: EndpointId,
        skipped: usize,
        count: usize,
        now: Timestamp,
    ) -> Result<Vec<Attempt>, StoreError> {
        let all = (Timestamp::from_millis(0), Timestamp::MAX);
        let attempts = self.attempts(access, endpoint, all, true, now);
        attempts.skip(skipped).take(count).try_collect().await
    }

    /// A page of an endpoint's attempts, by their own time.
    pub async fn list<F>(
        &self,
        access: Access,
        endpoint: EndpointId,
        request: &PageRequest<AttemptId>,
        now: Timestamp,
        keep: F,
    ) -> Result<Page<Attempt>, StoreError>
    where
        F: Fn(&Attempt) -> bool,
    {
        let (backwards, descending, cursor) = request.direction();
        let (mut from, mut until) = (request.since, request.until);
        if let Some(cursor) = cursor {
            let end = if descending { &mut until } else { &mut from };
            let nearer = |end: Timestamp| {
                if descending { end.min(cursor.time()) } else { end.max(cursor.time()) }
            };
            *end = Some(end.map_or(cursor.time(), nearer));
        }
        let range = (from.unwrap_or(Timestamp::from_millis(0)), until.unwrap_or(Timestamp::MAX));
        let is_wanted = |attempt: &Attempt| {
            let at = attempt.created_at;
            request.since.is_none_or(|since| since <= at)
                && request.until.is_none_or(|until| at < until)
                && cursor.is_none_or(|cursor| {
                    if descending { attempt.id < cursor } else { attempt.id > cursor }
                })
        };
        let attempts = self
            .attempts(access, endpoint, range, descending, now)
            .try_filter(|attempt| ready(is_wanted(attempt)));
        let keep = &keep;
        let looked = attempts.map(|attempt| async move {
            let attempt = attempt?;
            let size = 500 + attempt.response_body.as_ref().map_or(0, String::len);
            let id = attempt.id.to_string();
            let item = Some(attempt).filter(|attempt| keep(attempt));
            Ok(Looked { id, size, item, is_enough: false })
        });
        fill(request, backwards, looked).await
    }
}

/// The attempts of a row. One that can't be read is left out: it must not hide the others.
fn read(row: &Item) -> Vec<Attempt> {
    attempts_of(row)
        .inspect_err(|error| {
            let place = format!("{:?} {:?}", row.get("pk"), row.get("sk"));
            tracing::error!(row = place, %error, "a list leaves out attempts that can't be read");
        })
        .unwrap_or_default()
}

fn end_of_second(time: Timestamp) -> Timestamp {
    Timestamp::from_millis(Timestamp::from_seconds(time.seconds()).millis().saturating_add(999))
}
