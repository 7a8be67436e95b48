//! The form of one delivery on its queue: everything that a first attempt needs but the endpoint, so that no later step
//! reads the event again.
//!
//! Easy to get wrong: messages outlive deploys. The form carries a version, and fields are only ever added with a default.

use serde::{Deserialize, Serialize};

use crate::{
    id::{EndpointId, ProjectId, RoundId},
    json::escape_for_sqs,
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
        if v > VERSION { Err(MessageError::TooNew(v)) } else { Ok(serde_json::from_str(text)?) }
    }
}
