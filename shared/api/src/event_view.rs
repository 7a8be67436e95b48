//! An event as the API shows it: to its producer, in lists, and as part of a message.

use domain::{
    endpoint_url::EndpointUrl,
    id::EventId,
    model::{Event, Topic},
};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub struct EventView {
    /// The id of the event, which is also the `webhook-id` of every request that carries it.
    pub id: EventId,
    /// `event`; in a message, `message`.
    #[schema(pattern = "^(event|message)$", example = "event")]
    object: &'static str,
    kind: Topic,
    /// The payload: any JSON, as it was posted.
    #[schema(value_type = Value, example = json!({"id": "task_1", "object": "task",
        "status": "succeeded"}))]
    data: Box<RawValue>,
    /// The id of your end user that the event is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "user_1")]
    user_id: Option<String>,
    /// The id of your worker that the event is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "worker_1")]
    worker_id: Option<String>,
    /// A URL to send the event to as well, without an endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    webhook_url: Option<EndpointUrl>,
    /// Your own data: any JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value, required = false, example = json!({"shard": 7}))]
    metadata: Option<Box<RawValue>>,
    /// When it happened, as posted; if absent, when Posthaste accepted it. Unix seconds.
    #[schema(example = 1_767_225_600)]
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
