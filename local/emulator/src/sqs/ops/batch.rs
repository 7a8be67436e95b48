//! What the three batch operations share: the rules for their entries, and the answer in two lists.
//!
//! A bad batch (empty, too long, ids not distinct) is refused whole; a bad entry fails alone, and
//! the call as such succeeds.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::sqs::{
    error::{ErrorCode, SqsError},
    limits,
};

/// A request of entries for one queue.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BatchRequest<E> {
    #[serde(default)]
    pub(crate) queue_url: String,
    // An absent list is an empty batch.
    #[serde(default = "Vec::new")]
    pub(crate) entries: Vec<E>,
}

/// An entry, known by an id within its batch.
pub(crate) trait Entry {
    /// The id, chosen by the caller.
    fn id(&self) -> &str;
}

/// Which entries succeeded and which failed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BatchAnswer<T> {
    successful: Vec<T>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed: Vec<BatchFailure>,
}

/// An entry that failed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct BatchFailure {
    id: String,
    sender_fault: bool,
    code: &'static str,
    message: String,
}

/// An entry that succeeded, with nothing more to say.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Done {
    pub(crate) id: String,
}

impl<T> BatchAnswer<T> {
    /// Sorts the outcomes of the entries into the two lists. A fault of the store fails the whole
    /// call, so that it is undone whole.
    pub(crate) fn collect(
        outcomes: impl IntoIterator<Item = (String, Result<T, SqsError>)>,
    ) -> Result<Self, SqsError> {
        let mut answer = Self { successful: Vec::new(), failed: Vec::new() };
        for (id, outcome) in outcomes {
            match outcome {
                Ok(done) => answer.successful.push(done),
                Err(error) if !error.is_senders_fault() => return Err(error),
                Err(error) => answer.failed.push(BatchFailure {
                    id,
                    sender_fault: error.is_senders_fault(),
                    code: error.code.on_the_wire().query_code,
                    message: error.message,
                }),
            }
        }
        Ok(answer)
    }
}

/// Refuses a batch whose entries SQS would not look at.
pub(crate) fn check<E: Entry>(entries: &[E], entry_kind: &str) -> Result<(), SqsError> {
    let refuse = |code, message: String| Err(SqsError::new(code, message));
    if entries.is_empty() {
        return refuse(
            ErrorCode::EmptyBatchRequest,
            format!("There should be at least one {entry_kind} in the request."),
        );
    }
    if entries.len() > limits::BATCH_ENTRIES {
        return refuse(
            ErrorCode::TooManyEntriesInBatchRequest,
            format!(
                "Maximum number of entries per request are {}. You have sent {}.",
                limits::BATCH_ENTRIES,
                entries.len()
            ),
        );
    }
    if let Some(entry) = entries.iter().find(|entry| !is_entry_id(entry.id())) {
        return refuse(
            ErrorCode::InvalidBatchEntryId,
            format!(
                "The batch entry id '{}' is invalid: it can only contain alphanumeric characters, \
                    hyphens and underscores, and can be at most 80 letters long.",
                entry.id()
            ),
        );
    }
    let mut seen = HashSet::new();
    match entries.iter().find(|entry| !seen.insert(entry.id())) {
        Some(entry) => {
            refuse(ErrorCode::BatchEntryIdsNotDistinct, format!("Id {} repeated.", entry.id()))
        }
        None => Ok(()),
    }
}

fn is_entry_id(id: &str) -> bool {
    (1..=limits::BATCH_ENTRY_ID_CHARS).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}
