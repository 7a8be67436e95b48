//! An event: one thing that happened, and whom it goes to.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::topic::Topic;
use crate::{
    id::{EndpointId, EventId},
    time::Timestamp,
};

/// The largest payload, in bytes of its compact form: 256 KiB.
pub const MAX_PAYLOAD: usize = 256 * 1_024;

/// One thing that happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Its id, which is also the `webhook-id` of every request that carries it.
    pub id: EventId,
    /// Its topic.
    pub kind: Topic,
    /// What happened, in canonical form (see [`crate::json`]): these bytes are sent as they are.
    pub data: Box<RawValue>,
    /// When it happened, as the producer says; when it was accepted, if the producer says nothing. Unix seconds.
    pub created_at: u64,
    /// The producer's end user that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The producer's worker that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_id: Option<String>,
    /// The producer's own notes, canonical like `data`; not sent in the default body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Box<RawValue>>,
}

/// Somewhere an event goes, as it stood when the event was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// Its URL then, for the log; a long one is cut when it is stored.
    pub url: String,
}

/// An event as the log holds it.
#[derive(Clone, Debug)]
pub struct LoggedEvent {
    /// The event.
    pub event: Event,
    /// Whom it went to.
    pub targets: Vec<Target>,
    /// When it was accepted.
    pub accepted_at: Timestamp,
}
