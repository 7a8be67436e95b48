//! What accepting an event needs of its project, known by its version.
//!
//! A project's endpoints, automations and topics have short rows in a partition of their own, with
//! a version row. Each change writes the full row, the short row and the next version in one
//! transaction. So one strongly consistent read of the version row proves that what a
//! process knows is current, however many endpoints there are and whatever their metadata.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::{
    id::ProjectId,
    model::{Automation, Project, Subscription, Topic},
};
use futures::future::try_join_all;
use serde::Deserialize;
use serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value;

use crate::{
    Access, StoreError, Table,
    item::{Item, format_version, key, number, size, text},
    list::parse,
    row_keys::{pk, sk},
    table::Update,
};

/// The most bytes of rows that a process knows, of all projects together.
const MAX_KNOWN_BYTES: usize = 16 << 20;

/// All of a project that an event has to do with, but its workers' webhooks.
#[derive(Clone, Debug, Default)]
pub struct ProjectConfig {
    /// The project; `None` if it doesn't exist.
    pub project: Option<Project>,
    /// The topics that it adds to the deployment's.
    pub topics: Vec<Topic>,
    /// Its endpoints, whatever their status.
    pub endpoints: Vec<Subscription>,
    /// Its automations, on or off.
    pub automations: Vec<Automation>,
}

/// The version row. A project without one has nothing.
#[derive(Deserialize)]
struct Version {
    version: u64,
    #[serde(default)]
    project: Option<Project>,
}

/// A project's configuration as a process knows it.
#[derive(Debug)]
struct Known {
    version: u64,
    bytes: usize,
    config: Arc<ProjectConfig>,
}

/// Reads projects' configuration. Clones share what they know.
#[derive(Clone, Debug)]
pub struct ProjectConfigs {
    table: Table,
    known: Arc<Mutex<HashMap<ProjectId, Known>>>,
}

impl ProjectConfigs {
    /// Over the config table.
    pub fn new(config: Table) -> Self {
        Self { table: config, known: Arc::default() }
    }

    /// The project's configuration as it is now: an endpoint made before an event gets it. One
    /// strongly consistent read; one Query more when the configuration has changed since this
    /// process last read it. Fails if it can't be told whether an endpoint wants an event: then it
    /// is better not to accept any.
    pub async fn load(&self, access: Access) -> Result<Arc<ProjectConfig>, StoreError> {
        let project = access.project();
        let Some(row) = self.table.get_item(version_key(project)).await? else {
            return Ok(Arc::default());
        };
        let bytes = size(&row);
        let now: Version = parse(row)?;
        if let Some(known) = self.known().get(&project).filter(|it| it.version == now.version) {
            return Ok(Arc::clone(&known.config));
        }
        // These rows may be newer than the version. Then the next read sees that it has moved on.
        let rows = self.table.all_before(pk::subscriptions(project), sk::WORKERS).await?;
        let bytes = bytes + rows.iter().map(size).sum::<usize>();
        let config = Arc::new(config(now.project, rows)?);
        let known = Known { version: now.version, bytes, config: Arc::clone(&config) };
        remember(&mut self.known(), project, known);
        Ok(config)
    }

    /// The webhooks of these workers, as far as there are any: a call for each. They are no part of
    /// the configuration, of which they would be the most by far.
    pub async fn workers(
        &self,
        access: Access,
        ids: impl IntoIterator<Item = String>,
    ) -> Result<Vec<Subscription>, StoreError> {
        let partition = pk::subscriptions(access.project());
        let row = |id: String| self.table.get(key(partition.clone(), sk::worker(&id)));
        Ok(try_join_all(ids.into_iter().map(row)).await?.into_iter().flatten().collect())
    }

    fn known(&self) -> MutexGuard<'_, HashMap<ProjectId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn config(project: Option<Project>, rows: Vec<Item>) -> Result<ProjectConfig, StoreError> {
    #[derive(Deserialize)]
    struct Named {
        name: Topic,
    }
    let mut config = ProjectConfig { project, ..ProjectConfig::default() };
    for row in rows {
        match text(&row, "sk") {
            sk if sk.starts_with(sk::TOPICS) => config.topics.push(parse::<Named>(row)?.name),
            sk if sk.starts_with(sk::ENDPOINTS) => config.endpoints.push(parse(row)?),
            sk if sk.starts_with(sk::AUTOMATIONS) => config.automations.push(parse(row)?),
            _ => {}
        }
    }
    Ok(config)
}

/// Makes room by forgetting everything else.
fn remember(known: &mut HashMap<ProjectId, Known>, project: ProjectId, new: Known) {
    let others: usize =
        known.iter().filter(|(id, _)| **id != project).map(|(_, known)| known.bytes).sum();
    if others + new.bytes > MAX_KNOWN_BYTES {
        known.clear();
    }
    if new.bytes <= MAX_KNOWN_BYTES {
        known.insert(project, new);
    }
}

fn version_key(project: ProjectId) -> Item {
    key(pk::subscriptions(project), sk::VERSION)
}

/// Counts the version of a project's configuration up: a part of each transaction that changes one
/// of its short rows.
pub(crate) fn next_version(config: &Table, project: ProjectId) -> Update {
    next(config, project, "SET v = :v")
}

/// As [`next_version`], where the project itself changes.
pub(crate) fn next_version_of(config: &Table, project: &Project) -> Result<Update, StoreError> {
    let value = to_attribute_value(project)?;
    let next = next(config, project.id, "SET v = :v, #project = :project");
    Ok(next.name("#project", "project").value(":project", value))
}

fn next(config: &Table, project: ProjectId, set: &str) -> Update {
    config
        .update(version_key(project), format!("{set} ADD version :one"))
        .value(":one", number(1))
        .value(":v", format_version())
}

#[cfg(test)]
mod tests {
    use domain::time::Timestamp;

    use super::*;

    fn project(number: u128) -> ProjectId {
        ProjectId::new(Timestamp::from_seconds(1), number)
    }

    fn known(bytes: usize) -> Known {
        Known { version: 1, bytes, config: Arc::default() }
    }

    #[test]
    fn what_is_known_is_bounded_in_bytes() {
        let mut all = HashMap::new();
        for number in 0..4 {
            remember(&mut all, project(number), known(MAX_KNOWN_BYTES / 4));
        }
        assert_eq!(all.len(), 4);
        remember(&mut all, project(3), known(MAX_KNOWN_BYTES / 4));
        assert_eq!(all.len(), 4, "it takes the place of what was known of the same project");
        remember(&mut all, project(4), known(1));
        assert_eq!(all.keys().collect::<Vec<_>>(), [&project(4)]);
        remember(&mut all, project(5), known(MAX_KNOWN_BYTES + 1));
        assert!(!all.contains_key(&project(5)), "too large to keep");
    }
}
