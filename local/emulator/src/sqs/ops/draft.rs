//! A message as a client sends it, checked as far as that needs no queue.

use serde::Deserialize;

use crate::sqs::{
    attributes::{self, AttributeValue, MessageAttributes},
    digest,
    error::{ErrorCode, SqsError},
    limits,
    store::Content,
};

/// The members that `SendMessage` and an entry of `SendMessageBatch` share.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct MessageRequest {
    #[serde(default)]
    message_body: String,
    delay_seconds: Option<i64>,
    message_attributes: Option<MessageAttributes>,
    message_system_attributes: Option<MessageAttributes>,
    message_deduplication_id: Option<String>,
    message_group_id: Option<String>,
}

/// A message that may be put into a queue, if the queue takes its size.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) content: Content,
    /// The message's own delay, in seconds; the queue's without one.
    pub(crate) delay_s: Option<i64>,
    /// Body and message attributes together.
    pub(crate) bytes: usize,
    pub(crate) attributes_md5: Option<String>,
    pub(crate) system_attributes_md5: Option<String>,
}

impl MessageRequest {
    /// How many bytes SQS counts: the body, and the attributes' names, types and values.
    pub(crate) fn bytes(&self) -> usize {
        self.message_body.len() + self.message_attributes.as_ref().map_or(0, attributes::size)
    }

    /// Checks everything but what depends on the queue. The request's own trace header counts for
    /// a message that brings none; like all system attributes, it is no part of the size.
    pub(crate) fn into_draft(self, trace: Option<&str>) -> Result<Draft, SqsError> {
        if self.message_body.is_empty() {
            return Err(SqsError::missing("MessageBody"));
        }
        check_characters(&self.message_body)?;
        if let Some(delay) = self.delay_seconds
            && !limits::DELAY_S.contains(&delay)
        {
            let reason = "DelaySeconds must be >= 0 and <= 900.";
            return Err(SqsError::invalid_parameter(delay, "DelaySeconds", reason));
        }
        check_ids(&self)?;
        let user = self.message_attributes.clone().unwrap_or_default();
        attributes::check(&user)?;
        let system = self.message_system_attributes.clone().unwrap_or_default();
        let trace_header = trace_header(&system)?.or_else(|| trace.map(str::to_owned));

        Ok(Draft {
            bytes: self.bytes(),
            delay_s: self.delay_seconds,
            attributes_md5: attributes::digest(&user),
            system_attributes_md5: attributes::digest(&system),
            content: Content {
                body_md5: digest::of_body(&self.message_body),
                body: self.message_body,
                attributes: to_json(&user)?,
                group_id: self.message_group_id,
                trace_header,
            },
        })
    }
}

fn check_characters(body: &str) -> Result<(), SqsError> {
    if body.chars().all(attributes::is_allowed) {
        return Ok(());
    }
    Err(SqsError::new(
        ErrorCode::InvalidMessageContents,
        "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF \
            | #xE000 to #xFFFD | #x10000 to #x10FFFF",
    ))
}

/// SQS: standard queues take a group id (fair queues) but no deduplication id.
fn check_ids(request: &MessageRequest) -> Result<(), SqsError> {
    if let Some(id) = &request.message_deduplication_id {
        let reason = "The request includes a parameter that is not valid for this queue type";
        return Err(SqsError::invalid_parameter(id, "MessageDeduplicationId", reason));
    }
    let Some(id) = &request.message_group_id else {
        return Ok(());
    };
    // SQS: alphanumeric characters and ASCII punctuation.
    let well_formed = (1..=limits::GROUP_ID_CHARS).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_graphic());
    if well_formed {
        return Ok(());
    }
    let reason = "MessageGroupId can only include alphanumeric and punctuation characters. 1 to \
        128 in length.";
    Err(SqsError::invalid_parameter(id, "MessageGroupId", reason))
}

/// SQS: `AWSTraceHeader` is the only system attribute that can be sent.
fn trace_header(system: &MessageAttributes) -> Result<Option<String>, SqsError> {
    let Some((name, value)) = system.iter().next() else {
        return Ok(None);
    };
    match value {
        AttributeValue { data_type, string_value: Some(text), .. }
            if name == "AWSTraceHeader" && data_type == "String" && system.len() == 1 =>
        {
            Ok(Some(text.clone()))
        }
        _ => Err(SqsError::new(
            ErrorCode::InvalidParameterValue,
            format!("Message system attribute name '{name}' is invalid."),
        )),
    }
}

fn to_json(attributes: &MessageAttributes) -> Result<Option<String>, SqsError> {
    if attributes.is_empty() {
        return Ok(None);
    }
    serde_json::to_string(attributes)
        .map(Some)
        .map_err(|error| SqsError::internal(error.to_string()))
}
