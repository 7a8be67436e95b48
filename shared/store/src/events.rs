//! The log of events.
//!
//! An event's row is written once and names its targets, so that its deliveries are found without
//! an index.

use std::{
    io::{Read, Write},
    time::Duration,
};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use domain::{
    endpoint_url::EndpointUrl,
    id::{EventId, ProjectId, SHARDS},
    model::{Event, Target, event::LoggedEvent},
    time::Timestamp,
};
use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use serde::{Deserialize, Serialize};
use serde_dynamo::aws_sdk_dynamodb_1::from_item;
use serde_json::value::RawValue;

use crate::{
    Access, Page, PageRequest, StoreError, Table, feed,
    item::{INFLATED, Item, item, key, number, string},
    list::Listing,
    row_keys::pk,
    writes,
};

/// Payloads from here on are stored compressed: below, deflate saves less than a write unit (1
/// KiB).
const COMPRESS_FROM: usize = 2_048;
/// Characters of a target's URL that are kept.
const SHOWN_URL: usize = 100;
/// How often events are written that turn out too slow for their position in the feed.
const ROUNDS: u32 = 3;
/// How much later their next position is, each time.
const PATIENCE: Duration = Duration::from_secs(5);
/// No stored payload inflates to more: data and metadata, with room.
const MAX_INFLATED: u64 = 1 << 20;

#[derive(Serialize, Deserialize)]
struct Row {
    id: EventId,
    kind: domain::model::Topic,
    created_at: u64,
    accepted_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    worker_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    webhook_url: Option<EndpointUrl>,
}

/// Writes events.
#[derive(Clone, Debug)]
pub struct EventWriter {
    table: Table,
    retention_seconds: u64,
}

impl EventWriter {
    /// Over the log table, for events that are kept so many days.
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
            let put = self
                .table
                .client
                .put_item()
                .table_name(&self.table.name)
                .set_item(Some(self.item(project, logged)?));
            put.send().await.map_err(super::error::failed("PutItem"))?;
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
        writes::put_all(&self.table, items).await
    }

    /// When the log forgets an event, in Unix seconds.
    fn expiry(&self, logged: &LoggedEvent) -> u64 {
        logged.accepted_at.seconds() + self.retention_seconds
    }

    fn item(&self, project: ProjectId, logged: &LoggedEvent) -> Result<Item, StoreError> {
        let event = &logged.event;
        let row = Row {
            id: event.id,
            kind: event.kind.clone(),
            created_at: event.created_at,
            accepted_at: logged.accepted_at,
            user_id: event.user_id.clone(),
            worker_id: event.worker_id.clone(),
            webhook_url: event.webhook_url.clone(),
        };
        let mut item = item(pk::events(project, event.id.shard()), event.id.to_string(), &row)?;
        let targets = targets_text(&logged.targets)?;
        let parts = [
            ("data", Some(event.data.get())),
            ("metadata", event.metadata.as_deref().map(RawValue::get)),
            ("targets", Some(&*targets)),
        ];
        let mut inflated = 0;
        for (name, text) in parts.into_iter().filter_map(|(name, text)| Some((name, text?))) {
            let packed = pack(text);
            inflated += if packed.is_b() { text.len() as u64 } else { 0 };
            item.insert(name.to_owned(), packed);
        }
        item.insert(INFLATED.to_owned(), number(inflated));
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

pub(crate) fn unpack_row(mut item: Item) -> Result<LoggedEvent, StoreError> {
    let data = unpack(item.remove("data")).ok_or(StoreError::Damaged("an event's data"))?;
    let metadata = item
        .remove("metadata")
        .map(|value| unpack(Some(value)).ok_or(StoreError::Damaged("an event's metadata")));
    let targets =
        unpack(item.remove("targets")).and_then(|json| serde_json::from_str(json.get()).ok());
    let row: Row = from_item(item)?;
    Ok(LoggedEvent {
        event: Event {
            id: row.id,
            kind: row.kind,
            data,
            created_at: row.created_at,
            user_id: row.user_id,
            worker_id: row.worker_id,
            webhook_url: row.webhook_url,
            metadata: metadata.transpose()?,
        },
        targets: targets.ok_or(StoreError::Damaged("an event's targets"))?,
        accepted_at: row.accepted_at,
    })
}

/// Targets as a row holds them.
pub(crate) fn targets_text(targets: &[Target]) -> Result<String, StoreError> {
    serde_json::to_string(&targets.iter().map(shortened).collect::<Vec<_>>())
        .map_err(|_| StoreError::Damaged("an event's targets"))
}

/// A target whose URL takes little room: 750 of them (endpoints, and steps of automations) must fit
/// into an item of at most 400 KB (DynamoDB), beside a payload. Attempts have the whole URL.
fn shortened(target: &Target) -> Target {
    let url = match target.url.char_indices().nth(SHOWN_URL) {
        Some((end, _)) => format!("{}…", &target.url[..end]),
        None => target.url.clone(),
    };
    Target { url, ..*target }
}

/// A payload as an attribute: text when small, deflated bytes when that saves something.
pub(crate) fn pack(text: &str) -> AttributeValue {
    let deflate = || {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).ok()
    };
    match (text.len() >= COMPRESS_FROM).then(deflate).flatten() {
        Some(bytes) if bytes.len() < text.len() => AttributeValue::B(Blob::new(bytes)),
        _ => AttributeValue::S(text.to_owned()),
    }
}

fn unpack(value: Option<AttributeValue>) -> Option<Box<RawValue>> {
    RawValue::from_string(unpack_text(&value?)?).ok()
}

/// Undoes [`pack`].
pub(crate) fn unpack_text(value: &AttributeValue) -> Option<String> {
    match value {
        AttributeValue::S(text) => Some(text.clone()),
        AttributeValue::B(bytes) => {
            let mut text = String::new();
            DeflateDecoder::new(bytes.as_ref())
                .take(MAX_INFLATED)
                .read_to_string(&mut text)
                .ok()?;
            Some(text)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_survive_packing_small_large_and_incompressible() {
        let noise: String = (0..5_000_u32)
            .map(|n| char::from(b'!' + (n.wrapping_mul(2_654_435_761) >> 24) as u8 % 90))
            .filter(|c| !"\"\\".contains(*c))
            .collect();
        for (text, packed) in [
            ("{}".to_owned(), false),
            (format!("\"{}\"", "a".repeat(100_000)), true),
            (format!("\"{noise}\""), true),
        ] {
            let value = pack(&text);
            assert_eq!(value.is_b(), packed);
            assert_eq!(unpack(Some(value)).unwrap().get(), text);
        }
    }
}
