//! The two policies of dead-letter queues: where a queue's hopeless messages go, and who may send
//! theirs here.
//!
//! `maxReceiveCount` comes as a number or as text; `CloudFormation` and the console differ.

use serde::{Deserialize, Deserializer, Serialize};

use super::{
    arn::name_of_arn,
    error::{ErrorCode, SqsError},
    limits,
};

/// A source queue's `RedrivePolicy`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RedrivePolicy {
    /// The dead-letter queue.
    pub(crate) dead_letter_target_arn: String,
    /// A message received this often goes to the dead-letter queue instead of being received once
    /// more.
    #[serde(deserialize_with = "number_or_text")]
    pub(crate) max_receive_count: i64,
}

impl RedrivePolicy {
    /// Reads a policy: `None` for an empty text.
    pub(crate) fn parse(text: &str) -> Result<Option<Self>, SqsError> {
        if text.is_empty() {
            return Ok(None);
        }
        let refuse = |reason: &str| SqsError::invalid_parameter(text, "RedrivePolicy", reason);
        let policy: Self = serde_json::from_str(text)
            .map_err(|_| refuse("Redrive policy is not a valid JSON map."))?;
        if !limits::MAX_RECEIVE_COUNT.contains(&policy.max_receive_count) {
            return Err(refuse("Invalid value for maxReceiveCount: 1 to 1000."));
        }
        if name_of_arn(&policy.dead_letter_target_arn).is_none() {
            return Err(refuse("Dead letter target is not an SQS ARN."));
        }
        Ok(Some(policy))
    }

    /// The dead-letter queue's name.
    pub(crate) fn target(&self) -> &str {
        name_of_arn(&self.dead_letter_target_arn).unwrap_or_default()
    }
}

/// A dead-letter queue's `RedriveAllowPolicy`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AllowPolicy {
    redrive_permission: Permission,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    source_queue_arns: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Permission {
    AllowAll,
    DenyAll,
    ByQueue,
}

impl AllowPolicy {
    /// Reads a policy: `None`, which allows all, for an empty text.
    pub(crate) fn parse(text: &str) -> Result<Option<Self>, SqsError> {
        if text.is_empty() {
            return Ok(None);
        }
        let refuse = || {
            SqsError::new(
                ErrorCode::InvalidAttributeValue,
                "Invalid value for the parameter RedriveAllowPolicy.",
            )
        };
        let policy: Self = serde_json::from_str(text).map_err(|_| refuse())?;
        let names_sources = !policy.source_queue_arns.is_empty();
        if names_sources != (policy.redrive_permission == Permission::ByQueue)
            || policy.source_queue_arns.len() > limits::ALLOWED_SOURCES
        {
            return Err(refuse());
        }
        Ok(Some(policy))
    }

    /// Whether that queue may name this one as its dead-letter queue.
    pub(crate) fn allows(&self, source_arn: &str) -> bool {
        match self.redrive_permission {
            Permission::AllowAll => true,
            Permission::DenyAll => false,
            Permission::ByQueue => self.source_queue_arns.iter().any(|arn| arn == source_arn),
        }
    }
}

fn number_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(i64),
        Text(String),
    }
    match Either::deserialize(deserializer)? {
        Either::Number(number) => Ok(number),
        Either::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}

/// The policy as JSON text, as it is kept and returned.
impl std::fmt::Display for RedrivePolicy {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write_json(self, formatter)
    }
}

/// The policy as JSON text, as it is kept and returned.
impl std::fmt::Display for AllowPolicy {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write_json(self, formatter)
    }
}

fn write_json(value: &impl Serialize, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
    let text = serde_json::to_string(value).map_err(|_| std::fmt::Error)?;
    formatter.write_str(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_by_queue_policy_allows_only_the_queues_it_names() {
        let policy = AllowPolicy::parse(
            r#"{"redrivePermission":"byQueue","sourceQueueArns":["arn:aws:sqs:r:0:a"]}"#,
        )
        .unwrap()
        .unwrap();
        assert!(policy.allows("arn:aws:sqs:r:0:a"));
        assert!(!policy.allows("arn:aws:sqs:r:0:b"));
    }

    #[test]
    fn policies_that_make_no_sense_are_refused() {
        for text in [
            "[]",
            "{}",
            r#"{"deadLetterTargetArn":"arn:aws:sqs:r:0:a","maxReceiveCount":0}"#,
            r#"{"deadLetterTargetArn":"arn:aws:sqs:r:0:a","maxReceiveCount":1001}"#,
            r#"{"deadLetterTargetArn":"somewhere","maxReceiveCount":5}"#,
        ] {
            assert!(RedrivePolicy::parse(text).is_err(), "{text}");
        }
        for text in [r#"{"redrivePermission":"byQueue"}"#, r#"{"redrivePermission":"sometimes"}"#] {
            assert!(AllowPolicy::parse(text).is_err(), "{text}");
        }
    }
}
