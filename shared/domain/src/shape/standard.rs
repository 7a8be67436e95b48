//! The `standard` shape: `{type, timestamp, data}`, as Standard Webhooks suggests payloads to be.

use serde::Serialize;
use serde_json::value::RawValue;

use super::{JSON, Shape, never, rfc_3339};
use crate::model::{Event, Topic};

/// The shape; see the module.
pub(super) const SHAPE: Shape = Shape {
    name: "standard",
    content_type: JSON,
    misfit: never,
    build: |event, _| serde_json::to_vec(&Body::of(event)),
};

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'a Topic,
    timestamp: String,
    data: &'a RawValue,
}

impl<'a> Body<'a> {
    fn of(event: &'a Event) -> Self {
        Self { r#type: &event.kind, timestamp: rfc_3339(event), data: &event.data }
    }
}
