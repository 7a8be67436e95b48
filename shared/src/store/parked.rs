//! Parked deliveries: messages that wait in the log table, not on a queue, until their receiver is well again.
//!
//! Easy to get wrong: they do not expire. A parked delivery is the only trace of a promise, so only whoever has sent it on, or has given it up in the log, deletes it.

use futures::TryStreamExt;
use serde::Serialize;

use super::{
    StoreError, Table,
    events::{pack, unpack_text},
    item::{Item, item, key, text},
    merge::Merge,
    writes,
};
use crate::{
    id::{EndpointId, EventId, ProjectId, RoundId, SHARDS},
    message::{Message, MessageError},
    time::Timestamp,
};

/// A parked delivery.
#[derive(Clone, Debug)]
pub struct Parked {
    /// Its message.
    pub message: Message,
    /// Since when it waits.
    pub parked_at: Timestamp,
    pk: String,
    sk: String,
}

/// What can be read of a row without its message.
#[derive(Serialize)]
struct Row {
    project: ProjectId,
    parked_at: Timestamp,
}

/// Why a delivery can't be parked or read back.
#[derive(Debug, thiserror::Error)]
pub enum ParkError {
    /// DynamoDB.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The message.
    #[error(transparent)]
    Message(#[from] MessageError),
}

/// Writes, reads and deletes parked deliveries.
#[derive(Clone, Debug)]
pub struct ParkedStore(Table);

impl ParkedStore {
    /// Over the log table.
    pub fn new(log: Table) -> Self {
        Self(log)
    }

    /// Parks deliveries, each by the id of its queue message: one call for up to 25. Parking the same queue message again changes nothing; a delivery that was let go and is parked
    /// anew has another message and so another row, which whoever lets it go does not delete with the old one.
    pub async fn park(&self, messages: &[(String, Message)], now: Timestamp) -> Result<(), ParkError> {
        let items = messages.iter().map(|(queue_id, message)| {
            // Whoever sends it on can't know what the log says of it.
            let body = Message { recheck: true, ..message.without_slot() }.encode()?;
            let mut item = item(
                pk(message.endpoint, message.event.id),
                sk(message.event.id, message.round, queue_id),
                &Row { project: message.project, parked_at: now },
            )?;
            item.insert("body".to_owned(), pack(&body));
            Ok::<_, ParkError>(item)
        });
        Ok(writes::put_all(&self.0, items.collect::<Result<_, _>>()?).await?)
    }

    /// The oldest parked deliveries of an endpoint, by their events. Rows that can't be read are left out, and stay.
    pub async fn oldest(&self, endpoint: EndpointId, count: usize) -> Result<Vec<Parked>, StoreError> {
        let partitions: Vec<_> = (0..SHARDS).map(|shard| format!("PARKED#{endpoint}#{shard}")).collect();
        let merge = Merge::new(&self.0, &partitions, "evt_".to_owned(), "evt_~".to_owned(), false);
        let mut rows = std::pin::pin!(merge.rows());
        let mut found = Vec::new();
        while found.len() < count
            && let Some(row) = rows.try_next().await?
        {
            let Some(parked) = read(&row) else {
                // It stays, for somebody to look at.
                tracing::error!(sk = text(&row, "sk"), %endpoint, "a parked delivery can't be read");
                continue;
            };
            found.push(parked);
        }
        Ok(found)
    }

    /// Deletes parked deliveries that were sent on or given up.
    pub async fn delete(&self, parked: &[Parked]) -> Result<(), StoreError> {
        writes::delete_all(&self.0, parked.iter().map(|parked| key(&parked.pk, &parked.sk)).collect()).await
    }

    /// Whether an event's delivery to an endpoint is parked.
    pub async fn holds(&self, endpoint: EndpointId, event: EventId) -> Result<bool, StoreError> {
        Ok(!self.0.all(pk(endpoint, event), &format!("{event}#")).await?.is_empty())
    }
}

fn read(row: &Item) -> Option<Parked> {
    let body = unpack_text(row.get("body")?)?;
    let parked_at = Timestamp::from_millis(row.get("parked_at")?.as_n().ok()?.parse().ok()?);
    Some(Parked { message: Message::decode(&body).ok()?, parked_at, pk: text(row, "pk").to_owned(), sk: text(row, "sk").to_owned() })
}

fn pk(endpoint: EndpointId, event: EventId) -> String {
    format!("PARKED#{endpoint}#{}", event.shard())
}

fn sk(event: EventId, round: Option<RoundId>, queue_id: &str) -> String {
    format!("{event}#{}#{queue_id}", round.map(|round| round.to_string()).unwrap_or_default())
}
