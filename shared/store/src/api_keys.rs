//! API keys, found by their hash and listed by their project.

use domain::{
    id::{KeyId, ProjectId},
    model::{ApiKeyHash, KeyRecord},
    time::Timestamp,
};

use crate::{
    Page, PageRequest, StoreError, Table,
    item::{item, key},
    list::{Listing, parse},
    row_keys::{pk, sk},
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
        self.0.get(key(pk::api_key(hash), sk::KEY)).await
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
        let listed = item(pk::project(record.project), sk::api_key(record.id), record)?;
        self.0
            .transaction()
            .put_new(item(pk::api_key(&record.hash), sk::KEY, record)?)?
            .put_new(listed)?
            .write()
            .await
    }

    /// A page of a project's keys.
    pub async fn list(
        &self,
        project: ProjectId,
        request: &PageRequest<KeyId>,
        now: Timestamp,
    ) -> Result<Page<KeyRecord>, StoreError> {
        let listing = Listing::new(&self.0, vec![pk::project(project)], sk::API_KEYS);
        listing.page(request, now, |row| async move { parse(row).map(Some) }).await
    }

    /// How many keys a project has.
    pub async fn count(&self, project: ProjectId) -> Result<usize, StoreError> {
        Ok(self.0.all(pk::project(project), sk::API_KEYS).await?.len())
    }

    /// Deletes a key from both of its places. Whether it was there.
    pub async fn revoke(&self, project: ProjectId, id: KeyId) -> Result<bool, StoreError> {
        let listed = key(pk::project(project), sk::api_key(id));
        let Some(record) = self.0.get::<KeyRecord>(listed.clone()).await? else {
            return Ok(false);
        };
        self.0
            .transaction()
            .delete(key(pk::api_key(&record.hash), sk::KEY))?
            .delete(listed)?
            .write()
            .await?;
        Ok(true)
    }
}
