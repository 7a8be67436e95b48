//! What is on the queues: a delivery, or a step of a job. Only this file knows how it is written.
//!
//! A message carries the version of its form. A queue keeps messages for 14 days, so code may meet
//! one that newer code has written: it leaves that one on the queue ([`Unreadable::Newer`]).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    id::EndpointId,
    job::{CircuitStep, RecoveryStep},
    json::{canonicalise, escape_for_sqs},
    message::Message,
};

/// The version that this code writes, and the newest that it reads.
pub const VERSION: u32 = 1;

/// A message, as it was read from a queue.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// One event on its way to one endpoint.
    Delivery(Box<Message>),
    /// Look after a receiver that keeps failing.
    Circuit(CircuitStep),
    /// Go on with a recovery.
    Recovery(RecoveryStep),
}

/// The same, to be written.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkRef<'a> {
    /// See [`Work::Delivery`].
    Delivery(&'a Message),
    /// See [`Work::Circuit`].
    Circuit(&'a CircuitStep),
    /// See [`Work::Recovery`].
    Recovery(&'a RecoveryStep),
}

/// A message that can't be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It has no form that anybody has written: it will never be readable.
    #[error("not a message of ours: {0}")]
    Poison(#[from] serde_json::Error),
    /// Newer code has written it.
    #[error("message version {0} is newer than this code's {VERSION}")]
    Newer(u32),
}

/// A message that can't be written.
#[derive(Debug, thiserror::Error)]
#[error("a message can't be written: {0}")]
pub struct EncodeError(#[from] serde_json::Error);

#[derive(Deserialize)]
struct Version {
    v: u32,
}

#[derive(Serialize, Deserialize)]
struct Envelope<W> {
    v: u32,
    work: W,
}

impl Work {
    /// Reads the text of a message.
    pub fn decode(text: &str) -> Result<Self, Unreadable> {
        let Version { v } = serde_json::from_str(text)?;
        if v > VERSION {
            return Err(Unreadable::Newer(v));
        }
        let Envelope { mut work, .. } = serde_json::from_str(text)?;
        if let Self::Delivery(message) = &mut work {
            unescape(&mut message.event.data)?;
            message.event.metadata.as_mut().map_or(Ok(()), unescape)?;
        }
        Ok(work)
    }

    /// The delivery, if it is one.
    pub fn into_delivery(self) -> Option<Message> {
        if let Self::Delivery(message) = self { Some(*message) } else { None }
    }
}

impl WorkRef<'_> {
    /// The endpoint that it is about.
    pub fn endpoint(self) -> EndpointId {
        match self {
            Self::Delivery(message) => message.endpoint,
            Self::Circuit(step) => step.endpoint,
            Self::Recovery(step) => step.endpoint,
        }
    }
}

/// The text of a message.
pub fn encode<'a>(work: impl Into<WorkRef<'a>>) -> Result<String, EncodeError> {
    let text = serde_json::to_string(&Envelope { v: VERSION, work: work.into() })?;
    Ok(escape_for_sqs(&text).into_owned())
}

/// Undoes what [`escape_for_sqs`] did, so that the signed and sent bytes are the canonical ones.
fn unescape(json: &mut Box<RawValue>) -> Result<(), serde_json::Error> {
    if json.get().contains("\\uff") {
        let canonical = canonicalise(json.get().as_bytes());
        let canonical = canonical.map_err(<serde_json::Error as serde::de::Error>::custom)?;
        *json = RawValue::from_string(canonical)?;
    }
    Ok(())
}

impl<'a> From<&'a Message> for WorkRef<'a> {
    fn from(message: &'a Message) -> Self {
        Self::Delivery(message)
    }
}

impl<'a> From<&'a CircuitStep> for WorkRef<'a> {
    fn from(step: &'a CircuitStep) -> Self {
        Self::Circuit(step)
    }
}

impl<'a> From<&'a RecoveryStep> for WorkRef<'a> {
    fn from(step: &'a RecoveryStep) -> Self {
        Self::Recovery(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{EventId, ProjectId},
        model::{Event, Trigger},
        rate::RateSlot,
        time::Timestamp,
    };

    const NOW: Timestamp = Timestamp::from_seconds(1);

    fn message(data: &str) -> Message {
        let raw = |json: &str| RawValue::from_string(json.to_owned()).unwrap();
        Message {
            project: ProjectId::new(NOW, 1),
            endpoint: EndpointId::new(NOW, 1),
            via: None,
            event: Event {
                id: EventId::new(NOW, 1),
                kind: "task.created".parse().unwrap(),
                data: raw(data),
                created_at: 1,
                user_id: None,
                worker_id: None,
                webhook_url: None,
                metadata: Some(raw(data)),
            },
            enqueued_at: NOW,
            brand: None,
            trigger: Trigger::Scheduled,
            round: None,
            recheck: false,
            reserved: None,
        }
    }

    #[test]
    fn a_delivery_comes_off_the_queue_as_it_went_on_even_with_what_sqs_does_not_carry() {
        let slot = RateSlot { number: 2, at: Timestamp::from_seconds(9), passed: 1, limit: 5 };
        let awkward = [
            "{\"z\":1,\"a\":\"é😀\"}",
            "\"\u{fffe}\u{ffff}\"",
            r#""\\ufffe""#,
            r#""\ud800""#,
            "12345678901234567890",
        ];
        for data in awkward {
            let text = encode(&message(data).with_slot(slot)).unwrap();
            assert!(!text.contains(['\u{fffe}', '\u{ffff}']), "SQS refuses these");
            let read = Work::decode(&text).unwrap().into_delivery().unwrap();
            assert_eq!((read.event.data.get(), read.event.metadata.unwrap().get()), (data, data));
            assert_eq!(read.reserved, Some(slot));
        }
    }

    #[test]
    fn steps_of_jobs_come_off_the_queue_as_they_went_on() {
        let (project, endpoint) = (ProjectId::new(NOW, 1), EndpointId::new(NOW, 1));
        let circuit = CircuitStep { project, endpoint, opening: "1".to_owned(), step: 7 };
        let Ok(Work::Circuit(read)) = Work::decode(&encode(&circuit).unwrap()) else {
            panic!("no step")
        };
        assert_eq!(read, circuit);
        let recovery = RecoveryStep {
            project,
            endpoint,
            recovery: crate::id::RecoveryId::new(NOW, 1),
            step: 7,
        };
        let Ok(Work::Recovery(read)) = Work::decode(&encode(&recovery).unwrap()) else {
            panic!("no step")
        };
        assert_eq!(read, recovery);
    }

    #[test]
    fn newer_and_broken_messages_are_told_apart() {
        for newer in [r#"{"v":2}"#, r#"{"v":99,"work":{"unheard_of":{}}}"#] {
            assert!(matches!(Work::decode(newer), Err(Unreadable::Newer(_))), "{newer}");
        }
        for poison in [
            "",
            "{}",
            "[]",
            r#"{"v":1}"#,
            r#"{"v":1,"work":{}}"#,
            r#"{"v":1,"work":{"unheard_of":{}}}"#,
        ] {
            assert!(matches!(Work::decode(poison), Err(Unreadable::Poison(_))), "{poison}");
        }
    }
}
