//! API keys, found by their hash and listed by their project.

use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};
use serde_dynamo::aws_sdk_dynamodb_1::from_item;

use super::{
    Page, PageRequest, StoreError, Table,
    error::failed,
    item::{item, key, project_pk},
    list::{Listing, parse},
};
use crate::{
    id::{KeyId, ProjectId},
    model::{ApiKeyHash, KeyRecord},
    time::Timestamp,
};

/// Finds a key by its hash: all that authentication needs.
#[derive(Clone, Debug)]
pub struct KeyReader(Table);

impl KeyReader {
    /// Over the config table.
    pub fn new(config: Table) -> Self {
        Self(config)
    }

    /// The key with this hash, unless it was revoked.
    pub async fn find(&self, hash: &ApiKeyHash) -> Result<Option<KeyRecord>, StoreError> {
        self.0.get(key(hash_pk(hash), "KEY")).await
    }
}

/// Makes, lists and revokes keys: the operator's own.
#[derive(Clone, Debug)]
pub struct KeyStore(Table);

impl KeyStore {
    /// Over the config table.
    pub fn new(config: Table) -> Self {
        Self(config)
    }

    /// Writes a new key, in both of its places.
    pub async fn create(&self, record: &KeyRecord) -> Result<(), StoreError> {
        let put = |item| {
            let put = Put::builder().table_name(&self.0.name).set_item(Some(item)).condition_expression("attribute_not_exists(pk)").build();
            put.map(|put| TransactWriteItem::builder().put(put).build()).map_err(|_| StoreError::Damaged("no item to put"))
        };
        self.transact([
            put(item(hash_pk(&record.hash), "KEY", record)?)?,
            put(item(project_pk(record.project), list_sk(record.id), record)?)?,
        ])
        .await
    }

    /// A page of a project's keys.
    pub async fn list(&self, project: ProjectId, request: &PageRequest<KeyId>, now: Timestamp) -> Result<Page<KeyRecord>, StoreError> {
        let listing = Listing::new(&self.0, vec![project_pk(project)], "KEY#key_");
        listing.page(request, now, |row| async move { parse(row).map(Some) }).await
    }

    /// How many keys a project has.
    pub async fn count(&self, project: ProjectId) -> Result<usize, StoreError> {
        Ok(self.0.all(project_pk(project), "KEY#").await?.len())
    }

    /// Deletes a key from both of its places. Whether it was there.
    pub async fn revoke(&self, project: ProjectId, id: KeyId) -> Result<bool, StoreError> {
        let Some(row) = self.0.get_item(key(project_pk(project), list_sk(id))).await? else { return Ok(false) };
        let record: KeyRecord = from_item(row)?;
        let delete = |key| {
            let delete = Delete::builder().table_name(&self.0.name).set_key(Some(key)).build();
            delete.map(|delete| TransactWriteItem::builder().delete(delete).build()).map_err(|_| StoreError::Damaged("no key to delete"))
        };
        self.transact([delete(key(hash_pk(&record.hash), "KEY"))?, delete(key(project_pk(project), list_sk(id)))?]).await?;
        Ok(true)
    }

    async fn transact(&self, items: [TransactWriteItem; 2]) -> Result<(), StoreError> {
        let request = self.0.client.transact_write_items().set_transact_items(Some(items.into()));
        request.send().await.map_err(failed("TransactWriteItems"))?;
        Ok(())
    }
}

fn hash_pk(hash: &ApiKeyHash) -> String {
    format!("KEY#{}", hash.as_str())
}

fn list_sk(id: KeyId) -> String {
    format!("KEY#{id}")
}
