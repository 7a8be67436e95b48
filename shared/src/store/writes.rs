//! Many puts or deletions at once.

use aws_sdk_dynamodb::types::{DeleteRequest, PutRequest, WriteRequest};
use futures::future::try_join_all;

use super::{StoreError, Table, error::failed, item::Item, pause};

/// DynamoDB: a `BatchWriteItem` holds at most 25 items.
const BATCH: usize = 25;
/// DynamoDB: and at most 16 MB; payloads are at most 512 KiB a row, so 25 rows always fit.
/// How often unprocessed items are put again; they come of throttling.
const TRIES: u32 = 6;

/// Puts all items, in as few calls as there can be. When this fails, some may have been put.
pub(super) async fn put_all(table: &Table, items: Vec<Item>) -> Result<(), StoreError> {
    let put = |item| PutRequest::builder().set_item(Some(item)).build().map(|put| WriteRequest::builder().put_request(put).build());
    let requests = items.into_iter().map(put).collect::<Result<_, _>>().map_err(|_| StoreError::Damaged("no item to put"))?;
    write_all(table, requests).await
}

/// Deletes all items with these keys; those that aren't there as well. When this fails, some may have been deleted.
pub(super) async fn delete_all(table: &Table, keys: Vec<Item>) -> Result<(), StoreError> {
    let delete =
        |key| DeleteRequest::builder().set_key(Some(key)).build().map(|delete| WriteRequest::builder().delete_request(delete).build());
    let requests = keys.into_iter().map(delete).collect::<Result<_, _>>().map_err(|_| StoreError::Damaged("no key to delete"))?;
    write_all(table, requests).await
}

async fn write_all(table: &Table, requests: Vec<WriteRequest>) -> Result<(), StoreError> {
    try_join_all(requests.chunks(BATCH).map(|batch| write_batch(table, batch.to_vec()))).await?;
    Ok(())
}

async fn write_batch(table: &Table, mut batch: Vec<WriteRequest>) -> Result<(), StoreError> {
    for attempt in 0..TRIES {
        pause(attempt).await;
        let output = table.client.batch_write_item().request_items(&table.name, batch).send().await.map_err(failed("BatchWriteItem"))?;
        batch = output.unprocessed_items.unwrap_or_default().into_values().flatten().collect();
        if batch.is_empty() {
            return Ok(());
        }
    }
    Err(StoreError::Unavailable { operation: "BatchWriteItem", detail: format!("{} items were left", batch.len()) })
}
