//! Many puts at once.

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use futures::future::try_join_all;

use super::{StoreError, Table, error::failed, item::Item, pause};

/// DynamoDB: a `BatchWriteItem` holds at most 25 items.
const BATCH: usize = 25;
/// DynamoDB: and at most 16 MB; payloads are at most 512 KiB a row, so 25 rows always fit.
/// How often unprocessed items are put again; they come of throttling.
const TRIES: u32 = 6;

/// Puts all items, in as few calls as there can be. When this fails, some may have been put.
pub(super) async fn put_all(table: &Table, items: Vec<Item>) -> Result<(), StoreError> {
    let requests = items
        .into_iter()
        .map(|item| PutRequest::builder().set_item(Some(item)).build().map(|put| WriteRequest::builder().put_request(put).build()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| StoreError::Damaged("no item to put"))?;
    try_join_all(requests.chunks(BATCH).map(|batch| put_batch(table, batch.to_vec()))).await?;
    Ok(())
}

async fn put_batch(table: &Table, mut batch: Vec<WriteRequest>) -> Result<(), StoreError> {
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
