//! DynamoDB, in process: the JSON protocol in front of `dynoxide`.
//!
//! `dynoxide` blocks the calling thread and takes one call at a time, so calls run on blocking
//! threads, and only a few of them at once: more would only wait for each other.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dynoxide::{Database, DynoxideError};
use http::StatusCode;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::indexes::{Called, Indexes, Place};
use super::units::{FAILED_CONDITION, Units};

/// Calls that wait for the database on a thread of their own; the rest queues in order of arrival.
const CONCURRENT_CALLS: usize = 4;

/// DynamoDB on one `SQLite` file.
#[derive(Clone)]
pub struct Dynamo {
    database: Database,
    turns: Arc<Semaphore>,
    indexes: Arc<Indexes>,
}

/// A call's answer: status and JSON body.
#[derive(Debug, Clone, PartialEq)]
pub struct DynamoAnswer {
    /// 200, 400 or 500.
    pub status: StatusCode,
    /// JSON object.
    pub body: String,
    /// What it took.
    pub units: Units,
}

impl Dynamo {
    /// Opens or creates the file.
    pub fn open(path: &Path) -> Result<Self, DynoxideError> {
        let database = Database::new(&path.to_string_lossy())?;
        let indexes = Arc::new(Indexes::open(&database)?);
        Ok(Self { database, turns: Arc::new(Semaphore::new(CONCURRENT_CALLS)), indexes })
    }

    /// From now on an index knows of a write only after a while: a random one of up to `most`.
    pub fn let_indexes_lag(&self, most: Duration) {
        self.indexes.lag(most);
    }

    /// Answers one call.
    pub async fn call(&self, operation: &str, body: &str) -> DynamoAnswer {
        let (database, indexes) = (self.database.clone(), Arc::clone(&self.indexes));
        let (operation, body) = (operation.to_owned(), body.to_owned());
        let answered = self.in_turn(move || indexes.call(&database, &operation, &body)).await;
        match answered {
            Some(Ok(Called { body, units, unknown })) => {
                self.follow(unknown);
                DynamoAnswer { status: StatusCode::OK, body, units }
            }
            Some(Err(error)) => DynamoAnswer::from_error(&error),
            None => DynamoAnswer::from_error(&DynoxideError::InternalServerError(
                "the call was aborted".into(),
            )),
        }
    }

    /// Has the indexes follow what was written, each item after a while of its own.
    fn follow(&self, written: Vec<Place>) {
        for place in written {
            let (this, wait) = (self.clone(), self.indexes.wait());
            tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                let (database, indexes) = (this.database.clone(), Arc::clone(&this.indexes));
                let followed = this.in_turn(move || indexes.follow(&database, &place)).await;
                if let Some(Err(error)) = followed {
                    tracing::error!(%error, "an index can't follow its table");
                }
            });
        }
    }

    /// Deletes what has expired; returns the number of deleted items.
    pub async fn sweep_expired(&self) -> usize {
        let database = self.database.clone();
        self.in_turn(move || database.sweep_ttl().unwrap_or_default()).await.unwrap_or_default()
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.ok()?;
        let task = spawn_blocking(move || {
            let result = work();
            drop(turn);
            result
        });
        task.await.ok()
    }
}

impl DynamoAnswer {
    fn from_error(error: &DynoxideError) -> Self {
        let status =
            StatusCode::from_u16(error.status_code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let failed = matches!(error, DynoxideError::ConditionalCheckFailedException(..));
        let units = if failed { FAILED_CONDITION } else { Units::default() };
        Self { status, body: error.to_json(), units }
    }
}
