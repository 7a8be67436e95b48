//! What the body of a request looks like, chosen per endpoint by name. A new shape is one file, and
//! one line in `SHAPES`.
//!
//! What an event can't be shaped into is found out when it is posted, not at delivery. So a shape
//! has a check of its own, and building what passed the check can't fail.

mod cloudevents;
mod data;
mod envelope;
mod event;
mod standard;

use serde_json::value::RawValue;

use crate::{by_name::by_name, id::ProjectId, model::Event, time::Timestamp};

/// Every shape that there is.
const SHAPES: [&Shape; 5] =
    [&event::SHAPE, &data::SHAPE, &standard::SHAPE, &envelope::SHAPE, &cloudevents::SHAPE];

/// One form of body.
struct Shape {
    name: &'static str,
    content_type: &'static str,
    /// Why an event with this data can't have this shape, if it can't.
    misfit: fn(&RawValue) -> Option<Misfit>,
    build: fn(&Event, ProjectId) -> Result<Vec<u8>, serde_json::Error>,
}

/// An event that can't have a shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be {needs}, as an endpoint of this topic takes the body shape `{shape}`")]
pub struct Misfit {
    shape: &'static str,
    needs: &'static str,
}

/// A shape, by its name.
#[derive(Clone, Copy)]
pub struct BodyShape(&'static Shape);

/// A text that names no shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be one of: {}", SHAPES.map(|shape| shape.name).join(", "))]
pub struct UnknownShape;

impl BodyShape {
    /// `{id, object: "event", kind, data, created_at}`: the default.
    pub const EVENT: Self = Self(&event::SHAPE);
    /// The resource alone.
    pub const DATA: Self = Self(&data::SHAPE);

    /// Every shape that there is.
    pub fn all() -> impl Iterator<Item = Self> {
        SHAPES.into_iter().map(Self)
    }

    /// Its name in the API.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// The `Content-Type` of such a body.
    pub fn content_type(self) -> &'static str {
        self.0.content_type
    }

    /// Whether an event with this data can have this shape.
    pub fn check(self, data: &RawValue) -> Result<(), Misfit> {
        (self.0.misfit)(data).map_or(Ok(()), Err)
    }

    /// The body: compact JSON, ready to be signed and sent.
    pub fn build(self, event: &Event, project: ProjectId) -> Result<Vec<u8>, serde_json::Error> {
        (self.0.build)(event, project)
    }
}

/// The media type of all shapes but one.
const JSON: &str = "application/json";

/// Any event fits.
fn never(_: &RawValue) -> Option<Misfit> {
    None
}

/// When an event happened, by RFC 3339 in UTC.
fn rfc_3339(event: &Event) -> String {
    Timestamp::from_seconds(event.created_at).rfc_3339()
}

by_name!(
    BodyShape,
    SHAPES,
    UnknownShape,
    "The form of the request body: `event` is `{id, object, kind, data, created_at}`, `data` is \
        the event's data alone, `standard` is Standard Webhooks' `{type, timestamp, data}`, \
        `envelope` is `{timestamp, user_id, event_id, event_type, data}` for data with a `task`, \
        `cloudevents` is the structured JSON of CloudEvents 1.0."
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{id::EventId, json::canonicalise, time::Timestamp};

    fn event(data: &str) -> Event {
        Event {
            id: EventId::new(Timestamp::from_seconds(1_735_689_886), 1),
            kind: "task.succeeded".parse().unwrap(),
            data: RawValue::from_string(data.to_owned()).unwrap(),
            created_at: 1_735_689_886,
            user_id: Some("user_1".to_owned()),
            worker_id: None,
            webhook_url: None,
            metadata: None,
        }
    }

    fn body(shape: &str, data: &str) -> String {
        let shape: BodyShape = shape.parse().unwrap();
        let bytes =
            shape.build(&event(data), ProjectId::new(Timestamp::from_seconds(0), 0)).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn each_shape_is_as_its_platform_documents_it() {
        let id = event("1").id;
        let data = r#"{"task":{"z":1,"a":12345678901234567890}}"#;
        assert_eq!(
            body("event", data),
            format!(
                r#"{{"id":"{id}","object":"event","kind":"task.succeeded","data":{data},"created_at":1735689886}}"#
            )
        );
        assert_eq!(body("data", data), data);
        assert_eq!(
            body("standard", data),
            format!(
                r#"{{"type":"task.succeeded","timestamp":"2025-01-01T00:04:46Z","data":{data}}}"#
            )
        );
        assert_eq!(
            body("envelope", data),
            format!(
                r#"{{"timestamp":1735689886,"user_id":"user_1","event_id":"{id}","event_type":"task.succeeded","data":{data}}}"#
            )
        );
        assert_eq!(
            body("cloudevents", data),
            format!(
                r#"{{"specversion":"1.0","id":"{id}","source":"/projects/proj_00000000000000000000000000","type":"task.succeeded","time":"2025-01-01T00:04:46Z","datacontenttype":"application/json","data":{data}}}"#
            )
        );
    }

    #[test]
    fn every_body_is_canonical_so_that_it_survives_javascript() {
        for shape in SHAPES {
            let body = body(shape.name, r#"{"task":{"z":1,"a":[12345678901234567890,"é😀"]}}"#);
            assert_eq!(canonicalise(body.as_bytes()).unwrap(), body, "{}", shape.name);
        }
    }

    #[test]
    fn an_envelope_needs_a_task_and_sends_nothing_else() {
        let envelope: BodyShape = "envelope".parse().unwrap();
        for data in ["1", "[]", "{}", r#"{"tasks":{}}"#, "null", r#"{"task":null}"#] {
            assert!(envelope.check(&event(data).data).is_err(), "{data}");
        }
        assert_eq!(envelope.check(&event(r#"{"task":{}}"#).data), Ok(()));
        assert!(
            body("envelope", r#"{"task":{"id":"t"},"other":1}"#)
                .ends_with(r#""data":{"task":{"id":"t"}}}"#)
        );
    }
}
