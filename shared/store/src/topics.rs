//! The topics that a project adds to the deployment's catalogue.

use domain::model::{CatalogueEntry, Topic};
use serde::Serialize;

use crate::{
    Access, StoreError, Table,
    list::parse,
    project_rows::ProjectRows,
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

    /// Writes a topic, new or not.
    pub async fn put(&self, access: Access, entry: &CatalogueEntry) -> Result<(), StoreError> {
        #[derive(Serialize)]
        struct Named<'a> {
            name: &'a Topic,
        }
        let rows = ProjectRows::new(&self.0, access.project(), sk::topic(&entry.name));
        rows.put(entry, &Named { name: &entry.name }).await
    }

    /// Deletes a topic. Whether it was there.
    pub async fn delete(&self, access: Access, name: &Topic) -> Result<bool, StoreError> {
        ProjectRows::new(&self.0, access.project(), sk::topic(name)).delete().await
    }
}
