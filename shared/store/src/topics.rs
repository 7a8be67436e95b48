//! The topics that a project adds to the deployment's catalogue.

use domain::model::{CatalogueEntry, Topic};
use serde::Serialize;

use crate::{
    Access, StoreError, Table,
    item::{item, key},
    list::parse,
    project_config::next_version,
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
        let (project, sk) = (access.project(), sk::topic(&entry.name));
        self.0
            .transaction()
            .put(item(pk::project(project), sk.clone(), entry)?)?
            .put(item(pk::subscriptions(project), sk, &Named { name: &entry.name })?)?
            .update(next_version(&self.0, project))?
            .write()
            .await
    }

    /// Deletes a topic. Whether it was there.
    pub async fn delete(&self, access: Access, name: &Topic) -> Result<bool, StoreError> {
        let project = access.project();
        self.0
            .transaction()
            .delete_there(key(pk::project(project), sk::topic(name)))?
            .delete(key(pk::subscriptions(project), sk::topic(name)))?
            .update(next_version(&self.0, project))?
            .write_if()
            .await
    }
}
