//! `ReceiveMessage`: what a receive hands out.
//!
//! The redrive policy acts here. A message that would be received once more than `maxReceiveCount`
//! goes to the dead-letter queue instead, and the receive takes the next one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::check_range;
use crate::sqs::{
    Settings,
    attributes::{self, MessageAttributes},
    error::{ErrorCode, SqsError},
    handle::ReceiptHandle,
    limits,
    queue::Queue,
    store::{Received, Store},
};

/// A `ReceiveMessage` request.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ReceiveRequest {
    #[serde(default)]
    pub(crate) queue_url: String,
    max_number_of_messages: Option<i64>,
    visibility_timeout: Option<i64>,
    wait_time_seconds: Option<i64>,
    #[serde(default)]
    attribute_names: Vec<String>,
    #[serde(default)]
    message_system_attribute_names: Vec<String>,
    #[serde(default)]
    message_attribute_names: Vec<String>,
}

/// What one look into a queue found.
pub(crate) enum Look {
    /// Messages, now hidden from others.
    Found(Vec<(Received, ReceiptHandle)>),
    /// Nothing to hand out.
    Nothing {
        /// How long this receive may wait in all, in seconds.
        wait_s: i64,
        /// When to look again at the latest, if the queue's bell doesn't ring before (Unix
        /// milliseconds).
        again_ms: Option<i64>,
    },
}

/// The answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ReceiveAnswer {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    messages: Vec<ReceivedMessage>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ReceivedMessage {
    message_id: String,
    receipt_handle: String,
    #[serde(rename = "MD5OfBody")]
    body_md5: String,
    body: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<&'static str, String>,
    #[serde(rename = "MD5OfMessageAttributes", skip_serializing_if = "Option::is_none")]
    attributes_md5: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    message_attributes: MessageAttributes,
}

impl ReceiveRequest {
    /// Refuses numbers outside their ranges.
    pub(crate) fn check(self) -> Result<Self, SqsError> {
        for (value, parameter, allowed) in [
            (self.max_number_of_messages, "MaxNumberOfMessages", &limits::RECEIVE_MESSAGES),
            (self.visibility_timeout, "VisibilityTimeout", &limits::VISIBILITY_S),
            (self.wait_time_seconds, "WaitTimeSeconds", &limits::WAIT_S),
        ] {
            if let Some(value) = value {
                check_range(value, parameter, allowed)?;
            }
        }
        Ok(self)
    }

    /// The answer with these messages, and of them what was asked for.
    pub(crate) fn answer(
        &self,
        found: Vec<(Received, ReceiptHandle)>,
        settings: &Settings,
    ) -> Result<ReceiveAnswer, SqsError> {
        let messages = found
            .into_iter()
            .map(|(message, handle)| self.message(message, handle, settings))
            .collect::<Result<_, _>>()?;
        Ok(ReceiveAnswer { messages })
    }

    fn message(
        &self,
        received: Received,
        handle: ReceiptHandle,
        settings: &Settings,
    ) -> Result<ReceivedMessage, SqsError> {
        let message_attributes = match &received.content.attributes {
            Some(json) if !self.message_attribute_names.is_empty() => {
                let all = serde_json::from_str(json)
                    .map_err(|error| SqsError::internal(error.to_string()))?;
                attributes::select(all, &self.message_attribute_names)
            }
            _ => MessageAttributes::new(),
        };
        Ok(ReceivedMessage {
            attributes: self.system_attributes(&received, settings),
            message_id: received.message_id,
            receipt_handle: handle.encode(),
            body_md5: received.content.body_md5,
            body: received.content.body,
            attributes_md5: attributes::digest(&message_attributes),
            message_attributes,
        })
    }

    fn system_attributes(
        &self,
        message: &Received,
        settings: &Settings,
    ) -> BTreeMap<&'static str, String> {
        let source = message.source.as_deref().map(|name| settings.arn(name));
        [
            ("SenderId", Some(settings.account.clone())),
            ("SentTimestamp", Some(message.sent_ms.to_string())),
            ("ApproximateReceiveCount", Some(message.receive_count.to_string())),
            (
                "ApproximateFirstReceiveTimestamp",
                message.first_received_ms.map(|ms| ms.to_string()),
            ),
            ("MessageGroupId", message.content.group_id.clone()),
            ("AWSTraceHeader", message.content.trace_header.clone()),
            ("DeadLetterQueueSourceArn", source),
        ]
        .into_iter()
        .filter(|(name, _)| self.wants(name))
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }

    fn wants(&self, name: &str) -> bool {
        self.message_system_attribute_names
            .iter()
            .chain(&self.attribute_names)
            .any(|wanted| wanted == "All" || wanted == name)
    }
}

/// How long a long poll that is stopped by the limit of messages in flight waits before it looks
/// again: deleting a message rings no bell.
const FULL_AGAIN_MS: i64 = 1_000;

/// Looks once into the queue and takes what it may.
pub(crate) fn look(store: &mut Store, request: &ReceiveRequest) -> Result<Look, SqsError> {
    let queue = store.queue_at(&request.queue_url)?;
    let wait_s = request.wait_time_seconds.unwrap_or(queue.attributes.wait_s);
    let wanted = request.max_number_of_messages.unwrap_or(1);
    let wanted = u64::try_from(wanted).unwrap_or(1);

    store.drop_expired(&queue)?;
    let room = store.room_in_flight(&queue, wanted)?.min(wanted);
    if room == 0 {
        return full(store, wait_s);
    }
    let visibility_s = request.visibility_timeout.unwrap_or(queue.attributes.visibility_s);
    let found = take(store, &queue, room, visibility_s)?;
    if found.is_empty() {
        let again_ms = store.next_visible_ms(queue.id)?;
        return Ok(Look::Nothing { wait_s, again_ms });
    }
    Ok(Look::Found(found))
}

/// SQS: a short poll of a queue with too many messages in flight is an error, a long poll finds
/// nothing.
fn full(store: &Store, wait_s: i64) -> Result<Look, SqsError> {
    if wait_s == 0 {
        return Err(SqsError::new(
            ErrorCode::OverLimit,
            "Too many messages in flight: delete messages after processing them.",
        ));
    }
    Ok(Look::Nothing { wait_s, again_ms: Some(store.now_ms() + FULL_AGAIN_MS) })
}

fn take(
    store: &mut Store,
    queue: &Queue,
    wanted: u64,
    visibility_s: i64,
) -> Result<Vec<(Received, ReceiptHandle)>, SqsError> {
    let wanted = usize::try_from(wanted).unwrap_or(1);
    let mut visible = store.visible_messages(queue.id, wanted)?;
    while bury_hopeless(store, queue, &visible)? {
        visible = store.visible_messages(queue.id, wanted)?;
    }
    visible
        .into_iter()
        .map(|mut message| {
            let handle = store.mark_received(queue, &mut message, visibility_s)?;
            Ok((message, handle))
        })
        .collect()
}

/// Takes to the dead-letter queue what has been received too often; returns whether there was any.
fn bury_hopeless(
    store: &mut Store,
    queue: &Queue,
    messages: &[Received],
) -> Result<bool, SqsError> {
    let Some(policy) = &queue.attributes.redrive else {
        return Ok(false);
    };
    // Without its dead-letter queue a policy has no effect: better received too often than lost.
    let Some(dead_letters) = store.find_queue(policy.target()) else {
        return Ok(false);
    };
    let mut any = false;
    for message in messages {
        if message.receive_count >= policy.max_receive_count {
            store.move_to_dead_letters(message.id, queue, &dead_letters)?;
            any = true;
        }
    }
    Ok(any)
}
