//! A project's endpoints, as the API manages them.

use domain::{
    id::EndpointId,
    model::{Automation, CatalogueEntry, Endpoint, Project, Selector, Status, Topic},
    time::Timestamp,
};
use futures::future::try_join_all;
use serde::Deserialize;

use crate::{
    Access, Page, PageRequest, StoreError, Table,
    item::{Item, item, key, text},
    list::{Listing, parse},
    row_keys::{pk, sk},
};

fn row_sk(endpoint: &Endpoint) -> String {
    endpoint.worker_id.as_deref().map_or_else(|| sk::endpoint(endpoint.id), sk::worker)
}

/// The key of the row of an endpoint or of a worker's webhook.
pub(crate) fn row_key(endpoint: &Endpoint) -> Item {
    key(pk::project(endpoint.project), row_sk(endpoint))
}

/// All of a project that an event or an endpoint has to do with, read by one Query.
#[derive(Clone, Debug, Default)]
pub struct ProjectConfig {
    /// The project; `None` if it doesn't exist.
    pub project: Option<Project>,
    /// The topics that it adds to the deployment's.
    pub topics: Vec<CatalogueEntry>,
    /// Its endpoints, whatever their status.
    pub endpoints: Vec<Endpoint>,
    /// Of its endpoints that can't be read, what can.
    pub unreadable: Vec<Subscriber>,
    /// Its automations, on or off.
    pub automations: Vec<Automation>,
    /// Whether it has a secret, without which nothing goes to a URL that is no endpoint.
    pub has_secret: bool,
}

/// As much of an endpoint as says which events are its own. Its other fields may be of newer code,
/// or damaged: such an endpoint must neither lose its events nor stop the events of the others, so
/// its deliveries are enqueued, and wait on their queue until its row can be read.
#[derive(Clone, Debug, Deserialize)]
pub struct Subscriber {
    /// Its id.
    pub id: EndpointId,
    /// Its URL, as it stands there.
    pub url: String,
    topics: Vec<Selector>,
    status: Status,
}

impl Subscriber {
    /// Whether an event of this topic must be delivered here now.
    pub fn wants(&self, topic: &Topic) -> bool {
        self.status == Status::Active && self.topics.iter().any(|selector| selector.matches(topic))
    }
}

/// Reads a project with all that it owns.
#[derive(Clone, Debug)]
pub struct ProjectConfigs(Table);

impl ProjectConfigs {
    /// Over the config table.
    pub fn new(config: Table) -> Self {
        Self(config)
    }

    /// One strongly consistent Query: an endpoint made before an event gets it. Fails if it can't
    /// be told whether an endpoint wants an event: then it is better not to accept any.
    pub async fn load(&self, access: Access) -> Result<ProjectConfig, StoreError> {
        let mut config = ProjectConfig::default();
        for row in self.0.all_before(pk::project(access.project()), sk::WORKERS).await? {
            match text(&row, "sk") {
                sk::PROJECT => config.project = Some(parse(row)?),
                sk::PROJECT_SECRET => config.has_secret = true,
                sk if sk.starts_with(sk::TOPICS) => config.topics.push(parse(row)?),
                sk if sk.starts_with(sk::ENDPOINTS) => {
                    let key = key(pk::project(access.project()), sk);
                    match parse(row) {
                        Ok(endpoint) => config.endpoints.push(endpoint),
                        Err(error) => config.unreadable.extend(self.subscriber(key, &error).await?),
                    }
                }
                sk if sk.starts_with(sk::AUTOMATIONS) => config.automations.push(parse(row)?),
                _ => {}
            }
        }
        Ok(config)
    }

    async fn subscriber(
        &self,
        key: Item,
        error: &StoreError,
    ) -> Result<Option<Subscriber>, StoreError> {
        tracing::error!(row = text(&key, "sk"), %error, "an endpoint's row can't be read; its \
            deliveries will wait on their queue");
        self.0.get(key).await
    }

    /// The webhooks of these workers, as far as there are any: a call for each.
    pub async fn workers(
        &self,
        access: Access,
        ids: impl IntoIterator<Item = String>,
    ) -> Result<Vec<Endpoint>, StoreError> {
        let rows = ids
            .into_iter()
            .map(|id| self.0.get(key(pk::project(access.project()), sk::worker(&id))));
        Ok(try_join_all(rows).await?.into_iter().flatten().collect())
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

    /// Writes a new endpoint, or worker's webhook.
    pub async fn create(&self, access: Access, endpoint: &Endpoint) -> Result<(), StoreError> {
        self.0.put_new(item(pk::project(access.project()), row_sk(endpoint), endpoint)?).await
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
        self.0.delete_if_there(key(pk::project(access.project()), sk::worker(worker_id))).await
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
        self.0.put_revision(item(pk::project(access.project()), row_sk(endpoint), endpoint)?).await
    }

    /// Deletes an endpoint. Whether it was there.
    pub async fn delete(&self, access: Access, id: EndpointId) -> Result<bool, StoreError> {
        self.0.delete_if_there(key(pk::project(access.project()), sk::endpoint(id))).await
    }
}
