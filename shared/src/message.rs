//! The form of one delivery on its queue: everything that a first attempt needs but the endpoint, so that no later step
//! reads the event again.
//!
//! Easy to get wrong: messages outlive deploys. The form carries a version, and fields are only ever added with a default.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    id::{EndpointId, ProjectId, RoundId},
    json::{canonicalise, escape_for_sqs},
    model::{Event, Origin, Project, Target, Trigger},
    rate::Reserved,
    shape::BodyShape,
    signing::SignatureStyle,
    target::EndpointUrl,
    time::Timestamp,
};

/// The newest version that this code reads. A message is written as the oldest version whose readers understand all of it, so that in the middle of a
/// deploy older code takes what it can and leaves the rest (see [`MessageError::TooNew`]):
///
/// 1. deliveries to endpoints;
/// 2. adds `via`, and the trigger `test`;
/// 3. is for jobs, which are no deliveries: see [`crate::job`];
/// 4. adds `reserved`: older code would send it early.
pub const VERSION: u32 = 4;

/// One event's way to one endpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Message {
    /// The version of this form.
    pub v: u32,
    /// The endpoint's project.
    pub project: ProjectId,
    /// Where it goes.
    pub endpoint: EndpointId,
    /// How it gets there, where there is no endpoint's row to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<Via>,
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
    /// When it may be sent, if its endpoint has a rate limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved: Option<Reserved>,
}

/// Where the settings of a receiver are that is not an endpoint of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// In the row of this worker's webhook.
    Worker(String),
    /// Here. Only the secret is elsewhere: it is the project's.
    Url {
        /// Where it goes.
        url: EndpointUrl,
        /// How it is signed.
        signatures: Vec<SignatureStyle>,
        /// What the body looks like.
        body: BodyShape,
    },
}

impl Via {
    /// To a URL of this origin, with the project's defaults. The body is the bare resource, as the systems that know such URLs publish it, unless the
    /// project says otherwise; an automation's always is.
    pub fn url(project: Option<&Project>, url: EndpointUrl, origin: Origin) -> Self {
        let body = match origin {
            Origin::Automation(_) => BodyShape::DATA,
            _ => project.and_then(|project| project.body).unwrap_or(BodyShape::DATA),
        };
        let mut signatures = project.map_or_else(|| vec![SignatureStyle::STANDARD], Project::default_signatures);
        // The project's secret signs for all of its URLs, so it is shown to none of them.
        signatures.retain(|style| *style != SignatureStyle::TOKEN);
        if signatures.is_empty() {
            signatures.push(SignatureStyle::STANDARD);
        }
        Self::Url { url, signatures, body }
    }
}

/// A target, and how to get there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// The target, as the log has it.
    pub target: Target,
    /// See [`Message::via`].
    pub via: Option<Via>,
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
    /// The first message of an event's way to a recipient, by the delivery's own schedule.
    pub fn first(project: ProjectId, brand: Option<String>, event: &Event, recipient: &Recipient, now: Timestamp) -> Self {
        Self {
            v: if recipient.via.is_some() { 2 } else { 1 },
            project,
            endpoint: recipient.target.endpoint,
            via: recipient.via.clone(),
            event: event.for_origin(recipient.target.origin),
            enqueued_at: now,
            brand,
            trigger: Trigger::Scheduled,
            round: None,
            recheck: false,
            reserved: None,
        }
    }

    /// The same, with a slot of its endpoint's rate limit.
    #[must_use]
    pub fn with_slot(&self, slot: Reserved) -> Self {
        Self { v: 4, reserved: Some(slot), ..self.clone() }
    }

    /// The same without a slot: for when it isn't known when it goes on.
    #[must_use]
    pub fn without_slot(&self) -> Self {
        // A later version than needed does no harm, but an older one can be read by more.
        let v = if self.reserved.is_some() { 2 } else { self.v };
        Self { v, reserved: None, ..self.clone() }
    }

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
        // A job that this code knows was taken for one before it came here.
        if v > VERSION || v == crate::job::VERSION {
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
            v: 1,
            project: ProjectId::new(Timestamp::from_seconds(1), 1),
            endpoint: EndpointId::new(Timestamp::from_seconds(1), 1),
            via: None,
            event: Event {
                id,
                kind: "task.created".parse().unwrap(),
                data: raw(data),
                created_at: 1,
                user_id: None,
                worker_id: None,
                webhook_url: None,
                metadata: Some(raw(data)),
            },
            enqueued_at: Timestamp::from_seconds(1),
            brand: None,
            trigger: Trigger::Scheduled,
            round: None,
            recheck: false,
            reserved: None,
        }
    }

    #[test]
    fn a_slot_is_in_the_message_and_older_code_leaves_it_alone() {
        let slot = Reserved { number: 2, at: Timestamp::from_seconds(9), passed: 1, limit: Some(5) };
        let text = message("1").with_slot(slot).encode().unwrap();
        assert!(text.contains("\"v\":4"));
        let message = Message::decode(&text).unwrap();
        assert_eq!(message.reserved, Some(slot));
        assert!(message.without_slot().encode().unwrap().contains("\"v\":2"));
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
        let newer = message("1").encode().unwrap().replacen("\"v\":1", "\"v\":3", 1);
        assert!(matches!(Message::decode(&newer), Err(MessageError::TooNew(3))));
        assert!(matches!(Message::decode("{}"), Err(MessageError::Malformed(_))));
    }
}
