//! A project's secret, which signs deliveries to URLs without an endpoint.

use domain::{id::ProjectId, model::project::ProjectSecret};

use crate::{
    Access, StoreError, Table,
    item::{Item, item, key},
    row_keys::{pk, sk},
};

/// The row of a project's secret.
pub(crate) fn row(project: ProjectId, secret: &ProjectSecret) -> Result<Item, StoreError> {
    item(pk::project(project), sk::PROJECT_SECRET, secret)
}

/// Reads and writes a project's secret.
#[derive(Clone, Debug)]
pub struct ProjectSecrets(Table);

impl ProjectSecrets {
    /// Over the config table.
    pub fn new(config: Table) -> Self {
        Self(config)
    }

    /// The project's secret; `None` if the project is not there.
    pub async fn get(&self, access: Access) -> Result<Option<ProjectSecret>, StoreError> {
        self.0.get(key(pk::project(access.project()), sk::PROJECT_SECRET)).await
    }

    /// Overwrites a secret that is unchanged since it was read at its revision, and counts the
    /// revision up; [`StoreError::Conflict`] otherwise.
    pub async fn replace(&self, access: Access, secret: &ProjectSecret) -> Result<(), StoreError> {
        self.0.put_revision(row(access.project(), secret)?).await
    }
}
