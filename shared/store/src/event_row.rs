//! The row of an event: its fields, and its payload, metadata and targets, packed.

use domain::{
    endpoint_url::EndpointUrl,
    id::{EventId, ProjectId},
    model::{Event, Target, Topic, event::LoggedEvent},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_dynamo::aws_sdk_dynamodb_1::from_item;
use serde_json::value::RawValue;

use crate::{
    StoreError,
    item::{INFLATED, Item, item, number},
    packed::{pack, unpack},
    row_keys::pk,
};

/// The attribute that counts an event's recipients.
pub(crate) const DELIVERIES: &str = "deliveries";
/// The attribute that counts the bytes of their data and metadata together.
pub(crate) const BYTES: &str = "bytes";
/// Characters of a target's URL that are kept.
const SHOWN_URL: usize = 100;

#[derive(Serialize, Deserialize)]
struct Row {
    id: EventId,
    kind: Topic,
    created_at: u64,
    accepted_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    worker_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    webhook_url: Option<EndpointUrl>,
}

/// The row, without its expiry.
pub(crate) fn row_of(project: ProjectId, logged: &LoggedEvent) -> Result<Item, StoreError> {
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
    let targets = json_of(&logged.targets.iter().map(shortened).collect::<Vec<_>>())?;
    let missed = (!logged.missed.is_empty()).then(|| json_of(&logged.missed)).transpose()?;
    let parts = [
        ("data", Some(event.data.get())),
        ("metadata", event.metadata.as_deref().map(RawValue::get)),
        ("targets", Some(&*targets)),
        ("missed", missed.as_deref()),
    ];
    let mut inflated = 0;
    for (name, text) in parts.into_iter().filter_map(|(name, text)| Some((name, text?))) {
        let packed = pack(text);
        inflated += if packed.is_b() { text.len() as u64 } else { 0 };
        item.insert(name.to_owned(), packed);
    }
    item.insert(INFLATED.to_owned(), number(inflated));
    let metadata = event.metadata.as_ref().map_or(0, |metadata| metadata.get().len());
    let bytes = logged.targets.len() * (event.data.get().len() + metadata);
    item.insert(DELIVERIES.to_owned(), number(logged.targets.len() as u64));
    item.insert(BYTES.to_owned(), number(bytes as u64));
    Ok(item)
}

/// Reads a row.
pub(crate) fn unpack_row(mut item: Item) -> Result<LoggedEvent, StoreError> {
    let data = unpack(item.remove("data")).ok_or(StoreError::Damaged("an event's data"))?;
    let metadata = item
        .remove("metadata")
        .map(|value| unpack(Some(value)).ok_or(StoreError::Damaged("an event's metadata")));
    let targets =
        unpack(item.remove("targets")).and_then(|json| serde_json::from_str(json.get()).ok());
    let missed = item.remove("missed").map(|missed| {
        let missed = unpack(Some(missed)).and_then(|json| serde_json::from_str(json.get()).ok());
        missed.ok_or(StoreError::Damaged("who has missed an event"))
    });
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
        missed: missed.transpose()?.unwrap_or_default(),
        accepted_at: row.accepted_at,
    })
}

fn json_of(listed: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(listed).map_err(|_| StoreError::Damaged("an event's targets"))
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
