//! Writes of one whole item.

use aws_sdk_dynamodb::{
    operation::put_item::{PutItemError, builders::PutItemFluentBuilder},
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};

use super::{
    Table,
    revision::{SAME_REVISION, next_revision},
};
use crate::{StoreError, error::failed, item::Item};

impl Table {
    /// Writes an item, whatever is there.
    pub(crate) async fn put(&self, item: Item) -> Result<(), StoreError> {
        self.to_put(item).send().await.map(drop).map_err(failed("PutItem"))
    }

    /// Writes an item whose key must be free.
    pub(crate) async fn put_new(&self, item: Item) -> Result<(), StoreError> {
        self.put_or_conflict(item, "attribute_not_exists(pk)", []).await
    }

    /// Overwrites an item that must still be at the revision that it was read at, and counts the
    /// revision up.
    pub(crate) async fn put_revision(&self, item: Item) -> Result<(), StoreError> {
        let (item, revision) = next_revision(item)?;
        self.put_or_conflict(item, SAME_REVISION, [(":revision", revision)]).await
    }

    /// When the answer to a put is lost, the SDK puts again, and the condition fails because the
    /// first try has written the same item. That is no conflict.
    async fn put_or_conflict<const N: usize>(
        &self,
        item: Item,
        condition: &str,
        values: [(&str, AttributeValue); N],
    ) -> Result<(), StoreError> {
        match self.put_if(item.clone(), condition, values).await? {
            Some(there) if there != item => Err(StoreError::Conflict),
            _ => Ok(()),
        }
    }

    /// Writes an item if `condition` holds. Otherwise returns the item that is there;
    /// [`StoreError::Conflict`] if it has gone in the meantime.
    pub(crate) async fn put_if<const N: usize>(
        &self,
        item: Item,
        condition: &str,
        values: [(&str, AttributeValue); N],
    ) -> Result<Option<Item>, StoreError> {
        let values = values.map(|(name, value)| (name.to_owned(), value));
        let put = self
            .to_put(item)
            .condition_expression(condition)
            .set_expression_attribute_values((N > 0).then(|| values.into()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = put.send().await else { return Ok(None) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failure)) => {
                failure.item.clone().map(Some).ok_or(StoreError::Conflict)
            }
            _ => Err(failed("PutItem")(error)),
        }
    }

    fn to_put(&self, item: Item) -> PutItemFluentBuilder {
        self.client.put_item().table_name(&self.name).set_item(Some(item))
    }
}
