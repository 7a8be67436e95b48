//! An event as the API shows it: to its producer, in lists, and as part of a message.

use crate::{
    id::EventId,
    model::{Event, Topic},
    target::EndpointUrl,
};
use serde::Serialize;
use serde_json::value::RawValue;

/// An event in an answer.
#[derive(Debug, Serialize)]
pub struct EventView {
    /// Its id.
    pub id: EventId,
    object: &'static str,
    kind: Topic,
    data: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_url: Option<EndpointUrl>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Box<RawValue>>,
    created_at: u64,
}

impl From<Event> for EventView {
    fn from(event: Event) -> Self {
        Self {
            id: event.id,
            object: "event",
            kind: event.kind,
            data: event.data,
            user_id: event.user_id,
            worker_id: event.worker_id,
            webhook_url: event.webhook_url,
            metadata: event.metadata,
            created_at: event.created_at,
        }
    }
}

impl EventView {
    /// The same, as part of a message.
    #[must_use]
    pub fn as_message(self) -> Self {
        Self { object: "message", ..self }
    }
}
