//! Many puts at once.

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use futures::future::try_join_all;

use super::{TRIES, Table, pause};
use crate::{StoreError, error::failed, item::Item};

/// DynamoDB: a `BatchWriteItem` holds at most 25 items and 16 MB. Payloads are at most 512 KiB a
/// row, so 25 rows always fit.
const BATCH: usize = 25;

/// Puts all items, in as few calls as there can be. When this fails, some may have been put.
pub(crate) async fn put_all(table: &Table, items: Vec<Item>) -> Result<(), StoreError> {
    let put = |item| {
        PutRequest::builder()
            .set_item(Some(item))
            .build()
            .map(|put| WriteRequest::builder().put_request(put).build())
    };
    let requests = items
        .into_iter()
        .map(put)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| StoreError::Damaged("no item to put"))?;
    try_join_all(requests.chunks(BATCH).map(|batch| put_batch(table, batch.to_vec()))).await?;
    Ok(())
}

async fn put_batch(table: &Table, mut batch: Vec<WriteRequest>) -> Result<(), StoreError> {
    for attempt in 0..TRIES {
        pause(attempt).await;
        let request = table.client.batch_write_item().request_items(&table.name, batch);
        let output = request.send().await.map_err(failed("BatchWriteItem"))?;
        batch = output.unprocessed_items.unwrap_or_default().into_values().flatten().collect();
        if batch.is_empty() {
            return Ok(());
        }
    }
    let detail = format!("{} items were left", batch.len());
    Err(StoreError::Unavailable { operation: "BatchWriteItem", detail })
}
