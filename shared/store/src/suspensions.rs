//! Which projects the operator has suspended: one row for the whole deployment, of which each
//! process knows a copy that is half a minute old at most.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    id::ProjectId,
    model::{Project, project::ProjectStatus},
};

use crate::{
    StoreError, Table,
    item::{Item, format_version, key},
    row_keys::{pk, sk},
    table::Update,
};

/// How long a process goes by its copy. A suspension takes effect within a minute.
const TRUSTED_FOR: Duration = Duration::from_secs(30);
/// The row's set of ids, which is not there while it is empty.
const SUSPENDED: &str = "suspended";

/// The suspended projects.
pub type Suspended = Arc<HashSet<ProjectId>>;

/// Knows the suspended projects. Clones share what they know.
#[derive(Clone, Debug)]
pub struct Suspensions {
    table: Table,
    known: Arc<Mutex<Option<(Instant, Suspended)>>>,
}

impl Suspensions {
    /// Over the config table.
    pub fn new(config: Table) -> Self {
        Self { table: config, known: Arc::default() }
    }

    /// The suspended projects: one read of a process in half a minute. If that fails, what was
    /// known before holds, as far as anything was.
    pub async fn now(&self) -> Result<Suspended, StoreError> {
        let known = self.known().clone();
        if let Some((read_at, suspended)) = &known
            && read_at.elapsed() < TRUSTED_FOR
        {
            return Ok(Arc::clone(suspended));
        }
        match (self.table.get_item(row()).await, known) {
            (Ok(row), _) => {
                let suspended = Arc::new(row.as_ref().map(ids).unwrap_or_default());
                *self.known() = Some((Instant::now(), Arc::clone(&suspended)));
                Ok(suspended)
            }
            (Err(error), Some((_, suspended))) => {
                tracing::warn!(%error, "could not read which projects are suspended; what was \
                    known before holds");
                Ok(suspended)
            }
            (Err(error), None) => Err(error),
        }
    }

    /// Whether the operator has suspended a project.
    pub async fn includes(&self, project: ProjectId) -> Result<bool, StoreError> {
        Ok(self.now().await?.contains(&project))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Option<(Instant, Suspended)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes a project's status into the row: a part of the transaction that changes the project.
pub(crate) fn set(config: &Table, project: &Project) -> Update {
    let change = match project.status {
        ProjectStatus::Active => "DELETE",
        ProjectStatus::Suspended => "ADD",
    };
    let id = AttributeValue::Ss(vec![project.id.to_string()]);
    let update = config.update(row(), format!("SET v = :v {change} {SUSPENDED} :project"));
    update.values([(":v", format_version()), (":project", id)])
}

fn row() -> Item {
    key(pk::STATUS, sk::STATUS)
}

/// An id that can't be read is nobody's.
fn ids(row: &Item) -> HashSet<ProjectId> {
    let ids = row.get(SUSPENDED).and_then(|ids| ids.as_ss().ok());
    ids.into_iter().flatten().filter_map(|id| id.parse().ok()).collect()
}
