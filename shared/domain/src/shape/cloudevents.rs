//! The `cloudevents` shape: `CloudEvents` 1.0 in its structured JSON form.

use serde::Serialize;
use serde_json::value::RawValue;

use super::{JSON, Shape, never, rfc_3339};
use crate::{id::EventId, model::Topic};

/// The shape; see the module.
pub(super) const SHAPE: Shape = Shape {
    name: "cloudevents",
    content_type: "application/cloudevents+json",
    misfit: never,
    build: |event, project| {
        serde_json::to_vec(&Body {
            specversion: "1.0",
            id: event.id,
            source: format!("/projects/{project}"),
            r#type: &event.kind,
            time: rfc_3339(event),
            datacontenttype: JSON,
            data: &event.data,
        })
    },
};

#[derive(Serialize)]
struct Body<'a> {
    specversion: &'static str,
    id: EventId,
    source: String,
    r#type: &'a Topic,
    time: String,
    datacontenttype: &'static str,
    data: &'a RawValue,
}
