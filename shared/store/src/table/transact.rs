//! Writes of several items, or of none.

use aws_sdk_dynamodb::types::{
    Delete, Put, TransactWriteItem,
    builders::{DeleteBuilder, PutBuilder},
};

use super::{
    TRIES, Table, Update, pause,
    revision::{SAME_REVISION, next_revision},
};
use crate::{
    StoreError,
    error::{failed, is_contended},
    item::Item,
};

/// The condition of a write of an item that must not be there yet.
const NEW: &str = "attribute_not_exists(pk)";
/// And of one that must be.
const THERE: &str = "attribute_exists(pk)";

/// Writes that are made together or not at all. When an answer is lost, the SDK repeats the call
/// with the same `ClientRequestToken`, and DynamoDB does not carry it out twice.
#[must_use]
pub(crate) struct Transaction<'a> {
    table: &'a Table,
    writes: Vec<TransactWriteItem>,
}

impl Table {
    /// An empty transaction.
    pub(crate) fn transaction(&self) -> Transaction<'_> {
        Transaction { table: self, writes: Vec::new() }
    }
}

impl Transaction<'_> {
    /// Writes an item, whatever is there.
    pub(crate) fn put(self, item: Item) -> Result<Self, StoreError> {
        self.with_put(Put::builder().set_item(Some(item)))
    }

    /// Writes an item whose key must be free.
    pub(crate) fn put_new(self, item: Item) -> Result<Self, StoreError> {
        self.with_put(Put::builder().set_item(Some(item)).condition_expression(NEW))
    }

    /// Overwrites an item that must still be at the revision that it was read at, and counts the
    /// revision up.
    pub(crate) fn put_revision(self, item: Item) -> Result<Self, StoreError> {
        let (item, revision) = next_revision(item)?;
        let put = Put::builder().set_item(Some(item)).condition_expression(SAME_REVISION);
        self.with_put(put.expression_attribute_values(":revision", revision))
    }

    fn with_put(self, put: PutBuilder) -> Result<Self, StoreError> {
        let put = put.table_name(&self.table.name).build();
        let put = put.map_err(|_| StoreError::Damaged("no item to put"))?;
        Ok(self.with(TransactWriteItem::builder().put(put).build()))
    }

    /// Deletes an item, if it is there.
    pub(crate) fn delete(self, key: Item) -> Result<Self, StoreError> {
        self.with_delete(Delete::builder().set_key(Some(key)))
    }

    /// Deletes an item that must be there.
    pub(crate) fn delete_there(self, key: Item) -> Result<Self, StoreError> {
        self.with_delete(Delete::builder().set_key(Some(key)).condition_expression(THERE))
    }

    fn with_delete(self, delete: DeleteBuilder) -> Result<Self, StoreError> {
        let delete = delete.table_name(&self.table.name).build();
        let delete = delete.map_err(|_| StoreError::Damaged("no key to delete"))?;
        Ok(self.with(TransactWriteItem::builder().delete(delete).build()))
    }

    /// Makes a change in place, if its condition holds.
    pub(crate) fn update(self, update: Update) -> Result<Self, StoreError> {
        let update = update.of_a_transaction()?;
        Ok(self.with(TransactWriteItem::builder().update(update).build()))
    }

    fn with(mut self, write: TransactWriteItem) -> Self {
        self.writes.push(write);
        self
    }

    /// Makes the writes. [`StoreError::Conflict`] if the condition of one does not hold.
    pub(crate) async fn write(self) -> Result<(), StoreError> {
        if self.write_if().await? { Ok(()) } else { Err(StoreError::Conflict) }
    }

    /// Makes the writes. Whether all conditions held. Waits and tries again while another
    /// transaction writes one of the items.
    pub(crate) async fn write_if(self) -> Result<bool, StoreError> {
        for attempt in 0..TRIES {
            pause(attempt).await;
            let call = self.table.client.transact_write_items();
            match call.set_transact_items(Some(self.writes.clone())).send().await {
                Ok(_) => return Ok(true),
                Err(error) if is_contended(&error) => {}
                Err(error) => {
                    return match failed("TransactWriteItems")(error) {
                        StoreError::Conflict => Ok(false),
                        error => Err(error),
                    };
                }
            }
        }
        let detail = "other transactions keep writing one of the items".to_owned();
        Err(StoreError::Unavailable { operation: "TransactWriteItems", detail })
    }
}
