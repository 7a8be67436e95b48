//! The `event` shape, the default: `{id, object: "event", kind, data, created_at}`.

use serde::Serialize;
use serde_json::value::RawValue;

use super::{JSON, Shape, never};
use crate::{
    id::EventId,
    model::{Event, Topic},
};

/// The shape; see the module.
pub(super) const SHAPE: Shape = Shape {
    name: "event",
    content_type: JSON,
    misfit: never,
    build: |event, _| serde_json::to_vec(&Body::of(event)),
};

#[derive(Serialize)]
struct Body<'a> {
    id: EventId,
    object: &'static str,
    kind: &'a Topic,
    data: &'a RawValue,
    created_at: u64,
}

impl<'a> Body<'a> {
    fn of(event: &'a Event) -> Self {
        Self {
            id: event.id,
            object: "event",
            kind: &event.kind,
            data: &event.data,
            created_at: event.created_at,
        }
    }
}
