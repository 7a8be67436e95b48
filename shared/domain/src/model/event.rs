//! An event: one thing that happened, and whom it goes to.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Status, topic::Topic};
use crate::{
    endpoint_url::EndpointUrl,
    id::{AutomationId, EndpointId, EventId},
    json::canonicalise,
    time::Timestamp,
};

/// The largest payload, in bytes of its compact form: 256 KiB.
pub const MAX_PAYLOAD: usize = 256 * 1_024;

/// The most endpoints that an event's row names which have missed it: 6 KB.
pub const MAX_MISSED: usize = 100;

/// Something that happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    /// The id of the event, which is also the `webhook-id` of every request that carries it.
    pub id: EventId,
    /// Its topic.
    pub kind: Topic,
    /// What happened, in canonical form (see [`crate::json`]): these bytes are sent as they are.
    pub data: Box<RawValue>,
    /// When it happened, as the producer says; when it was accepted, if the producer says nothing.
    /// Unix seconds.
    pub created_at: u64,
    /// The producer's end user that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The producer's worker that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_id: Option<String>,
    /// A URL to send the event to as well, without an endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_url: Option<EndpointUrl>,
    /// The producer's own notes, canonical like `data`; not sent in the default body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Box<RawValue>>,
}

impl Event {
    /// The event as it goes to a target of this origin: an automation's id is put into the
    /// resource, if that is an object.
    #[must_use]
    pub fn for_origin(&self, origin: Origin) -> Self {
        let Origin::Automation(id) = origin else { return self.clone() };
        let members = self
            .data
            .get()
            .strip_suffix('}')
            .map(|open| (open, if open == "{" { "" } else { "," }));
        let with_id = members.and_then(|(open, comma)| {
            // A resource that has one already gets ours in its place: of duplicate keys the
            // canonical form keeps the last.
            let text = canonicalise(format!(r#"{open}{comma}"automation_id":"{id}"}}"#).as_bytes())
                .ok()?;
            RawValue::from_string(text).ok()
        });
        Self { data: with_id.unwrap_or_else(|| self.data.clone()), ..self.clone() }
    }
}

/// Somewhere an event goes, as it stood when the event was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The endpoint; of a URL without one, its implicit endpoint.
    pub endpoint: EndpointId,
    /// Its URL then, for the log; a long one is cut when it is stored.
    pub url: String,
    /// Why it goes there.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub origin: Origin,
    /// Whether it is a test of the endpoint, which goes to no other endpoint.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub test: bool,
}

impl Target {
    /// Where an event goes that has just been accepted.
    pub fn new(endpoint: EndpointId, url: String, origin: Origin) -> Self {
        Self { endpoint, url, origin, test: false }
    }
}

/// An endpoint that subscribes to an event's topic, and that the event did not go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missed {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// Why: it was paused, or disabled.
    pub because: Status,
}

/// What makes an event go somewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// An endpoint that wants its topic.
    #[default]
    Endpoint,
    /// The webhook of its worker.
    Worker,
    /// Its own `webhook_url`.
    Event,
    /// A step of this automation.
    Automation(AutomationId),
}

/// An event as the log holds it.
#[derive(Clone, Debug)]
pub struct LoggedEvent {
    /// The event.
    pub event: Event,
    /// Whom it went to.
    pub targets: Vec<Target>,
    /// Who would have got it, had it been active: the first [`MAX_MISSED`].
    pub missed: Vec<Missed>,
    /// When it was accepted.
    pub accepted_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_automations_id_is_in_the_resource_that_it_sends_and_in_no_other() {
        let id = AutomationId::new(Timestamp::from_seconds(1), 1);
        let sent = |data: &str, origin| {
            let event = Event {
                id: EventId::new(Timestamp::from_seconds(1), 1),
                kind: "media.created".parse().unwrap(),
                data: RawValue::from_string(data.to_owned()).unwrap(),
                created_at: 1,
                user_id: None,
                worker_id: None,
                webhook_url: None,
                metadata: None,
            };
            event.for_origin(origin).data.get().to_owned()
        };
        let with = |data: &str| sent(data, Origin::Automation(id));
        assert_eq!(with("{}"), format!(r#"{{"automation_id":"{id}"}}"#));
        assert_eq!(
            with(r#"{"id":"m","n":1}"#),
            format!(r#"{{"id":"m","n":1,"automation_id":"{id}"}}"#)
        );
        assert_eq!(
            with(r#"{"automation_id":null,"id":"m"}"#),
            format!(r#"{{"automation_id":"{id}","id":"m"}}"#)
        );
        for data in ["1", "[1]", r#""{}""#] {
            assert_eq!(with(data), data, "what is no object has no place for it");
        }
        assert_eq!(sent("{}", Origin::Event), "{}");
    }
}
