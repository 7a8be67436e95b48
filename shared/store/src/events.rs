//! The log of events.
//!
//! An event's row is written once and names its targets, so that its deliveries are found without
//! an index.

use std::time::Duration;

use domain::{
    id::{EventId, ProjectId, SHARDS},
    model::event::LoggedEvent,
    time::Timestamp,
};

use crate::{
    Access, Page, PageRequest, StoreError, Table,
    event_row::{row_of, unpack_row},
    feed,
    item::{Item, key, number, string},
    list::Listing,
    row_keys::pk,
    table,
};

/// How often events are written that turn out too slow for their position in the feed.
const ROUNDS: u32 = 3;
/// How much later their next position is, each time.
const PATIENCE: Duration = Duration::from_secs(5);

/// Writes events.
#[derive(Clone, Debug)]
pub struct EventWriter {
    table: Table,
    retention_seconds: u64,
}

impl EventWriter {
    /// Over the log table, for events that are kept this many days.
    pub fn new(log: Table, retention_days: u32) -> Self {
        Self { table: log, retention_seconds: u64::from(retention_days) * 86_400 }
    }

    /// Writes events, each with its place in the [`feed`]: a single one with its id as position
    /// takes one call. Writing the same event again changes nothing else: a request that takes over
    /// from a dead one may.
    pub async fn record(
        &self,
        access: Access,
        events: &[LoggedEvent],
        clock: impl Fn() -> Timestamp,
    ) -> Result<(), StoreError> {
        let now = clock();
        let place = |id| feed::is_out_of_place(id, now).then(|| EventId::new(now, rand::random()));
        let mut unsettled: Vec<_> =
            events.iter().map(|logged| (logged, place(logged.event.id))).collect();
        for round in 1..=ROUNDS {
            self.write(access.project(), &unsettled).await?;
            let now = clock();
            unsettled.retain(|(logged, position)| {
                feed::is_late(position.unwrap_or(logged.event.id), now)
            });
            if unsettled.is_empty() {
                return Ok(());
            }
            // It took long, so it gets longer: viewers come to that position only then.
            for (_, position) in &mut unsettled {
                *position = Some(EventId::new(now + PATIENCE * round, rand::random()));
            }
        }
        Err(StoreError::Unavailable {
            operation: "PutItem",
            detail: "events were written too slowly for the feed".to_owned(),
        })
    }

    async fn write(
        &self,
        project: ProjectId,
        events: &[(&LoggedEvent, Option<EventId>)],
    ) -> Result<(), StoreError> {
        if let [(logged, None)] = events {
            self.table.put(self.item(project, logged)?).await?;
            return Ok(());
        }
        let mut items = Vec::new();
        for (logged, position) in events {
            let mut item = self.item(project, logged)?;
            if let Some(position) = *position {
                item.insert(feed::POSITION.to_owned(), string(position.to_string()));
                items.push(feed::pointer(project, position, logged.event.id, self.expiry(logged)));
            }
            items.push(item);
        }
        table::put_all(&self.table, items).await
    }

    /// When the log forgets an event, in Unix seconds.
    fn expiry(&self, logged: &LoggedEvent) -> u64 {
        logged.accepted_at.seconds() + self.retention_seconds
    }

    fn item(&self, project: ProjectId, logged: &LoggedEvent) -> Result<Item, StoreError> {
        let mut item = row_of(project, logged)?;
        item.insert("expires_at".to_owned(), number(self.expiry(logged)));
        Ok(item)
    }
}

/// Reads a project's events.
#[derive(Clone, Debug)]
pub struct EventReader(Table);

impl EventReader {
    /// Over the log table.
    pub fn new(log: Table) -> Self {
        Self(log)
    }

    /// One event of the project, unless it has expired.
    pub async fn get(
        &self,
        access: Access,
        id: EventId,
        now: Timestamp,
    ) -> Result<Option<LoggedEvent>, StoreError> {
        let row =
            self.0.get_item(key(pk::events(access.project(), id.shard()), id.to_string())).await?;
        row.filter(|row| !super::item::expired(row, now.seconds())).map(unpack_row).transpose()
    }

    /// Those of these events that the project has and that have not expired, in any order: one call
    /// per 100, none for no ids. The ids must be distinct.
    pub async fn get_many(
        &self,
        access: Access,
        ids: Vec<EventId>,
        now: Timestamp,
    ) -> Result<Vec<LoggedEvent>, StoreError> {
        let place = |id: EventId| key(pk::events(access.project(), id.shard()), id.to_string());
        let wanted = ids.into_iter().map(|id| (&self.0, place(id))).collect();
        let rows = table::get_many(wanted).await?.into_iter();
        rows.filter(|row| !super::item::expired(row, now.seconds())).map(unpack_row).collect()
    }

    /// A page of the project's events; `keep` filters and completes them.
    pub async fn list<T, F, Fut>(
        &self,
        access: Access,
        request: &PageRequest<EventId>,
        now: Timestamp,
        keep: F,
    ) -> Result<Page<T>, StoreError>
    where
        F: Fn(LoggedEvent) -> Fut,
        Fut: Future<Output = Result<Option<T>, StoreError>>,
    {
        let partitions = (0..SHARDS).map(|shard| pk::events(access.project(), shard)).collect();
        let keep = &keep;
        Listing::new(&self.0, partitions, EventId::PREFIX)
            .page(request, now, |row| async move { keep(unpack_row(row)?).await })
            .await
    }
}
