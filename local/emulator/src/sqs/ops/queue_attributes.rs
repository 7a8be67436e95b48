//! `GetQueueAttributes` and `SetQueueAttributes`.
//!
//! The counts are exact here; on SQS they are approximate, and lag by up to a minute.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::sqs::{
    error::SqsError,
    queue::{QueueAttributes, unknown_attribute},
    store::Store,
};

/// Every attribute that a caller may ask for, so that a mistyped one is refused.
const KNOWN: [&str; 21] = [
    "All",
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "ContentBasedDeduplication",
    "CreatedTimestamp",
    "DeduplicationScope",
    "DelaySeconds",
    "FifoQueue",
    "FifoThroughputLimit",
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "LastModifiedTimestamp",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "Policy",
    "QueueArn",
    "ReceiveMessageWaitTimeSeconds",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "VisibilityTimeout",
];

/// A `GetQueueAttributes` request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetRequest {
    #[serde(default)]
    queue_url: String,
    #[serde(default)]
    attribute_names: Vec<String>,
}

/// The attributes asked for that have a value.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetAnswer {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<String, String>,
}

/// A `SetQueueAttributes` request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SetRequest {
    #[serde(default)]
    queue_url: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

pub(crate) fn get(store: &mut Store, request: GetRequest) -> Result<GetAnswer, SqsError> {
    let queue = store.queue_at(&request.queue_url)?;
    let wanted = request.attribute_names;
    let is_known = |name: &str| KNOWN.contains(&name) || name == "SqsManagedSseEnabled";
    if let Some(name) = wanted.iter().find(|name| !is_known(name)) {
        return Err(unknown_attribute(name));
    }
    let wants = |name: &str| wanted.iter().any(|wanted| wanted == "All" || wanted == name);

    let mut attributes = queue.attributes.to_map();
    attributes.extend(
        [
            ("QueueArn", store.settings().arn(&queue.name)),
            ("CreatedTimestamp", queue.created_s.to_string()),
            ("LastModifiedTimestamp", queue.modified_s.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    // Counting reads the queue's whole index, so it is done only if asked for.
    if wanted.iter().any(|name| name == "All" || name.starts_with("Approximate")) {
        store.drop_expired(&queue)?;
        let depth = store.count(&queue)?;
        attributes.extend(
            [
                ("ApproximateNumberOfMessages", depth.visible),
                ("ApproximateNumberOfMessagesNotVisible", depth.in_flight),
                ("ApproximateNumberOfMessagesDelayed", depth.delayed),
            ]
            .map(|(name, count)| (name.to_owned(), count.to_string())),
        );
    }
    attributes.retain(|name, _| wants(name));
    Ok(GetAnswer { attributes })
}

pub(crate) fn set(store: &mut Store, request: SetRequest) -> Result<(), SqsError> {
    let queue = store.queue_at(&request.queue_url)?;
    let mut attributes = queue.attributes.clone();
    attributes.apply(&request.attributes)?;
    if request.attributes.contains_key("RedrivePolicy") {
        check_redrive(store, &queue.name, &attributes)?;
    }
    store.update_queue(&queue, &attributes)
}

/// Refuses a redrive policy whose dead-letter queue doesn't exist or doesn't allow this source.
pub(crate) fn check_redrive(
    store: &Store,
    source: &str,
    attributes: &QueueAttributes,
) -> Result<(), SqsError> {
    let Some(policy) = &attributes.redrive else {
        return Ok(());
    };
    let refuse = |reason| SqsError::invalid_parameter(policy, "RedrivePolicy", reason);
    let target = store
        .queue_of_arn(&policy.dead_letter_target_arn)
        .ok_or_else(|| refuse("Dead letter target does not exist."))?;
    if target.name == source {
        return Err(refuse("A queue can't be its own dead letter target."));
    }
    let source_arn = store.settings().arn(source);
    let is_allowed = target.attributes.allow.as_ref().is_none_or(|allow| allow.allows(&source_arn));
    if is_allowed {
        return Ok(());
    }
    Err(refuse("Queue is not allowed to use the dead letter target by its RedriveAllowPolicy."))
}
