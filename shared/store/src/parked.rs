//! Parked deliveries: messages that wait in the log table, not on a queue, until their receiver has
//! recovered.
//!
//! # Pitfalls
//!
//! Parked rows do not expire. A parked delivery is the only trace of a promise, so a row is deleted
//! only after its delivery was sent on, or given up in the log.

use aws_sdk_dynamodb::types::WriteRequest;
use domain::{
    id::{EndpointId, EventId, ProjectId, SHARDS},
    message::Message,
    time::Timestamp,
    work::{self, EncodeError, Unreadable},
};
use futures::TryStreamExt;
use serde::Serialize;

use crate::{
    StoreError, Table,
    item::{Item, item, key, text},
    merge::Merge,
    packed::{pack, unpack_text},
    row_keys::{pk, sk},
    table,
};

/// What is read at a time is at most so large, but for the last message: ten steps of circuits at
/// once, each with its messages read and written, must fit into the memory of `deliver`.
const MAX_BYTES: usize = 4 << 20;

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
    Message(#[from] EncodeError),
}

/// Some deliveries may not be parked.
#[derive(Debug, thiserror::Error)]
#[error("{} deliveries: {error}", .left.len())]
pub struct NotParked {
    /// The ids of their queue messages. Those that were parked after all get the same row when they
    /// are parked again.
    pub left: Vec<String>,
    /// Why.
    #[source]
    pub error: ParkError,
}

/// Writes, reads and deletes parked deliveries.
#[derive(Clone, Debug)]
pub struct ParkedStore(Table);

impl ParkedStore {
    /// Over the log table.
    pub fn new(log: Table) -> Self {
        Self(log)
    }

    /// Parks deliveries, each by the id of its queue message: one call for up to 25. Idempotent per
    /// message id. A delivery that is released and parked again has a new message and so a new row:
    /// deleting the released row cannot remove the new one.
    pub async fn park(
        &self,
        messages: &[(String, Message)],
        now: Timestamp,
    ) -> Result<(), NotParked> {
        let ids = |left: &dyn Fn(&str) -> bool| {
            let left = messages.iter().filter(|(queue_id, message)| {
                left(&sk::parked(message.event.id, message.round, queue_id))
            });
            left.map(|(queue_id, _)| queue_id.clone()).collect()
        };
        let requests =
            requests(messages, now).map_err(|error| NotParked { left: ids(&|_| true), error })?;
        let written = table::write_all(&self.0, requests).await;
        written.map_err(|not_all| NotParked {
            left: ids(&|sk| not_all.left.contains(sk)),
            error: not_all.error.into(),
        })
    }

    /// The oldest parked deliveries of an endpoint, by their events: at most `limit`, and fewer if
    /// they are large, but at least one if there is one. Rows that can't be read are left out, and
    /// stay. A row that newer code has written is an error, until that code is deployed.
    pub async fn oldest(
        &self,
        endpoint: EndpointId,
        count: usize,
    ) -> Result<Vec<Parked>, StoreError> {
        let partitions: Vec<_> = (0..SHARDS).map(|shard| pk::parked(endpoint, shard)).collect();
        let merge = Merge::new(
            &self.0,
            &partitions,
            sk::EVENTS.0.to_owned(),
            sk::EVENTS.1.to_owned(),
            false,
        );
        let mut rows = std::pin::pin!(merge.rows());
        let (mut found, mut bytes) = (Vec::new(), 0);
        while found.len() < count
            && bytes < MAX_BYTES
            && let Some(row) = rows.try_next().await?
        {
            let Some((parked, size)) = read(&row)? else {
                // The row stays, for the operator to look at.
                tracing::error!(sk = text(&row, "sk"), %endpoint, "a parked delivery can't be \
                    read");
                continue;
            };
            bytes += size;
            found.push(parked);
        }
        Ok(found)
    }

    /// Deletes parked deliveries that were sent on or given up.
    pub async fn delete(&self, parked: &[Parked]) -> Result<(), StoreError> {
        table::delete_all(
            &self.0,
            parked.iter().map(|parked| key(&parked.pk, &parked.sk)).collect(),
        )
        .await
    }

    /// Whether an event's delivery to an endpoint is parked.
    pub async fn holds(&self, endpoint: EndpointId, event: EventId) -> Result<bool, StoreError> {
        Ok(!self.0.all(pk::parked(endpoint, event.shard()), &sk::of_event(event)).await?.is_empty())
    }
}

fn requests(
    messages: &[(String, Message)],
    now: Timestamp,
) -> Result<Vec<WriteRequest>, ParkError> {
    let items = messages.iter().map(|(queue_id, message)| {
        // The step that releases it does not read the log, so `deliver` must.
        let body = work::encode(&Message { recheck: true, ..message.without_slot() })?;
        let mut item = item(
            pk::parked(message.endpoint, message.event.id.shard()),
            sk::parked(message.event.id, message.round, queue_id),
            &Row { project: message.project, parked_at: now },
        )?;
        item.insert("body".to_owned(), pack(&body));
        Ok::<_, ParkError>(item)
    });
    Ok(table::puts(items.collect::<Result<_, _>>()?)?)
}

/// A row's delivery, and how large its message is; `None` if it can't be read. Newer code's is an
/// error, as there is something to read for that.
fn read(row: &Item) -> Result<Option<(Parked, usize)>, StoreError> {
    let body = || unpack_text(row.get("body")?);
    let parked_at =
        || Some(Timestamp::from_millis(row.get("parked_at")?.as_n().ok()?.parse().ok()?));
    let (Some(body), Some(parked_at)) = (body(), parked_at()) else { return Ok(None) };
    let message = match work::decode(&body) {
        Ok(message) => message,
        Err(Unreadable::Newer(_)) => {
            return Err(StoreError::Damaged("a parked delivery of newer code"));
        }
        Err(Unreadable::Poison(_)) => return Ok(None),
    };
    Ok(Some((
        Parked {
            message,
            parked_at,
            pk: text(row, "pk").to_owned(),
            sk: text(row, "sk").to_owned(),
        },
        body.len(),
    )))
}
