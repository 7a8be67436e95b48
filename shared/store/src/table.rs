//! One table: the handful of calls that the capabilities are made of.

use aws_sdk_dynamodb::{
    Client,
    operation::put_item::PutItemError,
    types::{
        AttributeValue, Delete, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, Select,
        TransactWriteItem,
    },
};
use domain::time::Timestamp;
use futures::{Stream, stream};
use serde::de::DeserializeOwned;
use serde_dynamo::aws_sdk_dynamodb_1::from_item;

use crate::{
    StoreError,
    error::failed,
    item::{Item, number, string},
};

/// A DynamoDB table. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Table {
    pub(crate) client: Client,
    pub(crate) name: String,
}

/// What a page of a count has found among the items that it looked at.
pub(crate) struct Counted {
    pub(crate) found: usize,
    pub(crate) examined: usize,
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
        Ok(output.item)
    }

    /// Writes an item whose key must be free.
    pub(crate) async fn put_new(&self, item: Item) -> Result<(), StoreError> {
        self.put_if(item, "attribute_not_exists(pk)", None).await
    }

    /// Overwrites an item that must still be at `revision`.
    pub(crate) async fn put_revision(&self, item: Item, revision: u64) -> Result<(), StoreError> {
        self.put_if(item, "revision = :revision", Some((":revision".to_owned(), number(revision))))
            .await
    }

    /// When the answer to a put is lost, the SDK puts again, and the condition fails by what the
    /// first try has written: the very same item. That is no conflict.
    async fn put_if(
        &self,
        item: Item,
        condition: &str,
        value: Option<(String, AttributeValue)>,
    ) -> Result<(), StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item.clone()))
            .condition_expression(condition);
        let put = put.set_expression_attribute_values(value.map(|value| [value].into()));
        match put
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await
        {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(failure))
                    if failure.item.as_ref() == Some(&item) =>
                {
                    Ok(())
                }
                _ => Err(failed("PutItem")(error)),
            },
        }
    }

    /// Writes two items whose keys must be free, or neither.
    pub(crate) async fn put_both_new(&self, items: [Item; 2]) -> Result<(), StoreError> {
        let put = |item| {
            let put = Put::builder().table_name(&self.name).set_item(Some(item));
            let put = put.condition_expression("attribute_not_exists(pk)").build();
            put.map(|put| TransactWriteItem::builder().put(put).build())
                .map_err(|_| StoreError::Damaged("no item to put"))
        };
        let [first, second] = items;
        self.transact([put(first)?, put(second)?]).await
    }

    /// Deletes two items, or neither.
    pub(crate) async fn delete_both(&self, keys: [Item; 2]) -> Result<(), StoreError> {
        let delete = |key| {
            let delete = Delete::builder().table_name(&self.name).set_key(Some(key)).build();
            delete
                .map(|delete| TransactWriteItem::builder().delete(delete).build())
                .map_err(|_| StoreError::Damaged("no key to delete"))
        };
        let [first, second] = keys;
        self.transact([delete(first)?, delete(second)?]).await
    }

    async fn transact(&self, items: [TransactWriteItem; 2]) -> Result<(), StoreError> {
        let request = self.client.transact_write_items().set_transact_items(Some(items.into()));
        request.send().await.map_err(failed("TransactWriteItems"))?;
        Ok(())
    }

    /// Deletes an item. Whether it was there.
    pub(crate) async fn delete_if_there(&self, key: Item) -> Result<bool, StoreError> {
        let output = self
            .client
            .delete_item()
            .table_name(&self.name)
            .set_key(Some(key))
            .return_values(ReturnValue::AllOld)
            .send()
            .await
            .map_err(failed("DeleteItem"))?;
        Ok(output.attributes.is_some())
    }

    /// All items of a partition whose sort key starts with `prefix`, strongly consistent.
    pub(crate) async fn all(&self, pk: String, prefix: &str) -> Result<Vec<Item>, StoreError> {
        self.query_all("pk = :pk AND begins_with(sk, :sk)", pk, prefix).await
    }

    /// All items of a partition whose sort key is less than `end`, strongly consistent.
    pub(crate) async fn all_before(&self, pk: String, end: &str) -> Result<Vec<Item>, StoreError> {
        self.query_all("pk = :pk AND sk < :sk", pk, end).await
    }

    /// How many items of a partition have a sort key that starts with `prefix` and have not
    /// expired: the last ones first, by pages of at most `limit` items.
    pub(crate) fn counts(
        &self,
        pk: String,
        prefix: &str,
        limit: i32,
        now: Timestamp,
    ) -> impl Stream<Item = Result<Counted, StoreError>> + use<> {
        let pages = self
            .client
            .query()
            .table_name(&self.name)
            .select(Select::Count)
            .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
            .filter_expression("expires_at > :now")
            .expression_attribute_values(":pk", string(pk))
            .expression_attribute_values(":sk", string(prefix))
            .expression_attribute_values(":now", number(now.seconds()))
            .scan_index_forward(false)
            .limit(limit)
            .into_paginator()
            .send();
        stream::try_unfold(pages, |mut pages| async {
            let Some(page) = pages.next().await else { return Ok(None) };
            let page = page.map_err(failed("Query"))?;
            let size = |number| usize::try_from(number).unwrap_or(0);
            Ok(Some((
                Counted { found: size(page.count), examined: size(page.scanned_count) },
                pages,
            )))
        })
    }

    async fn query_all(
        &self,
        condition: &str,
        pk: String,
        sk: &str,
    ) -> Result<Vec<Item>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .key_condition_expression(condition);
        let query = query
            .expression_attribute_values(":pk", string(pk))
            .expression_attribute_values(":sk", string(sk));
        let mut pages = query.into_paginator().items().send();
        let mut items = Vec::new();
        while let Some(item) = pages.next().await {
            items.push(item.map_err(failed("Query"))?);
        }
        Ok(items)
    }
}
