//! The form of one delivery on its queue: everything that a first attempt needs but the endpoint, so that no later step
//! reads the event again.
//!
//! Easy to get wrong: messages outlive deploys. The form carries a version, and fields are only ever added with a default.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    id::{EndpointId, ProjectId, RoundId},
    json::{canonicalise, escape_for_sqs},
    model::{Event, Trigger},
    time::Timestamp,
};

/// The version that this code writes, and the newest that it reads.
pub const VERSION: u32 = 1;

/// One event's way to one endpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Message {
    /// The version of this form.
    pub v: u32,
    /// The endpoint's project.
    pub project: ProjectId,
    /// Where it goes.
    pub endpoint: EndpointId,
    /// What goes there.
    pub event: Event,
    /// When the message was first sent. A queue's own time much later than this tells of a redrive.
    pub enqueued_at: Timestamp,
    /// The name in brand-specific headers: the project's when the event was accepted; the deployment's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    /// Why it is delivered.
    pub trigger: Trigger,
    /// Which resend it is; none for the delivery's own schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<RoundId>,
    /// Whether the same delivery may have been enqueued before (by a request that died before its answer), so that even a
    /// first attempt must look at the log.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recheck: bool,
}

/// A queue message that is no delivery.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// Not the JSON of a message.
    #[error("not a delivery message: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Written by newer code than this.
    #[error("message version {0} is newer than this code's {VERSION}")]
    TooNew(u32),
}

impl Message {
    /// The text that goes on the queue.
    pub fn encode(&self) -> Result<String, MessageError> {
        let text = serde_json::to_string(self)?;
        Ok(escape_for_sqs(&text).into_owned())
    }

    /// Reads what came from the queue.
    pub fn decode(text: &str) -> Result<Self, MessageError> {
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        let Version { v } = serde_json::from_str(text)?;
        if v > VERSION {
            return Err(MessageError::TooNew(v));
        }
        let mut message: Self = serde_json::from_str(text)?;
        message.event.data = unescaped(message.event.data)?;
        message.event.metadata = message.event.metadata.map(unescaped).transpose()?;
        Ok(message)
    }
}

/// Undoes what [`escape_for_sqs`] did, so that the bytes that are signed and sent are the canonical ones again.
fn unescaped(json: Box<RawValue>) -> Result<Box<RawValue>, MessageError> {
    if !json.get().contains("\\uff") {
        return Ok(json);
    }
    let canonical = canonicalise(json.get().as_bytes()).map_err(<serde_json::Error as serde::de::Error>::custom)?;
    Ok(RawValue::from_string(canonical)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(data: &str) -> Message {
        let id = crate::id::EventId::new(Timestamp::from_seconds(1), 1);
        let raw = |json: &str| RawValue::from_string(json.to_owned()).unwrap();
        Message {
            v: VERSION,
            project: ProjectId::new(Timestamp::from_seconds(1), 1),
            endpoint: EndpointId::new(Timestamp::from_seconds(1), 1),
            event: Event {
                id,
                kind: "task.created".parse().unwrap(),
                data: raw(data),
                created_at: 1,
                user_id: None,
                worker_id: None,
                metadata: Some(raw(data)),
            },
            enqueued_at: Timestamp::from_seconds(1),
            brand: None,
            trigger: Trigger::Scheduled,
            round: None,
            recheck: false,
        }
    }

    #[test]
    fn payloads_come_off_the_queue_as_they_went_on_even_with_what_sqs_does_not_carry() {
        for data in ["{\"z\":1,\"a\":\"é😀\"}", "\"\u{fffe}\u{ffff}\"", r#""\\ufffe""#, r#""\ud800""#, "12345678901234567890"] {
            let text = message(data).encode().unwrap();
            assert!(!text.contains(['\u{fffe}', '\u{ffff}']), "SQS refuses these");
            let event = Message::decode(&text).unwrap().event;
            assert_eq!((event.data.get(), event.metadata.unwrap().get()), (data, data));
        }
    }

    #[test]
    fn newer_and_broken_messages_are_told_apart() {
        let newer = message("1").encode().unwrap().replacen("\"v\":1", "\"v\":2", 1);
        assert!(matches!(Message::decode(&newer), Err(MessageError::TooNew(2))));
        assert!(matches!(Message::decode("{}"), Err(MessageError::Malformed(_))));
    }
}
