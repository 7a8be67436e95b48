//! The log of events.
//!
//! An event's row is written once and names its targets, so that its deliveries are found without
//! an index.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    id::{ATTEMPT_SHARDS, EventId, ProjectId, SHARDS},
    model::event::LoggedEvent,
    time::Timestamp,
};

use crate::{
    Access, Page, PageRequest, StoreError, Table,
    event_row::{row_of, unpack_row},
    feed,
    item::{Item, key, number, text},
    list::Listing,
    row_keys::pk,
    table,
};

/// How many more positions in the feed an event gets that turns out too slow for each of them.
const ROUNDS: u32 = 3;
/// How much later the next position is, each time.
const PATIENCE: Duration = Duration::from_secs(5);
/// The attribute of a row that names the request that has written it: a random number.
const WRITER: &str = "writer";

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

    /// Writes events whose ids are new, each with its place in the [`feed`]: a single one with its
    /// id as position takes one call.
    pub async fn record(
        &self,
        access: Access,
        events: impl IntoIterator<Item = &LoggedEvent>,
        clock: impl Fn() -> Timestamp,
    ) -> Result<(), StoreError> {
        let project = access.project();
        let mut places = Vec::new();
        let items = events.into_iter().map(|logged| {
            let (item, place) = self.placed(project, logged, clock())?;
            places.push(place);
            Ok(item)
        });
        let mut items = items.collect::<Result<Vec<_>, StoreError>>()?;
        self.point(project, &places).await?;
        if let [item] = &mut items[..] {
            // What is there can only be the same: the answer to the SDK's first try was lost.
            self.table.put_if(std::mem::take(item), "attribute_not_exists(pk)", []).await?;
        } else {
            table::put_all(&self.table, items).await?;
        }
        self.settle(project, places, clock).await
    }

    /// Writes an event, unless the log has one with its id: then that is returned, and nothing is
    /// written.
    pub async fn add(
        &self,
        access: Access,
        logged: &LoggedEvent,
        clock: impl Fn() -> Timestamp,
    ) -> Result<Option<LoggedEvent>, StoreError> {
        let (now, project) = (clock(), access.project());
        let (mut item, place) = self.placed(project, logged, now)?;
        // By it a put whose answer was lost is known.
        let writer = number(rand::random());
        item.insert(WRITER.to_owned(), writer.clone());
        self.point(project, std::slice::from_ref(&place)).await?;
        let free = "attribute_not_exists(pk) OR expires_at <= :now";
        match self.table.put_if(item, free, [(":now", number(now.seconds()))]).await? {
            Some(there) if there.get(WRITER) != Some(&writer) => unpack_row(there).map(Some),
            _ => self.settle(project, vec![place], clock).await.map(|()| None),
        }
    }

    /// Gives an event of the log a place in the feed again, if its own is in the past: the request
    /// that has written it may have been too slow for that, and have died.
    pub async fn place_again(
        &self,
        access: Access,
        logged: &LoggedEvent,
        clock: impl Fn() -> Timestamp,
    ) -> Result<(), StoreError> {
        let (project, place) = (access.project(), self.place(logged, clock()));
        self.point(project, std::slice::from_ref(&place)).await?;
        self.settle(project, vec![place], clock).await
    }

    fn place(&self, logged: &LoggedEvent, now: Timestamp) -> Place {
        let event = logged.event.id;
        let pointer = feed::is_out_of_place(event, now).then(|| EventId::new(now, rand::random()));
        Place { event, expires_at: self.expiry(logged), pointer }
    }

    /// An event's row, and its place in the feed.
    fn placed(
        &self,
        project: ProjectId,
        logged: &LoggedEvent,
        now: Timestamp,
    ) -> Result<(Item, Place), StoreError> {
        let (mut item, place) = (row_of(project, logged)?, self.place(logged, now));
        item.insert("expires_at".to_owned(), number(place.expires_at));
        if place.pointer.is_some() {
            item.insert(feed::ELSEWHERE.to_owned(), AttributeValue::Bool(true));
        }
        Ok((item, place))
    }

    /// Writes the pointers of events that are out of place: before their rows, which say that they
    /// count elsewhere.
    async fn point(&self, project: ProjectId, places: &[Place]) -> Result<(), StoreError> {
        let mut pointers: Vec<_> = places.iter().filter_map(|place| place.row(project)).collect();
        match &mut pointers[..] {
            [] => Ok(()),
            // As an event alone is put.
            [one] => {
                let one = std::mem::take(one);
                self.table.put_if(one, "attribute_not_exists(pk)", []).await.map(drop)
            }
            _ => table::put_all(&self.table, pointers).await,
        }
    }

    /// Gives events another pointer whose rows, or pointers, were there too late.
    async fn settle(
        &self,
        project: ProjectId,
        mut places: Vec<Place>,
        clock: impl Fn() -> Timestamp,
    ) -> Result<(), StoreError> {
        for round in 1.. {
            let now = clock();
            places.retain(|place| feed::is_late(place.position(), now));
            if places.is_empty() || round > ROUNDS {
                break;
            }
            // It took long, so it gets longer: viewers come to that position only then.
            for place in &mut places {
                place.pointer = Some(EventId::new(now + PATIENCE * round, rand::random()));
            }
            self.point(project, &places).await?;
        }
        if places.is_empty() {
            return Ok(());
        }
        Err(StoreError::Unavailable {
            operation: "BatchWriteItem",
            detail: "events were written too slowly for the feed".to_owned(),
        })
    }

    /// When the log forgets an event, in Unix seconds.
    fn expiry(&self, logged: &LoggedEvent) -> u64 {
        logged.accepted_at.seconds() + self.retention_seconds
    }
}

/// Where an event is in the feed.
struct Place {
    event: EventId,
    expires_at: u64,
    /// The position of a pointer to it, if that is to be written.
    pointer: Option<EventId>,
}

impl Place {
    fn position(&self) -> EventId {
        self.pointer.unwrap_or(self.event)
    }

    fn row(&self, project: ProjectId) -> Option<Item> {
        Some(feed::pointer(project, self.pointer?, self.event, self.expires_at))
    }
}

/// How many calls it takes to tell how the deliveries of an event stand: its rows, and attempts in
/// each of the shards of those without one.
pub(crate) fn look_ups(logged: &LoggedEvent) -> usize {
    1 + logged.targets.len() * usize::from(ATTEMPT_SHARDS)
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

    /// A page of the places at which events stand in the [`feed`] that came too late for their ids.
    /// With those of the events that are there and whose ids are older than a moment.
    pub async fn late(
        &self,
        access: Access,
        request: &PageRequest<EventId>,
        older_than: Timestamp,
        now: Timestamp,
    ) -> Result<Page<(EventId, Option<LoggedEvent>)>, StoreError> {
        let partition = vec![pk::late_events(access.project())];
        let place = |row: Item| async move {
            let place = |name| text(&row, name).parse::<EventId>().ok();
            Ok(place("sk").zip(place(feed::EVENT)))
        };
        let places = Listing::new(&self.0, partition, EventId::PREFIX);
        let places = places.page(request, now, place).await?;
        let ids = places.items.iter().map(|(_, event)| *event);
        let ids: HashSet<_> = ids.filter(|event| event.time() < older_than).collect();
        let found = self.get_many(access, ids.into_iter().collect(), now).await?.into_iter();
        // An event may have several places.
        let mut found: HashMap<_, _> = found.map(|logged| (logged.event.id, logged)).collect();
        Ok(places.map(|(place, event)| (place, found.remove(&event))))
    }

    /// As [`Self::list`], where `keep` looks up all deliveries of an event.
    pub async fn messages<T, F, Fut>(
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
        Listing::new(&self.0, partitions, EventId::PREFIX)
            .page_of(request, now, unpack_row, look_ups, keep)
            .await
    }
}
