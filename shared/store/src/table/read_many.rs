//! Reads of many items at once.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::KeysAndAttributes;

use super::{TRIES, Table, pause};
use crate::{StoreError, error::failed, item::Item, tally};

/// DynamoDB: a `BatchGetItem` names at most 100 items.
const BATCH: usize = 100;

/// Those of these items that exist, in any order: strongly consistent reads of several tables, in
/// one call per 100 items. The keys must be distinct.
pub(crate) async fn get_many(wanted: Vec<(&Table, Item)>) -> Result<Vec<Item>, StoreError> {
    let mut found = Vec::new();
    for chunk in wanted.chunks(BATCH) {
        found.extend(get_batch(chunk).await?);
    }
    Ok(found)
}

async fn get_batch(wanted: &[(&Table, Item)]) -> Result<Vec<Item>, StoreError> {
    let Some((any, _)) = wanted.first() else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    let mut left = by_table(wanted)?;
    for attempt in 0..TRIES {
        pause(attempt).await;
        let request = any.client.batch_get_item().set_request_items(Some(left));
        let output = request.send().await.map_err(failed("BatchGetItem"))?;
        for item in output.responses.unwrap_or_default().into_values().flatten() {
            tally::add_read([&item]);
            found.push(item);
        }
        left = output.unprocessed_keys.unwrap_or_default();
        if left.is_empty() {
            return Ok(found);
        }
    }
    let count: usize = left.values().map(|left| left.keys.len()).sum();
    let detail = format!("{count} keys were left");
    Err(StoreError::Unavailable { operation: "BatchGetItem", detail })
}

fn by_table(wanted: &[(&Table, Item)]) -> Result<HashMap<String, KeysAndAttributes>, StoreError> {
    let mut keys: HashMap<&str, Vec<Item>> = HashMap::new();
    for (table, key) in wanted {
        keys.entry(&table.name).or_default().push(key.clone());
    }
    let request = |(table, keys): (&str, _)| {
        let request =
            KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
        request
            .map(|request| (table.to_owned(), request))
            .map_err(|_| StoreError::Damaged("no keys to get"))
    };
    keys.into_iter().map(request).collect()
}
