//! What the operator has decided about projects: which are suspended, and which have limits of
//! their own. One row for the whole deployment, of which each process knows a copy that is half a
//! minute old at most: so it costs nothing, and takes effect within a minute.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    budget::Limits,
    id::ProjectId,
    model::{Project, project::ProjectStatus},
};
use serde_dynamo::aws_sdk_dynamodb_1::{from_attribute_value, to_attribute_value};

use crate::{
    StoreError, Table,
    item::{Item, format_version, key},
    row_keys::{pk, sk},
    table::Update,
};

/// How long a process goes by its copy.
const TRUSTED_FOR: Duration = Duration::from_secs(30);
/// The row's set of suspended ids, which is not there while it is empty.
const SUSPENDED: &str = "suspended";

/// How all projects stand.
#[derive(Debug, Default)]
pub struct Standing {
    suspended: HashSet<ProjectId>,
    limits: HashMap<ProjectId, Limits>,
}

impl Standing {
    /// Whether the operator has suspended a project.
    pub fn is_suspended(&self, project: ProjectId) -> bool {
        self.suspended.contains(&project)
    }

    /// What a project may cause.
    pub fn limits(&self, project: ProjectId) -> Limits {
        self.limits.get(&project).copied().unwrap_or_default()
    }
}

/// A copy, and when it was read.
type Known = (Instant, Arc<Standing>);

/// Knows how projects stand. Clones share what they know.
#[derive(Clone, Debug)]
pub struct Standings {
    table: Table,
    known: Arc<Mutex<Option<Known>>>,
}

impl Standings {
    /// Over the config table.
    pub fn new(config: Table) -> Self {
        Self { table: config, known: Arc::default() }
    }

    /// How projects stand now: one read of a process in half a minute. If that fails, what was
    /// known before holds, as far as anything was.
    pub async fn now(&self) -> Result<Arc<Standing>, StoreError> {
        let known = self.known().clone();
        if let Some((read_at, standing)) = &known
            && read_at.elapsed() < TRUSTED_FOR
        {
            return Ok(Arc::clone(standing));
        }
        match (self.table.get_item(row()).await, known) {
            (Ok(row), _) => {
                let standing = Arc::new(row.map(read).unwrap_or_default());
                *self.known() = Some((Instant::now(), Arc::clone(&standing)));
                Ok(standing)
            }
            (Err(error), Some((_, standing))) => {
                tracing::warn!(%error, "could not read which projects are suspended; what was \
                    known before holds");
                Ok(standing)
            }
            (Err(error), None) => Err(error),
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes how a project stands into the row: a part of the transaction that changes the project.
pub(crate) fn set(config: &Table, project: &Project) -> Result<Update, StoreError> {
    let change = match project.status {
        ProjectStatus::Active => "DELETE",
        ProjectStatus::Suspended => "ADD",
    };
    let (own, id) = (project.limits != Limits::default(), project.id.to_string());
    let (set, remove) = if own { (", #limits = :limits", "") } else { ("", " REMOVE #limits") };
    let change = format!("SET v = :v{set}{remove} {change} {SUSPENDED} :project");
    let update = config.update(row(), change).name("#limits", &id);
    let ids = AttributeValue::Ss(vec![id]);
    let update = update.values([(":v", format_version()), (":project", ids)]);
    Ok(if own { update.value(":limits", to_attribute_value(project.limits)?) } else { update })
}

fn row() -> Item {
    key(pk::STATUS, sk::STATUS)
}

/// An id that can't be read is nobody's.
fn read(row: Item) -> Standing {
    let ids = row.get(SUSPENDED).and_then(|ids| ids.as_ss().ok());
    let suspended = ids.into_iter().flatten().filter_map(|id| id.parse().ok()).collect();
    let limits = row.into_iter().filter_map(|(name, limits)| {
        Some((name.parse().ok()?, from_attribute_value(limits).ok()?))
    });
    Standing { suspended, limits: limits.collect() }
}
