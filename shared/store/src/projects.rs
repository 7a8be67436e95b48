//! Projects. A project stands twice: in its own partition, where each event's one Query finds it,
//! and in the operator's list.

use domain::{
    id::ProjectId,
    model::{Project, project::ProjectSecret},
    time::Timestamp,
};

use crate::{
    Page, PageRequest, StoreError, Table,
    item::{Item, item, key},
    list::{Listing, parse},
    row_keys::{pk, sk},
    secrets,
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
        self.0.get(key(pk::project(id), sk::PROJECT)).await
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
        let [own, listed] = rows(project)?;
        self.0.put_all_new([own, listed, secrets::row(project.id, secret)?]).await
    }

    /// Overwrites a project that is unchanged since it was read at its revision, and counts the
    /// revision up; [`StoreError::Conflict`] otherwise.
    pub async fn replace(&self, project: &Project) -> Result<(), StoreError> {
        self.0.put_revisions(rows(project)?).await
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

/// A project in both of its places.
fn rows(project: &Project) -> Result<[Item; 2], StoreError> {
    Ok([
        item(pk::project(project.id), sk::PROJECT, project)?,
        item(pk::PROJECTS, sk::id(project.id), project)?,
    ])
}
