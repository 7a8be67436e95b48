//! Rows of what a project owns: each thing as its owner made it, and in short, as accepting an
//! event needs it.

use domain::id::ProjectId;
use serde::Serialize;

use crate::{
    StoreError, Table,
    item::{Item, item, key},
    project_config::next_version,
    row_keys::{pk, sk},
    table::{Transaction, Update},
};

/// Both rows of one thing. A change writes them together, with the next version of the project's
/// configuration.
pub(crate) struct ProjectRows<'a> {
    config: &'a Table,
    project: ProjectId,
    sk: String,
}

impl<'a> ProjectRows<'a> {
    /// Those with this sort key; both have the same.
    pub(crate) fn new(config: &'a Table, project: ProjectId, sk: String) -> Self {
        Self { config, project, sk }
    }

    /// Writes what must be new.
    pub(crate) async fn create(
        self,
        whole: &impl Serialize,
        short: &impl Serialize,
    ) -> Result<(), StoreError> {
        let writes = self.config.transaction().put_new(self.whole(whole)?)?;
        self.write(writes, short).await
    }

    /// Overwrites what is unchanged since it was read at its revision, and counts the revision up;
    /// [`StoreError::Conflict`] otherwise.
    pub(crate) async fn replace(
        self,
        whole: &impl Serialize,
        short: &impl Serialize,
    ) -> Result<(), StoreError> {
        let writes = self.config.transaction().put_revision(self.whole(whole)?)?;
        self.write(writes, short).await
    }

    /// Writes, whatever is there.
    pub(crate) async fn put(
        self,
        whole: &impl Serialize,
        short: &impl Serialize,
    ) -> Result<(), StoreError> {
        let writes = self.config.transaction().put(self.whole(whole)?)?;
        self.write(writes, short).await
    }

    /// Deletes both. Whether they were there.
    pub(crate) async fn delete(self) -> Result<bool, StoreError> {
        let writes = self.config.transaction();
        let writes = writes.delete_there(self.whole_key())?.delete(self.short_key())?;
        self.counted(writes)?.write_if().await
    }

    /// Changes both in place. Whether their conditions held.
    pub(crate) async fn update(self, whole: Update, short: Update) -> Result<bool, StoreError> {
        let writes = self.config.transaction().update(whole)?.update(short)?;
        self.counted(writes)?.write_if().await
    }

    /// The key of the whole row.
    pub(crate) fn whole_key(&self) -> Item {
        key(pk::project(self.project), self.sk.as_str())
    }

    /// The key of the short row.
    pub(crate) fn short_key(&self) -> Item {
        key(pk::subscriptions(self.project), self.sk.as_str())
    }

    fn whole(&self, whole: &impl Serialize) -> Result<Item, StoreError> {
        item(pk::project(self.project), self.sk.as_str(), whole)
    }

    async fn write(
        &self,
        writes: Transaction<'a>,
        short: &impl Serialize,
    ) -> Result<(), StoreError> {
        let row = item(pk::subscriptions(self.project), self.sk.as_str(), short)?;
        self.counted(writes.put(row)?)?.write().await
    }

    /// With the next version. A worker's webhook has no part in it: an event reads its own
    /// worker's.
    fn counted(&self, writes: Transaction<'a>) -> Result<Transaction<'a>, StoreError> {
        if self.sk.starts_with(sk::WORKERS) {
            return Ok(writes);
        }
        writes.update(next_version(self.config, self.project))
    }
}
