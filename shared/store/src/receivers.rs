//! What background work knows of receivers: whether they take deliveries, and how fast. No secret
//! and no header.
//!
//! The project comes from our own rows, so no [`Access`](crate::Access) is asked for here.

use domain::{
    delivery_row::DeliveryRow,
    id::ProjectId,
    message::SettingsSource,
    model::{Project, Status, Subscription},
    recovery::Recovery,
};
use serde::Deserialize;

use crate::{
    StoreError, Table,
    item::key,
    row_keys::{pk, sk},
    standings::Standings,
};

/// Reads receivers, strongly consistent.
#[derive(Clone, Debug)]
pub struct ReceiverReader {
    config: Table,
    standings: Standings,
}

impl ReceiverReader {
    /// Over the config table.
    pub fn new(config: Table) -> Self {
        Self { standings: Standings::new(config.clone()), config }
    }

    /// Where a delivery goes; `None` if that was deleted. All receivers of a suspended project are
    /// paused.
    pub async fn of_delivery(&self, row: &DeliveryRow) -> Result<Option<Subscription>, StoreError> {
        let found = self.receiver(row).await?;
        if !self.is_suspended(row.project).await? {
            return Ok(found);
        }
        Ok(found.map(|found| Subscription { status: Status::Paused, ..found }))
    }

    /// Whether the operator has suspended a project.
    pub async fn is_suspended(&self, project: ProjectId) -> Result<bool, StoreError> {
        Ok(self.standings.now().await?.is_suspended(project))
    }

    async fn receiver(&self, row: &DeliveryRow) -> Result<Option<Subscription>, StoreError> {
        let sk = match &row.via {
            None => sk::endpoint(row.endpoint),
            Some(SettingsSource::Worker(id)) => sk::worker(id),
            // Nobody can pause a URL.
            Some(SettingsSource::Url { url, body, .. }) => {
                return Ok(Some(Subscription {
                    id: row.endpoint,
                    url: url.to_string(),
                    topics: Vec::new(),
                    status: Status::Active,
                    body: Some(*body),
                    rate_limit: None,
                    worker_id: None,
                }));
            }
        };
        self.config.get(key(pk::subscriptions(row.project), sk)).await
    }

    /// The endpoint of a recovery, and its project, as far as they are there.
    pub async fn of_recovery(
        &self,
        recovery: &Recovery,
    ) -> Result<(Option<Subscription>, Option<Project>), StoreError> {
        #[derive(Deserialize)]
        struct Version {
            #[serde(default)]
            project: Option<Project>,
        }
        let partition = pk::subscriptions(recovery.project);
        let row = |sk: &str| key(partition.as_str(), sk);
        let endpoint = self.config.get(row(&sk::endpoint(recovery.endpoint))).await?;
        let version: Option<Version> = self.config.get(row(sk::VERSION)).await?;
        Ok((endpoint, version.and_then(|version| version.project)))
    }
}
