//! A queue and its attributes.
//!
//! Attributes are text on the wire, numbers included, and `CreateQueue` compares them after parsing
//! (a redrive policy with its members in another order is the same policy).

use std::{collections::BTreeMap, ops::RangeInclusive};

use super::{
    error::{ErrorCode, SqsError},
    limits,
    redrive::{AllowPolicy, RedrivePolicy},
};

/// A queue as the store knows it.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    /// Row id; never used again after the queue is deleted.
    pub(crate) id: i64,
    pub(crate) name: String,
    /// Unix seconds.
    pub(crate) created_s: i64,
    /// Unix seconds.
    pub(crate) modified_s: i64,
    pub(crate) attributes: QueueAttributes,
}

/// The attributes of a queue that can be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueueAttributes {
    pub(crate) visibility_s: i64,
    pub(crate) delay_s: i64,
    pub(crate) retention_s: i64,
    pub(crate) maximum_bytes: i64,
    pub(crate) wait_s: i64,
    pub(crate) redrive: Option<RedrivePolicy>,
    pub(crate) allow: Option<AllowPolicy>,
    sse: bool,
    /// Kept and returned, without effect: access policy and encryption keys.
    inert: BTreeMap<String, String>,
}

/// The attributes of a queue made without any (SQS's documented defaults).
impl Default for QueueAttributes {
    fn default() -> Self {
        Self {
            visibility_s: 30,
            delay_s: 0,
            retention_s: 345_600,
            maximum_bytes: *limits::MAXIMUM_MESSAGE_SIZE.end(),
            wait_s: 0,
            redrive: None,
            allow: None,
            sse: true,
            inert: BTreeMap::new(),
        }
    }
}

impl QueueAttributes {
    /// Sets the attributes named; an empty policy removes it.
    pub(crate) fn apply(&mut self, changes: &BTreeMap<String, String>) -> Result<(), SqsError> {
        for (name, value) in changes {
            self.set(name, value)?;
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), SqsError> {
        match name {
            "VisibilityTimeout" => {
                self.visibility_s = number(name, value, &limits::VISIBILITY_S)?;
            }
            "DelaySeconds" => self.delay_s = number(name, value, &limits::DELAY_S)?,
            "MessageRetentionPeriod" => {
                self.retention_s = number(name, value, &limits::RETENTION_S)?;
            }
            "MaximumMessageSize" => {
                self.maximum_bytes = number(name, value, &limits::MAXIMUM_MESSAGE_SIZE)?;
            }
            "ReceiveMessageWaitTimeSeconds" => self.wait_s = number(name, value, &limits::WAIT_S)?,
            "RedrivePolicy" => self.redrive = RedrivePolicy::parse(value)?,
            "RedriveAllowPolicy" => self.allow = AllowPolicy::parse(value)?,
            "SqsManagedSseEnabled" => {
                self.sse = value.parse().map_err(|_| invalid_value(name))?;
            }
            "Policy" | "KmsMasterKeyId" | "KmsDataKeyReusePeriodSeconds" => {
                self.inert.insert(name.to_owned(), value.to_owned());
                self.inert.retain(|_, value| !value.is_empty());
            }
            "FifoQueue"
            | "ContentBasedDeduplication"
            | "DeduplicationScope"
            | "FifoThroughputLimit" => {
                return Err(SqsError::new(
                    ErrorCode::UnsupportedOperation,
                    "FIFO queues are not emulated.",
                ));
            }
            _ => return Err(unknown_attribute(name)),
        }
        Ok(())
    }

    /// All attributes that have a value, as text.
    pub(crate) fn to_map(&self) -> BTreeMap<String, String> {
        let mut map = self.inert.clone();
        let numbers = [
            ("VisibilityTimeout", self.visibility_s),
            ("DelaySeconds", self.delay_s),
            ("MessageRetentionPeriod", self.retention_s),
            ("MaximumMessageSize", self.maximum_bytes),
            ("ReceiveMessageWaitTimeSeconds", self.wait_s),
        ];
        map.extend(numbers.map(|(name, value)| (name.to_owned(), value.to_string())));
        map.insert("SqsManagedSseEnabled".to_owned(), self.sse.to_string());
        if let Some(policy) = &self.redrive {
            map.insert("RedrivePolicy".to_owned(), policy.to_string());
        }
        if let Some(policy) = &self.allow {
            map.insert("RedriveAllowPolicy".to_owned(), policy.to_string());
        }
        map
    }
}

fn number(name: &str, value: &str, allowed: &RangeInclusive<i64>) -> Result<i64, SqsError> {
    value.parse().ok().filter(|number| allowed.contains(number)).ok_or_else(|| invalid_value(name))
}

fn invalid_value(name: &str) -> SqsError {
    SqsError::new(
        ErrorCode::InvalidAttributeValue,
        format!("Invalid value for the parameter {name}."),
    )
}

/// An attribute SQS doesn't have.
pub(crate) fn unknown_attribute(name: &str) -> SqsError {
    SqsError::new(ErrorCode::InvalidAttributeName, format!("Unknown Attribute {name}."))
}

/// SQS: a queue's name has 1 to 80 letters, digits, hyphens and underscores.
pub(crate) fn check_name(name: &str) -> Result<(), SqsError> {
    let well_formed = (1..=limits::QUEUE_NAME_CHARS).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if well_formed {
        return Ok(());
    }
    Err(SqsError::new(
        ErrorCode::InvalidParameterValue,
        "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
    ))
}

/// The queue's name from its URL: the last segment, whatever host and port come before it.
pub(crate) fn name_of_url(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_survive_being_written_as_text() {
        let dead = r#""deadLetterTargetArn":"arn:aws:sqs:us-east-1:0:dead""#;
        let mut attributes = QueueAttributes::default();
        attributes
            .apply(&BTreeMap::from([
                ("VisibilityTimeout".into(), "90".into()),
                ("RedrivePolicy".into(), format!(r#"{{"maxReceiveCount":"3",{dead}}}"#)),
            ]))
            .unwrap();
        let mut read = QueueAttributes::default();
        read.apply(&attributes.to_map()).unwrap();
        assert_eq!(read, attributes);
    }

    #[test]
    fn numbers_outside_their_range_are_refused() {
        for (name, value) in [
            ("DelaySeconds", "901"),
            ("VisibilityTimeout", "43201"),
            ("VisibilityTimeout", "-1"),
            ("MessageRetentionPeriod", "59"),
            ("MaximumMessageSize", "1048577"),
            ("ReceiveMessageWaitTimeSeconds", "twenty"),
        ] {
            let refused = QueueAttributes::default().set(name, value).unwrap_err();
            assert_eq!(refused.code, ErrorCode::InvalidAttributeValue, "{name}");
        }
    }
}
