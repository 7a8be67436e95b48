//! Changes of one item in place.

use aws_sdk_dynamodb::{
    operation::update_item::builders::UpdateItemFluentBuilder,
    types::{self, AttributeValue, ReturnValue},
};

use super::Table;
use crate::{StoreError, error::failed, item::Item};

/// A change that is not made yet.
#[must_use]
pub(crate) struct Update(UpdateItemFluentBuilder);

impl Table {
    /// Prepares a change of the item with this key, `SET a = :a ADD b :b REMOVE c`.
    pub(crate) fn update(&self, key: Item, change: impl Into<String>) -> Update {
        let update = self.client.update_item().table_name(&self.name).set_key(Some(key));
        Update(update.update_expression(change))
    }
}

impl Update {
    /// Makes the change only if `condition` holds; [`StoreError::Conflict`] otherwise.
    pub(crate) fn when(self, condition: impl Into<String>) -> Self {
        Self(self.0.condition_expression(condition))
    }

    /// What a `#placeholder` stands for: an attribute whose name is a reserved word.
    pub(crate) fn name(self, placeholder: impl Into<String>, name: impl Into<String>) -> Self {
        Self(self.0.expression_attribute_names(placeholder, name))
    }

    /// What a `:placeholder` stands for.
    pub(crate) fn value(self, placeholder: impl Into<String>, value: AttributeValue) -> Self {
        Self(self.0.expression_attribute_values(placeholder, value))
    }

    /// Several of [`Self::value`].
    pub(crate) fn values<'a>(
        self,
        values: impl IntoIterator<Item = (&'a str, AttributeValue)>,
    ) -> Self {
        values
            .into_iter()
            .fold(self, |update, (placeholder, value)| update.value(placeholder, value))
    }

    /// The change as a part of a transaction.
    pub(super) fn of_a_transaction(self) -> Result<types::Update, StoreError> {
        let update = self.0.as_input();
        types::Update::builder()
            .set_table_name(update.get_table_name().clone())
            .set_key(update.get_key().clone())
            .set_update_expression(update.get_update_expression().clone())
            .set_condition_expression(update.get_condition_expression().clone())
            .set_expression_attribute_names(update.get_expression_attribute_names().clone())
            .set_expression_attribute_values(update.get_expression_attribute_values().clone())
            .build()
            .map_err(|_| StoreError::Damaged("no change to make"))
    }

    /// Makes the change.
    pub(crate) async fn make(self) -> Result<(), StoreError> {
        self.returning(ReturnValue::None).await.map(drop)
    }

    /// Makes the change. Whether its condition held.
    pub(crate) async fn make_if(self) -> Result<bool, StoreError> {
        match self.make().await {
            Ok(()) => Ok(true),
            Err(StoreError::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes the change, and returns what DynamoDB says of the item.
    pub(crate) async fn returning(self, wanted: ReturnValue) -> Result<Item, StoreError> {
        let output = self.0.return_values(wanted).send().await.map_err(failed("UpdateItem"))?;
        Ok(output.attributes.unwrap_or_default())
    }
}
