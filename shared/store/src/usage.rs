//! What projects have used: a row for each hour of a project, see [`domain::usage`].
//!
//! `events` puts the row, once per process and hour; so it is in the list of what is due, and
//! `jobs` sums up the hour after its end, shard by shard. The row says how far that is. Each
//! process that refuses requests has a row of its own for them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use domain::{
    budget::Cost,
    id::{EventId, ProjectId, SHARDS},
    time::Timestamp,
    usage::{HOUR, Usage, closes_at, hour_of},
};
use serde::Deserialize;

use crate::{
    Access, StoreError, Table,
    due::listed,
    event_row::{BYTES, DELIVERIES},
    item::{Item, format_version, key, number, text},
    list::{bound, parse},
    row_keys::{pk, sk},
    table,
};

/// How long an hour's row stays: 400 days.
const KEPT_SECONDS: u64 = 400 * 86_400;
/// After how long a note that could not be written is tried again.
const AGAIN: Duration = Duration::from_secs(10);
/// Projects that a process remembers having noted, before it forgets all.
const REMEMBERED: usize = 10_000;
/// Pages of each shard that are read for an hour that is not over.
const GLIMPSE: usize = 2;

/// A project's hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hour {
    /// When it began.
    pub since: Timestamp,
    /// What was used in it, so far if it is not closed.
    pub usage: Usage,
    /// Whether its events are summed up.
    pub is_closed: bool,
}

/// The row.
#[derive(Deserialize)]
struct Row {
    /// Shards whose events are summed up.
    #[serde(default)]
    shards: u8,
    #[serde(default)]
    events: u64,
    #[serde(default)]
    deliveries: u64,
    #[serde(default)]
    bytes: u64,
    /// Deliveries without an event of their own, and their bytes.
    #[serde(default)]
    again: u64,
    #[serde(default)]
    again_bytes: u64,
}

/// What a process has refused.
#[derive(Deserialize)]
struct Refusals {
    refusals: u64,
}

impl Row {
    fn usage(&self) -> Usage {
        Usage {
            events: self.events,
            deliveries: self.deliveries.saturating_add(self.again),
            bytes: self.bytes.saturating_add(self.again_bytes),
            refusals: 0,
        }
    }
}

/// Notes what projects use.
#[derive(Clone, Debug)]
pub struct UsageStore {
    table: Table,
    /// Until when there is nothing to note.
    noted: Arc<Mutex<HashMap<ProjectId, Timestamp>>>,
}

impl UsageStore {
    /// Over the state table.
    pub fn new(state: Table) -> Self {
        Self { table: state, noted: Arc::default() }
    }

    /// Notes that a project has events in this hour: a write of a process once an hour. If that
    /// fails, an event of the project ten seconds later does it.
    pub async fn note(&self, access: Access, now: Timestamp) {
        let (project, hour) = (access.project(), hour_of(now));
        if self.noted().get(&project).is_some_and(|until| now < *until) {
            return;
        }
        let put = self.table.put_if(new_row(project, hour), "attribute_not_exists(pk)", []);
        let until = match table::briefly(put).await {
            Ok(_) => hour + HOUR,
            Err(error) => {
                tracing::warn!(%project, %error, "could not note that a project has events");
                now + AGAIN
            }
        };
        let mut noted = self.noted();
        if noted.len() >= REMEMBERED {
            noted.clear();
        }
        noted.insert(project, until);
    }

    /// Adds deliveries that have no event of their own, as far as that goes: they are on their way.
    pub async fn add(&self, access: Access, cost: Cost, now: Timestamp) {
        let change = "ADD again :deliveries, again_bytes :bytes";
        let values = [(":deliveries", number(cost.deliveries)), (":bytes", number(cost.bytes))];
        if let Err(error) = self.change(access.project(), hour_of(now), change, values).await {
            tracing::warn!(project = %access.project(), %error, "could not count deliveries");
        }
    }

    /// Writes how many requests of a project a process has refused in this hour.
    pub async fn write_refusals(
        &self,
        access: Access,
        hour: Timestamp,
        process: u64,
        count: u64,
    ) -> Result<(), StoreError> {
        let mut row = key(pk::usage(access.project()), sk::refusals(hour, process));
        row.insert("v".to_owned(), format_version());
        row.insert("expires_at".to_owned(), expiry(hour));
        row.insert("refusals".to_owned(), number(count));
        self.table.put(row).await
    }

    /// In a row that may not be there yet: then it is due like any other.
    async fn change<const N: usize>(
        &self,
        project: ProjectId,
        hour: Timestamp,
        change: &str,
        values: [(&str, AttributeValue); N],
    ) -> Result<(), StoreError> {
        let (pk, sk) = (pk::usage(project), sk::hour(hour));
        let [(_, list), (_, list_at)] = listed(&pk, &sk, closes_at(hour));
        let set = "SET v = if_not_exists(v, :v), expires_at = :expiry";
        let update = self.table.update(key(&pk, &sk), format!("{set} {change}"));
        let there = update
            .when("attribute_exists(pk)")
            .values(values.clone())
            .values([(":v", format_version()), (":expiry", expiry(hour))]);
        if there.make_if().await? {
            return Ok(());
        }
        let set = "SET v = :v, expires_at = :expiry, #list = if_not_exists(#list, :list), \
                   list_at = if_not_exists(list_at, :at)";
        let update = self.table.update(key(pk, sk), format!("{set} {change}"));
        let update = update.name("#list", "list").values(values).values([
            (":v", format_version()),
            (":expiry", expiry(hour)),
            (":list", list),
            (":at", list_at),
        ]);
        update.make().await
    }

    fn noted(&self) -> std::sync::MutexGuard<'_, HashMap<ProjectId, Timestamp>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sums up hours, and reads them.
#[derive(Clone, Debug)]
pub struct UsageReader {
    state: Table,
    log: Table,
}

impl UsageReader {
    /// Over the tables of hours and of events.
    pub fn new(state: Table, log: Table) -> Self {
        Self { state, log }
    }

    /// How many shards of an hour are summed up; `None` if it is closed, or not there.
    pub async fn shards_done(
        &self,
        project: ProjectId,
        hour: Timestamp,
    ) -> Result<Option<u8>, StoreError> {
        let row: Option<Row> = self.state.get(place(project, hour)).await?;
        Ok(row.map(|row| row.shards).filter(|shards| *shards < SHARDS))
    }

    /// Sums up the next shard of an hour; the last one closes it. [`StoreError::Conflict`] if
    /// another run has done that.
    pub async fn sum_shard(
        &self,
        project: ProjectId,
        hour: Timestamp,
        shard: u8,
    ) -> Result<(), StoreError> {
        let sum = self.sum(project, hour, shard, usize::MAX).await?;
        let closes = if shard + 1 == SHARDS { " REMOVE #list, list_at" } else { "" };
        let change = format!(
            "SET shards = :next{closes} ADD events :events, deliveries :deliveries, #bytes :bytes"
        );
        let is_next = if shard == 0 {
            "attribute_exists(pk) AND (attribute_not_exists(shards) OR shards = :shard)"
        } else {
            "shards = :shard"
        };
        let update = self.state.update(place(project, hour), change).when(is_next);
        let update = update.name("#bytes", "bytes").values([
            (":next", number((shard + 1).into())),
            (":shard", number(shard.into())),
            (":events", number(sum.events)),
            (":deliveries", number(sum.deliveries)),
            (":bytes", number(sum.bytes)),
        ]);
        let update = if closes.is_empty() { update } else { update.name("#list", "list") };
        update.returning(ReturnValue::None).await.map(drop)
    }

    /// The hours of a project that began in this time, the first included and the last not; those
    /// that are not closed with what a glimpse of the log shows.
    pub async fn hours(
        &self,
        project: ProjectId,
        (from, until): (Timestamp, Timestamp),
        now: Timestamp,
    ) -> Result<Vec<Hour>, StoreError> {
        let rows =
            self.state.between(pk::usage(project), &sk::hour(from), &sk::hour(until)).await?;
        let mut found: BTreeMap<Timestamp, (Option<Row>, u64)> = BTreeMap::new();
        for row in rows {
            let sk = text(&row, "sk").to_owned();
            let Some(since) = sk::hour_of(&sk).filter(|since| *since < until) else { continue };
            let (hour, refusals) = found.entry(since).or_default();
            if sk::is_of_refusals(&sk) {
                *refusals += parse::<Refusals>(row)?.refusals;
            } else {
                *hour = Some(parse(row)?);
            }
        }
        let mut hours = Vec::new();
        for (since, (row, refusals)) in found {
            let done = row.as_ref().map_or(0, |row| row.shards);
            let is_closed = if row.is_some() { done >= SHARDS } else { now >= closes_at(since) };
            let mut usage = row.map(|row| row.usage()).unwrap_or_default();
            usage.refusals = refusals;
            for shard in if is_closed { SHARDS..SHARDS } else { done..SHARDS } {
                usage = usage.plus(self.sum(project, since, shard, GLIMPSE).await?);
            }
            hours.push(Hour { since, usage, is_closed });
        }
        Ok(hours)
    }

    /// The events of a shard in an hour: of at most so many pages.
    async fn sum(
        &self,
        project: ProjectId,
        hour: Timestamp,
        shard: u8,
        pages: usize,
    ) -> Result<Usage, StoreError> {
        let low = bound(EventId::PREFIX, hour);
        let high = bound(EventId::PREFIX, hour + HOUR);
        let names = [DELIVERIES, BYTES];
        let (mut usage, mut start) = (Usage::default(), None);
        for _ in 0..pages {
            let pk = pk::events(project, shard);
            let page = self.log.numbers(&pk, (&low, &high), names, start).await?;
            usage.events = usage.events.saturating_add(page.count);
            usage.deliveries = usage.deliveries.saturating_add(page.sums[0]);
            usage.bytes = usage.bytes.saturating_add(page.sums[1]);
            start = page.next;
            if start.is_none() {
                break;
            }
        }
        Ok(usage)
    }
}

fn place(project: ProjectId, hour: Timestamp) -> Item {
    key(pk::usage(project), sk::hour(hour))
}

fn expiry(hour: Timestamp) -> AttributeValue {
    number(hour.seconds() + KEPT_SECONDS)
}

fn new_row(project: ProjectId, hour: Timestamp) -> Item {
    let (pk, sk) = (pk::usage(project), sk::hour(hour));
    let mut row = key(&pk, &sk);
    row.extend(listed(&pk, &sk, closes_at(hour)).map(|(name, value)| (name.to_owned(), value)));
    row.insert("v".to_owned(), format_version());
    row.insert("expires_at".to_owned(), expiry(hour));
    row
}
