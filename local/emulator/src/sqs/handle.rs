//! Receipt handles and task handles: opaque to clients, a few fields to us.
//!
//! A receipt handle stands for one *receive*, not for the message. It carries the token of that
//! receive, and once the message is received again the row's token differs, so that the old handle
//! is stale.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::error::{ErrorCode, SqsError};

/// What a receipt handle says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReceiptHandle {
    /// The queue the message was received from (row id).
    pub(crate) queue: i64,
    /// The message (row id).
    pub(crate) message: i64,
    /// A random number, new with every receive.
    pub(crate) token: i64,
}

impl ReceiptHandle {
    pub(crate) fn encode(self) -> String {
        STANDARD.encode(format!("receipt {} {} {}", self.queue, self.message, self.token))
    }

    /// Reads a handle as one of `queue`'s; anything else is `ReceiptHandleIsInvalid`.
    pub(crate) fn decode(text: &str, queue: i64) -> Result<Self, SqsError> {
        Self::parse(text).filter(|handle| handle.queue == queue).ok_or_else(|| {
            SqsError::new(
                ErrorCode::ReceiptHandleIsInvalid,
                format!("The input receipt handle \"{text}\" is not a valid receipt handle."),
            )
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let plain = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
        let mut fields = plain.strip_prefix("receipt ")?.split(' ');
        let mut next = || fields.next()?.parse().ok();
        Some(Self { queue: next()?, message: next()?, token: next()? })
    }
}

/// What a move task's handle says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaskHandle {
    /// The task (row id).
    pub(crate) task_id: i64,
    /// The dead-letter queue it empties.
    pub(crate) source_arn: String,
}

impl TaskHandle {
    pub(crate) fn encode(&self) -> String {
        STANDARD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    pub(crate) fn decode(text: &str) -> Option<Self> {
        serde_json::from_slice(&STANDARD.decode(text).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_handle_survives_its_encoding() {
        let handle = ReceiptHandle { queue: 3, message: 70, token: -5 };
        assert_eq!(ReceiptHandle::decode(&handle.encode(), 3), Ok(handle));
    }

    #[test]
    fn a_receipt_handle_of_another_queue_or_none_is_invalid() {
        let handle = ReceiptHandle { queue: 3, message: 70, token: 9 }.encode();
        for (text, queue) in [(handle.as_str(), 4), ("rubbish", 3), ("", 3), ("AAAA", 3)] {
            let refused = ReceiptHandle::decode(text, queue).unwrap_err();
            assert_eq!(refused.code, ErrorCode::ReceiptHandleIsInvalid, "{text}");
        }
    }
}
