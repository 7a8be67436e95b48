//! A project's endpoints, as the API manages them.

use super::{
    Page, PageRequest, StoreError, Table,
    item::{item, key, project_pk, text},
    list::{Listing, parse},
};
use crate::{
    auth::Access,
    id::EndpointId,
    model::{CatalogueEntry, Endpoint, Project},
    time::Timestamp,
};

/// The sort key of an endpoint.
pub(super) fn sk(id: EndpointId) -> String {
    format!("EP#{id}")
}

/// All of a project that an event or an endpoint has to do with, read by one Query.
#[derive(Clone, Debug, Default)]
pub struct ProjectView {
    /// The project; none if it doesn't exist.
    pub project: Option<Project>,
    /// The topics that it adds to the deployment's.
    pub topics: Vec<CatalogueEntry>,
    /// Its endpoints, whatever their status.
    pub endpoints: Vec<Endpoint>,
}

/// Reads a project with all that it owns.
#[derive(Clone, Debug)]
pub struct ProjectViews(Table);

impl ProjectViews {
    /// Over the config table.
    pub fn new(config: Table) -> Self {
        Self(config)
    }

    /// One strongly consistent Query: an endpoint made before an event gets it.
    pub async fn load(&self, access: Access) -> Result<ProjectView, StoreError> {
        let mut view = ProjectView::default();
        for row in self.0.all(project_pk(access.project()), "").await? {
            match text(&row, "sk") {
                "PROJ" => view.project = Some(parse(row)?),
                sk if sk.starts_with("TOPIC#") => view.topics.push(parse(row)?),
                sk if sk.starts_with("EP#") => view.endpoints.push(parse(row)?),
                _ => {}
            }
        }
        Ok(view)
    }
}

/// Makes, reads, changes and deletes endpoints.
#[derive(Clone, Debug)]
pub struct EndpointStore(Table);

impl EndpointStore {
    /// Over the config table.
    pub fn new(config: Table) -> Self {
        Self(config)
    }

    /// Writes a new endpoint.
    pub async fn create(&self, access: Access, endpoint: &Endpoint) -> Result<(), StoreError> {
        self.0.put_new(item(project_pk(access.project()), sk(endpoint.id), endpoint)?).await
    }

    /// One endpoint of the project.
    pub async fn get(&self, access: Access, id: EndpointId) -> Result<Option<Endpoint>, StoreError> {
        self.0.get(key(project_pk(access.project()), sk(id))).await
    }

    /// A page of the project's endpoints that `keep` keeps.
    pub async fn list<F>(
        &self,
        access: Access,
        request: &PageRequest<EndpointId>,
        now: Timestamp,
        keep: F,
    ) -> Result<Page<Endpoint>, StoreError>
    where
        F: Fn(&Endpoint) -> bool,
    {
        let listing = Listing::new(&self.0, vec![project_pk(access.project())], "EP#we_");
        let keep = &keep;
        listing.page(request, now, |row| async move { Ok(Some(parse(row)?).filter(keep)) }).await
    }

    /// Overwrites an endpoint that nobody has changed since `endpoint` was read at `revision`; [`StoreError::Conflict`] otherwise.
    pub async fn replace(&self, access: Access, endpoint: &Endpoint, revision: u64) -> Result<(), StoreError> {
        self.0.put_revision(item(project_pk(access.project()), sk(endpoint.id), endpoint)?, revision).await
    }

    /// Deletes an endpoint. Whether it was there.
    pub async fn delete(&self, access: Access, id: EndpointId) -> Result<bool, StoreError> {
        match self.0.delete_existing(key(project_pk(access.project()), sk(id))).await {
            Ok(()) => Ok(true),
            Err(StoreError::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
