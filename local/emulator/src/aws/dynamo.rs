//! DynamoDB, in process: the JSON protocol in front of `dynoxide`.
//!
//! `dynoxide` blocks the calling thread and takes one call at a time, so calls run on blocking
//! threads, and only a few of them at once: more would only wait for each other.

use std::path::Path;
use std::sync::Arc;

use dynoxide::{Database, DynoxideError};
use http::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Calls that wait for the database on a thread of their own; the rest queues in order of arrival.
const CONCURRENT_CALLS: usize = 4;

/// DynamoDB on one `SQLite` file.
#[derive(Clone)]
pub struct Dynamo {
    database: Database,
    turns: Arc<Semaphore>,
}

/// A call's answer: status and JSON body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DynamoAnswer {
    /// 200, 400 or 500.
    pub status: StatusCode,
    /// JSON object.
    pub body: String,
}

impl Dynamo {
    /// Opens or creates the file.
    pub fn open(path: &Path) -> Result<Self, DynoxideError> {
        let database = Database::new(&path.to_string_lossy())?;
        Ok(Self { database, turns: Arc::new(Semaphore::new(CONCURRENT_CALLS)) })
    }

    /// Answers one call.
    pub async fn call(&self, operation: &str, body: &str) -> DynamoAnswer {
        let (database, operation, body) =
            (self.database.clone(), operation.to_owned(), body.to_owned());
        self.in_turn(move || match dispatch(&database, &operation, &body) {
            Ok(body) => DynamoAnswer { status: StatusCode::OK, body },
            Err(error) => DynamoAnswer::from_error(&error),
        })
        .await
        .unwrap_or_else(|| {
            DynamoAnswer::from_error(&DynoxideError::InternalServerError(
                "the call was aborted".into(),
            ))
        })
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
        Self { status, body: error.to_json() }
    }
}

fn dispatch(database: &Database, operation: &str, body: &str) -> Result<String, DynoxideError> {
    match operation {
        "CreateTable" => answer(body, |request| database.create_table(request)),
        "DeleteTable" => answer(body, |request| database.delete_table(request)),
        "DescribeTable" => answer(body, |request| database.describe_table(request)),
        "ListTables" => answer(body, |request| database.list_tables(request)),
        "UpdateTimeToLive" => answer(body, |request| database.update_time_to_live(request)),
        "DescribeTimeToLive" => answer(body, |request| database.describe_time_to_live(request)),
        "PutItem" => answer(body, |request| database.put_item(request)),
        "GetItem" => answer(body, |request| database.get_item(request)),
        "UpdateItem" => answer(body, |request| database.update_item(request)),
        "DeleteItem" => answer(body, |request| database.delete_item(request)),
        "Query" => answer(body, |request| database.query(request)),
        "Scan" => answer(body, |request| database.scan(request)),
        "BatchGetItem" => answer(body, |request| database.batch_get_item(request)),
        "BatchWriteItem" => answer(body, |request| database.batch_write_item(request)),
        "TransactWriteItems" => answer(body, |request| database.transact_write_items(request)),
        "TransactGetItems" => answer(body, |request| database.transact_get_items(request)),
        _ => Err(DynoxideError::ValidationException(format!(
            "the stand-in for DynamoDB doesn't know {operation}"
        ))),
    }
}

fn answer<Request: DeserializeOwned, Response: Serialize>(
    body: &str,
    run: impl FnOnce(Request) -> Result<Response, DynoxideError>,
) -> Result<String, DynoxideError> {
    let request = serde_json::from_str(body).map_err(|error| unreadable(&error.to_string()))?;
    let response = run(request)?;
    serde_json::to_string(&response)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// `dynoxide` marks the class of an error at the start of its message.
fn unreadable(message: &str) -> DynoxideError {
    let text = message.rsplit_once(" at line ").map_or(message, |(text, _)| text);
    match text.split_once(':') {
        Some((marker, rest)) if marker.starts_with("SERIALIZATION") => {
            DynoxideError::SerializationException(rest.to_owned())
        }
        Some((marker, rest)) if marker.starts_with("VALIDATION") => {
            DynoxideError::ValidationException(rest.to_owned())
        }
        _ if text.contains("missing field")
            || text.contains("unknown variant")
            || text.contains("AttributeValue") =>
        {
            DynoxideError::ValidationException(text.to_owned())
        }
        _ => DynoxideError::SerializationException(text.to_owned()),
    }
}
