//! Projects. A project stands twice: in the operator's list, and in the version row of its
//! configuration, where accepting an event finds it.

use domain::{
    id::ProjectId,
    model::{Project, project::ProjectSecret},
    time::Timestamp,
};

use crate::{
    Page, PageRequest, StoreError, Table,
    item::{Item, item, key},
    list::{Listing, parse},
    project_config::next_version_of,
    row_keys::{pk, sk},
    secrets, standings,
};

/// Reads one project: what authentication needs to let the operator act for it.
#[derive(Clone, Debug)]
pub struct ProjectReader(Table);

impl ProjectReader {
    /// Over the config table.
    pub fn new(config: Table) -> Self {
        Self(config)
    }

    /// The project, if it exists.
    pub async fn get(&self, id: ProjectId) -> Result<Option<Project>, StoreError> {
        self.0.get(key(pk::PROJECTS, sk::id(id))).await
    }
}

/// Makes, changes and lists projects: the operator's own.
#[derive(Clone, Debug)]
pub struct ProjectStore(Table);

impl ProjectStore {
    /// Over the config table.
    pub fn new(config: Table) -> Self {
        Self(config)
    }

    /// Writes a new project with its secret.
    pub async fn create(
        &self,
        project: &Project,
        secret: &ProjectSecret,
    ) -> Result<(), StoreError> {
        self.0
            .transaction()
            .put_new(row(project)?)?
            .put_new(secrets::row(project.id, secret)?)?
            .update(next_version_of(&self.0, project)?)?
            .write()
            .await
    }

    /// Overwrites a project that is unchanged since it was read at its revision, and counts the
    /// revision up; [`StoreError::Conflict`] otherwise.
    pub async fn replace(&self, project: &Project) -> Result<(), StoreError> {
        let writes = self.0.transaction().put_revision(row(project)?)?;
        let writes = writes.update(next_version_of(&self.0, project)?)?;
        writes.update(standings::set(&self.0, project)?)?.write().await
    }

    /// A page of all projects.
    pub async fn list(
        &self,
        request: &PageRequest<ProjectId>,
        now: Timestamp,
    ) -> Result<Page<Project>, StoreError> {
        let listing = Listing::new(&self.0, vec![pk::PROJECTS.to_owned()], ProjectId::PREFIX);
        listing.page(request, now, |row| async move { parse(row).map(Some) }).await
    }
}

fn row(project: &Project) -> Result<Item, StoreError> {
    item(pk::PROJECTS, sk::id(project.id), project)
}
