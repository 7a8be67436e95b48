//! A project's endpoints, as the API manages them.

use domain::{
    id::EndpointId,
    model::{Endpoint, Subscription},
    time::Timestamp,
};

use crate::{
    Access, Page, PageRequest, StoreError, Table,
    item::key,
    list::{Listing, parse},
    project_rows::ProjectRows,
    row_keys::{pk, sk},
};

/// The sort key of the rows of an endpoint or of a worker's webhook.
pub(crate) fn row_sk(endpoint: &Endpoint) -> String {
    endpoint.worker_id.as_deref().map_or_else(|| sk::endpoint(endpoint.id), sk::worker)
}

/// Makes, reads, changes and deletes endpoints.
#[derive(Clone, Debug)]
pub struct EndpointStore(Table);

impl EndpointStore {
    /// Over the config table.
    pub fn new(config: Table) -> Self {
        Self(config)
    }

    /// Writes a new endpoint, or worker's webhook.
    pub async fn create(&self, access: Access, endpoint: &Endpoint) -> Result<(), StoreError> {
        let rows = ProjectRows::new(&self.0, access.project(), row_sk(endpoint));
        rows.create(endpoint, &Subscription::from(endpoint)).await
    }

    /// One endpoint of the project.
    pub async fn get(
        &self,
        access: Access,
        id: EndpointId,
    ) -> Result<Option<Endpoint>, StoreError> {
        self.0.get(key(pk::project(access.project()), sk::endpoint(id))).await
    }

    /// A worker's webhook.
    pub async fn worker(
        &self,
        access: Access,
        worker_id: &str,
    ) -> Result<Option<Endpoint>, StoreError> {
        self.0.get(key(pk::project(access.project()), sk::worker(worker_id))).await
    }

    /// Deletes a worker's webhook. Whether it was there.
    pub async fn delete_worker(&self, access: Access, worker_id: &str) -> Result<bool, StoreError> {
        ProjectRows::new(&self.0, access.project(), sk::worker(worker_id)).delete().await
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
        let listing = Listing::new(&self.0, vec![pk::project(access.project())], sk::ENDPOINTS);
        let keep = &keep;
        listing.page(request, now, |row| async move { Ok(Some(parse(row)?).filter(keep)) }).await
    }

    /// Overwrites an endpoint that is unchanged since it was read at its revision, and counts the
    /// revision up; [`StoreError::Conflict`] otherwise.
    pub async fn replace(&self, access: Access, endpoint: &Endpoint) -> Result<(), StoreError> {
        let rows = ProjectRows::new(&self.0, access.project(), row_sk(endpoint));
        rows.replace(endpoint, &Subscription::from(endpoint)).await
    }

    /// Deletes an endpoint. Whether it was there.
    pub async fn delete(&self, access: Access, id: EndpointId) -> Result<bool, StoreError> {
        ProjectRows::new(&self.0, access.project(), sk::endpoint(id)).delete().await
    }
}
