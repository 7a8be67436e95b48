//! One table, and the calls that the stores make. Nothing else here builds a request to DynamoDB.

mod put;
mod put_many;
mod query;
mod read_many;
mod revision;
mod transact;
mod update;

use aws_sdk_dynamodb::Client;
use serde::de::DeserializeOwned;
use serde_dynamo::aws_sdk_dynamodb_1::from_item;

pub(crate) use put_many::put_all;
pub(crate) use read_many::get_many;
pub(crate) use transact::Transaction;
pub(crate) use update::Update;

use crate::{StoreError, error::failed, item::Item, tally};

/// How often a batch's unprocessed keys or items are sent again. They come from throttling.
const TRIES: u32 = 6;

/// A DynamoDB table. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Table {
    client: Client,
    name: String,
}

impl Table {
    /// The table of this name.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self { client, name: name.into() }
    }

    /// A strongly consistent read of one item: what was just written is seen.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        key: Item,
    ) -> Result<Option<T>, StoreError> {
        self.get_item(key).await?.map(from_item).transpose().map_err(Into::into)
    }

    /// As [`Self::get`], unparsed.
    pub(crate) async fn get_item(&self, key: Item) -> Result<Option<Item>, StoreError> {
        let output = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(key))
            .consistent_read(true)
            .send()
            .await
            .map_err(failed("GetItem"))?;
        tally::add_read(&output.item);
        Ok(output.item)
    }
}

/// How long [`briefly`] waits.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(1);

/// A call that what a customer waits for must not depend on: for a second at most.
pub(crate) async fn briefly<T>(
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    tokio::time::timeout(PATIENCE, Box::pin(call)).await.unwrap_or_else(|_| {
        Err(StoreError::Unavailable {
            operation: "DynamoDB",
            detail: "no answer in a second".into(),
        })
    })
}

/// Before the given try (from 0) of something that throttling or another request left undone: none
/// before the first, then about 25 ms and twice as long each time. Random, so that requests which
/// met once do not meet again.
pub(crate) async fn pause(attempt: u32) {
    if attempt > 0 {
        let wait = std::time::Duration::from_millis(25 << (attempt - 1).min(5));
        tokio::time::sleep(wait.mul_f64(rand::random_range(0.5..1.5))).await;
    }
}
