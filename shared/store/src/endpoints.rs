//! A project's endpoints, as the API manages them.

use domain::{
    id::{EndpointId, ProjectId},
    model::{Endpoint, Subscription},
    time::Timestamp,
};

use crate::{
    Access, Page, PageRequest, StoreError, Table,
    item::{Item, item, key},
    list::{Listing, parse},
    project_config::next_version,
    row_keys::{pk, sk},
    table::Transaction,
};

fn row_sk(endpoint: &Endpoint) -> String {
    endpoint.worker_id.as_deref().map_or_else(|| sk::endpoint(endpoint.id), sk::worker)
}

/// The key of the row of an endpoint or of a worker's webhook.
pub(crate) fn row_key(endpoint: &Endpoint) -> Item {
    key(pk::project(endpoint.project), row_sk(endpoint))
}

/// The key of its subscription's row.
pub(crate) fn subscription_key(endpoint: &Endpoint) -> Item {
    key(pk::subscriptions(endpoint.project), row_sk(endpoint))
}

/// What a change of an endpoint changes besides its row, but for its subscription's row: an event
/// of a worker reads that worker's own subscription, which has no part in the version.
pub(crate) fn counted<'a>(
    writes: Transaction<'a>,
    config: &Table,
    project: ProjectId,
    worker: bool,
) -> Result<Transaction<'a>, StoreError> {
    if worker { Ok(writes) } else { writes.update(next_version(config, project)) }
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
        let row = item(pk::project(access.project()), row_sk(endpoint), endpoint)?;
        self.with_subscription(access, self.0.transaction().put_new(row)?, endpoint)?.write().await
    }

    /// Adds what accepting events has to know of the endpoint.
    fn with_subscription<'a>(
        &self,
        access: Access,
        writes: Transaction<'a>,
        endpoint: &Endpoint,
    ) -> Result<Transaction<'a>, StoreError> {
        let partition = pk::subscriptions(access.project());
        let row = item(partition, row_sk(endpoint), &Subscription::from(endpoint))?;
        counted(writes.put(row)?, &self.0, access.project(), endpoint.worker_id.is_some())
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
        self.delete_row(access, sk::worker(worker_id), true).await
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
        let row = item(pk::project(access.project()), row_sk(endpoint), endpoint)?;
        let writes = self.0.transaction().put_revision(row)?;
        self.with_subscription(access, writes, endpoint)?.write().await
    }

    /// Deletes an endpoint. Whether it was there.
    pub async fn delete(&self, access: Access, id: EndpointId) -> Result<bool, StoreError> {
        self.delete_row(access, sk::endpoint(id), false).await
    }

    async fn delete_row(
        &self,
        access: Access,
        sk: String,
        worker: bool,
    ) -> Result<bool, StoreError> {
        let project = access.project();
        let writes = self
            .0
            .transaction()
            .delete_there(key(pk::project(project), sk.clone()))?
            .delete(key(pk::subscriptions(project), sk))?;
        counted(writes, &self.0, project, worker)?.write_if().await
    }
}
