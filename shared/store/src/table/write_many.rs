//! Many puts or deletions at once.

use std::collections::HashSet;

use aws_sdk_dynamodb::types::{DeleteRequest, PutRequest, WriteRequest};
use futures::future::join_all;

use super::{TRIES, Table, pause};
use crate::{
    StoreError,
    error::failed,
    item::{Item, text},
};

/// DynamoDB: a `BatchWriteItem` holds at most 25 items and 16 MB. Payloads are at most 512 KiB a
/// row, so 25 rows always fit.
const BATCH: usize = 25;

/// Not all was put or deleted.
#[derive(Debug)]
pub(crate) struct NotAll {
    /// The sort keys of items that may not have been put.
    pub(crate) left: HashSet<String>,
    /// Why.
    pub(crate) error: StoreError,
}

/// Puts all items, in as few calls as there can be. When this fails, some may have been put.
pub(crate) async fn put_all(table: &Table, items: Vec<Item>) -> Result<(), StoreError> {
    write_all(table, puts(items)?).await.map_err(|not_all| not_all.error)
}

/// Puts of these items, for [`write_all`].
pub(crate) fn puts(items: Vec<Item>) -> Result<Vec<WriteRequest>, StoreError> {
    let put = |item| {
        PutRequest::builder()
            .set_item(Some(item))
            .build()
            .map(|put| WriteRequest::builder().put_request(put).build())
    };
    items
        .into_iter()
        .map(put)
        .collect::<Result<_, _>>()
        .map_err(|_| StoreError::Damaged("no item to put"))
}

/// Deletes all items with these keys; those that aren't there as well. When this fails, some may
/// have been deleted.
pub(crate) async fn delete_all(table: &Table, keys: Vec<Item>) -> Result<(), StoreError> {
    let delete = |key| {
        DeleteRequest::builder()
            .set_key(Some(key))
            .build()
            .map(|delete| WriteRequest::builder().delete_request(delete).build())
    };
    let requests = keys
        .into_iter()
        .map(delete)
        .collect::<Result<_, _>>()
        .map_err(|_| StoreError::Damaged("no key to delete"))?;
    write_all(table, requests).await.map_err(|not_all| not_all.error)
}

/// Puts and deletes, in as few calls as there can be; tells what was left.
pub(crate) async fn write_all(table: &Table, requests: Vec<WriteRequest>) -> Result<(), NotAll> {
    let written =
        join_all(requests.chunks(BATCH).map(|batch| write_batch(table, batch.to_vec()))).await;
    let failures = written.into_iter().filter_map(Result::err);
    failures
        .reduce(|one, other| NotAll { left: &one.left | &other.left, error: one.error })
        .map_or(Ok(()), Err)
}

async fn write_batch(table: &Table, mut batch: Vec<WriteRequest>) -> Result<(), NotAll> {
    for attempt in 0..TRIES {
        pause(attempt).await;
        let left = sort_keys(&batch);
        let output = table.client.batch_write_item().request_items(&table.name, batch).send().await;
        let output =
            output.map_err(|error| NotAll { left, error: failed("BatchWriteItem")(error) })?;
        batch = output.unprocessed_items.unwrap_or_default().into_values().flatten().collect();
        if batch.is_empty() {
            return Ok(());
        }
    }
    let detail = format!("{} items were left", batch.len());
    Err(NotAll {
        left: sort_keys(&batch),
        error: StoreError::Unavailable { operation: "BatchWriteItem", detail },
    })
}

fn sort_keys(batch: &[WriteRequest]) -> HashSet<String> {
    let puts = batch.iter().filter_map(|request| request.put_request.as_ref());
    puts.map(|put| text(&put.item, "sk").to_owned()).collect()
}
