//! Operator keys, found by their hash and listed by the operator.
//!
//! They stand in partitions of their own: no row of a project's key can ever be read as one of
//! these.

use domain::{
    id::OperatorKeyId,
    model::{ApiKeyHash, OperatorKeyRecord},
    time::Timestamp,
};
use serde_dynamo::aws_sdk_dynamodb_1::from_item;

use crate::{
    Page, PageRequest, StoreError, Table,
    item::{item, key},
    list::{Listing, parse},
    row_keys::{pk, sk},
};

/// Finds an operator key by its hash: all that authentication needs.
#[derive(Clone, Debug)]
pub struct OperatorKeyReader(Table);

impl OperatorKeyReader {
    /// Over the config table.
    pub fn new(config: Table) -> Self {
        Self(config)
    }

    /// The key with this hash, unless it was revoked.
    pub async fn find(&self, hash: &ApiKeyHash) -> Result<Option<OperatorKeyRecord>, StoreError> {
        self.0.get(key(pk::operator_key(hash), sk::KEY)).await
    }
}

/// Makes, lists and revokes operator keys.
#[derive(Clone, Debug)]
pub struct OperatorKeyStore(Table);

impl OperatorKeyStore {
    /// Over the config table.
    pub fn new(config: Table) -> Self {
        Self(config)
    }

    /// Writes a new key, in both of its places.
    pub async fn create(&self, record: &OperatorKeyRecord) -> Result<(), StoreError> {
        self.0
            .transaction()
            .put_new(item(pk::operator_key(&record.hash), sk::KEY, record)?)?
            .put_new(item(pk::OPERATOR_KEYS, sk::id(record.id), record)?)?
            .write()
            .await
    }

    /// A page of all operator keys.
    pub async fn list(
        &self,
        request: &PageRequest<OperatorKeyId>,
        now: Timestamp,
    ) -> Result<Page<OperatorKeyRecord>, StoreError> {
        let listing =
            Listing::new(&self.0, vec![pk::OPERATOR_KEYS.to_owned()], OperatorKeyId::PREFIX);
        listing.page(request, now, |row| async move { parse(row).map(Some) }).await
    }

    /// All operator keys. They are few: `admin` bounds their number.
    pub async fn all(&self) -> Result<Vec<OperatorKeyRecord>, StoreError> {
        let rows = self.0.all(pk::OPERATOR_KEYS.to_owned(), OperatorKeyId::PREFIX).await?;
        rows.into_iter().map(|row| from_item(row).map_err(Into::into)).collect()
    }

    /// Deletes a key from both of its places. Whether it was there.
    pub async fn revoke(&self, id: OperatorKeyId) -> Result<bool, StoreError> {
        let listed = key(pk::OPERATOR_KEYS, sk::id(id));
        let Some(record) = self.0.get::<OperatorKeyRecord>(listed.clone()).await? else {
            return Ok(false);
        };
        self.0
            .transaction()
            .delete(key(pk::operator_key(&record.hash), sk::KEY))?
            .delete(listed)?
            .write()
            .await?;
        Ok(true)
    }
}
