//! The topics that a project adds to the deployment's catalogue.

use domain::model::{CatalogueEntry, Topic};

use crate::{
    Access, StoreError, Table,
    item::{item, key},
    list::parse,
    row_keys::{pk, sk},
};

/// Reads, writes and deletes a project's own topics.
#[derive(Clone, Debug)]
pub struct TopicStore(Table);

impl TopicStore {
    /// Over the config table.
    pub fn new(config: Table) -> Self {
        Self(config)
    }

    /// The project's own topics, by name.
    pub async fn all(&self, access: Access) -> Result<Vec<CatalogueEntry>, StoreError> {
        self.0
            .all(pk::project(access.project()), sk::TOPICS)
            .await?
            .into_iter()
            .map(parse)
            .collect()
    }

    /// Writes a topic. Whether it is new to the project.
    pub async fn put(&self, access: Access, entry: &CatalogueEntry) -> Result<bool, StoreError> {
        let row = item(pk::project(access.project()), sk::topic(&entry.name), entry)?;
        self.0.put_over(row).await
    }

    /// Deletes a topic. Whether it was there.
    pub async fn delete(&self, access: Access, name: &Topic) -> Result<bool, StoreError> {
        self.0.delete_if_there(key(pk::project(access.project()), sk::topic(name))).await
    }
}
