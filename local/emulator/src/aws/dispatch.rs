//! The operations of DynamoDB that `dynoxide` carries out, by their names and JSON.

use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Carries out one operation.
pub(super) fn dispatch(
    database: &Database,
    operation: &str,
    body: &str,
) -> Result<String, DynoxideError> {
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
