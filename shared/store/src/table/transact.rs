//! Writes of several items, or of none.

use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem};

use super::{
    Table,
    revision::{SAME_REVISION, next_revision},
};
use crate::{
    StoreError,
    error::{failed, is_contended},
    item::Item,
};

impl Table {
    /// Writes items whose keys must all be free.
    pub(crate) async fn put_all_new<const N: usize>(
        &self,
        items: [Item; N],
    ) -> Result<(), StoreError> {
        self.put_all_if(items, "attribute_not_exists(pk)", []).await
    }

    /// Overwrites items, all of one revision, that must still be at it, and counts it up.
    pub(crate) async fn put_revisions<const N: usize>(
        &self,
        mut items: [Item; N],
    ) -> Result<(), StoreError> {
        let mut read = None;
        for item in &mut items {
            let (next, revision) = next_revision(std::mem::take(item))?;
            (*item, read) = (next, Some(revision));
        }
        let Some(read) = read else { return Ok(()) };
        self.put_all_if(items, SAME_REVISION, [(":revision", read)]).await
    }

    /// Writes items if `condition` holds for what is there of each.
    async fn put_all_if<const N: usize, const M: usize>(
        &self,
        items: [Item; N],
        condition: &str,
        values: [(&str, AttributeValue); M],
    ) -> Result<(), StoreError> {
        let values = values.map(|(name, value)| (name.to_owned(), value));
        let put = |item| {
            let put = Put::builder().table_name(&self.name).set_item(Some(item));
            let put = put.condition_expression(condition);
            let put = put.set_expression_attribute_values((M > 0).then(|| values.clone().into()));
            put.build()
                .map(|put| TransactWriteItem::builder().put(put).build())
                .map_err(|_| StoreError::Damaged("no item to put"))
        };
        self.transact(items.into_iter().map(put).collect::<Result<_, _>>()?).await
    }

    /// Deletes items; those that aren't there as well.
    pub(crate) async fn delete_together<const N: usize>(
        &self,
        keys: [Item; N],
    ) -> Result<(), StoreError> {
        let delete = |key| {
            let delete = Delete::builder().table_name(&self.name).set_key(Some(key)).build();
            delete
                .map(|delete| TransactWriteItem::builder().delete(delete).build())
                .map_err(|_| StoreError::Damaged("no key to delete"))
        };
        self.transact(keys.into_iter().map(delete).collect::<Result<_, _>>()?).await
    }

    /// [`StoreError::Conflict`] also while another transaction writes one of the items.
    async fn transact(&self, items: Vec<TransactWriteItem>) -> Result<(), StoreError> {
        match self.client.transact_write_items().set_transact_items(Some(items)).send().await {
            Ok(_) => Ok(()),
            Err(error) if is_contended(&error) => Err(StoreError::Conflict),
            Err(error) => Err(failed("TransactWriteItems")(error)),
        }
    }
}
