//! `CreateQueue`, `GetQueueUrl`, `ListQueues`, `ListDeadLetterSourceQueues`, `DeleteQueue` and
//! `PurgeQueue`.
//!
//! Creating a queue that exists succeeds if every attribute *given* is as the queue has it;
//! attributes not given don't matter.
//!
//! Unlike SQS, a name can be used again at once after `DeleteQueue`, and a queue can be purged more
//! than once a minute.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::{QueueRequest, check_range, queue_attributes::check_redrive};
use crate::sqs::{
    error::{ErrorCode, SqsError},
    limits,
    queue::{self, Queue, QueueAttributes},
    store::Store,
};

/// A `CreateQueue` request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreateRequest {
    #[serde(default)]
    queue_name: String,
    attributes: Option<BTreeMap<String, String>>,
}

/// A `GetQueueUrl` request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UrlRequest {
    #[serde(default)]
    queue_name: String,
}

/// The answer that names a queue.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UrlAnswer {
    queue_url: String,
}

/// A `ListQueues` or `ListDeadLetterSourceQueues` request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListRequest {
    #[serde(default)]
    queue_url: String,
    #[serde(default)]
    queue_name_prefix: String,
    max_results: Option<i64>,
    next_token: Option<String>,
}

/// A page of queues.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListAnswer {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    queue_urls: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// The same, under the name that `ListDeadLetterSourceQueues` has for it.
#[derive(Debug, Serialize)]
pub(crate) struct SourcesAnswer {
    #[serde(rename = "queueUrls")]
    queue_urls: Vec<String>,
    #[serde(rename = "NextToken", skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(crate) fn create(store: &mut Store, request: CreateRequest) -> Result<UrlAnswer, SqsError> {
    let name = request.queue_name;
    let wanted = request.attributes.unwrap_or_default();
    queue::check_name(&name)?;
    let answer = UrlAnswer { queue_url: store.settings().queue_url(&name) };

    let existing = store.find_queue(&name);
    let before =
        existing.as_ref().map_or_else(QueueAttributes::default, |queue| queue.attributes.clone());
    let mut after = before.clone();
    after.apply(&wanted)?;
    if existing.is_none() {
        check_redrive(store, &name, &after)?;
        store.insert_queue(&name, &after)?;
    } else if after != before {
        return Err(exists_otherwise(&wanted, &before, &after));
    }
    Ok(answer)
}

fn exists_otherwise(
    wanted: &BTreeMap<String, String>,
    before: &QueueAttributes,
    after: &QueueAttributes,
) -> SqsError {
    let (before, after) = (before.to_map(), after.to_map());
    let different =
        wanted.keys().find(|name| before.get(*name) != after.get(*name)).map_or("", String::as_str);
    SqsError::new(
        ErrorCode::QueueNameExists,
        format!(
            "A queue already exists with the same name and a different value for attribute \
                {different}"
        ),
    )
}

pub(crate) fn get_url(store: &mut Store, request: UrlRequest) -> Result<UrlAnswer, SqsError> {
    let queue = store.find_queue(&request.queue_name).ok_or_else(SqsError::no_such_queue)?;
    Ok(UrlAnswer { queue_url: store.settings().queue_url(&queue.name) })
}

pub(crate) fn list(store: &mut Store, request: ListRequest) -> Result<ListAnswer, SqsError> {
    let mut names = names(&store.all_queues());
    names.retain(|name| name.starts_with(&request.queue_name_prefix));
    let (queue_urls, next_token) = page(store, names, &request)?;
    Ok(ListAnswer { queue_urls, next_token })
}

pub(crate) fn list_sources(
    store: &mut Store,
    request: ListRequest,
) -> Result<SourcesAnswer, SqsError> {
    let queue = store.queue_at(&request.queue_url)?;
    let names = names(&store.sources_of(&queue.name));
    let (queue_urls, next_token) = page(store, names, &request)?;
    Ok(SourcesAnswer { queue_urls, next_token })
}

pub(crate) fn delete(store: &mut Store, request: QueueRequest) -> Result<(), SqsError> {
    let queue = store.queue_at(&request.queue_url)?;
    store.delete_queue(&queue)
}

pub(crate) fn purge(store: &mut Store, request: QueueRequest) -> Result<(), SqsError> {
    let queue = store.queue_at(&request.queue_url)?;
    store.delete_messages_of(queue.id)
}

fn names(queues: &[std::sync::Arc<Queue>]) -> Vec<String> {
    queues.iter().map(|queue| queue.name.clone()).collect()
}

/// The URLs of one page of sorted names. SQS: without `MaxResults` a list is cut at 1,000 and has
/// no next page.
fn page(
    store: &Store,
    names: Vec<String>,
    request: &ListRequest,
) -> Result<(Vec<String>, Option<String>), SqsError> {
    let size = request.max_results.unwrap_or(limits::LISTED_QUEUES);
    check_range(size, "MaxResults", &(1..=limits::LISTED_QUEUES))?;
    let after = request.next_token.as_deref().map(read_token).transpose()?;

    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let mut rest: Vec<_> =
        names.into_iter().filter(|name| after.as_ref().is_none_or(|after| name > after)).collect();
    let is_cut = rest.len() > size;
    rest.truncate(size);
    let next = rest
        .last()
        .filter(|_| is_cut && request.max_results.is_some())
        .map(|last| STANDARD.encode(last));
    let urls = rest.iter().map(|name| store.settings().queue_url(name)).collect();
    Ok((urls, next))
}

fn read_token(token: &str) -> Result<String, SqsError> {
    let name = STANDARD.decode(token).ok();
    name.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| {
        SqsError::invalid_parameter(token, "NextToken", "It is not from an earlier answer.")
    })
}
