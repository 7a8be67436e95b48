//! One table: the handful of calls that the capabilities are made of.

use aws_sdk_dynamodb::Client;
use serde::de::DeserializeOwned;
use serde_dynamo::aws_sdk_dynamodb_1::from_item;

use super::{
    StoreError,
    error::failed,
    item::{Item, number, string},
};

/// A DynamoDB table. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Table {
    pub(super) client: Client,
    pub(super) name: String,
}

impl Table {
    /// The table of this name.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self { client, name: name.into() }
    }

    /// A strongly consistent read of one item: what was just written is seen.
    pub(super) async fn get<T: DeserializeOwned>(&self, key: Item) -> Result<Option<T>, StoreError> {
        self.get_item(key).await?.map(from_item).transpose().map_err(Into::into)
    }

    /// As [`Self::get`], unparsed.
    pub(super) async fn get_item(&self, key: Item) -> Result<Option<Item>, StoreError> {
        let output = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(key))
            .consistent_read(true)
            .send()
            .await
            .map_err(failed("GetItem"))?;
        Ok(output.item)
    }

    /// Writes an item whose key must be free.
    pub(super) async fn put_new(&self, item: Item) -> Result<(), StoreError> {
        self.client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .send()
            .await
            .map_err(failed("PutItem"))?;
        Ok(())
    }

    /// Overwrites an item that must still be at `revision`.
    pub(super) async fn put_revision(&self, item: Item, revision: u64) -> Result<(), StoreError> {
        self.client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression("revision = :revision")
            .expression_attribute_values(":revision", number(revision))
            .send()
            .await
            .map_err(failed("PutItem"))?;
        Ok(())
    }

    /// Deletes an item; [`StoreError::Conflict`] when it isn't there.
    pub(super) async fn delete_existing(&self, key: Item) -> Result<(), StoreError> {
        self.client
            .delete_item()
            .table_name(&self.name)
            .set_key(Some(key))
            .condition_expression("attribute_exists(pk)")
            .send()
            .await
            .map_err(failed("DeleteItem"))?;
        Ok(())
    }

    /// All items of a partition whose sort key starts with `prefix`, strongly consistent.
    pub(super) async fn all(&self, pk: String, prefix: &str) -> Result<Vec<Item>, StoreError> {
        let mut query = self.client.query().table_name(&self.name).expression_attribute_values(":pk", string(pk)).consistent_read(true);
        // DynamoDB refuses values that no expression uses, so the prefix is only given when there is one.
        query = if prefix.is_empty() {
            query.key_condition_expression("pk = :pk")
        } else {
            query.key_condition_expression("pk = :pk AND begins_with(sk, :prefix)").expression_attribute_values(":prefix", string(prefix))
        };
        let mut pages = query.into_paginator().items().send();
        let mut items = Vec::new();
        while let Some(item) = pages.next().await {
            items.push(item.map_err(failed("Query"))?);
        }
        Ok(items)
    }
}
