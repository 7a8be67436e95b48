//! What is on the queues: deliveries, with their payload or by their ids. Only this file knows how
//! they are written.
//!
//! A message carries the version of its form. A queue keeps messages for 14 days, so code may meet
//! one that newer code has written: it leaves that one on the queue ([`Unreadable::Newer`]).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    id::{EndpointId, EventId, ProjectId},
    json::{canonicalise, escape_for_sqs},
    message::Message,
};

/// The version that this code writes, and the newest that it reads.
pub const VERSION: u32 = 1;

/// A message that can't be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It has no form that anybody has written: it will never be readable.
    #[error("not a message of ours: {0}")]
    Poison(#[from] serde_json::Error),
    /// It has none of the kinds that there are, or several.
    #[error("not a message of ours: it must be either `first` or `again`")]
    Kind,
    /// Newer code has written it.
    #[error("message version {0} is newer than this code's {VERSION}")]
    Newer(u32),
}

/// A message that can't be written.
#[derive(Debug, thiserror::Error)]
#[error("a message can't be written: {0}")]
pub struct EncodeError(#[from] serde_json::Error);

/// What a message is about.
#[derive(Clone, Debug)]
pub enum Work {
    /// A delivery with its payload.
    First(Box<Message>),
    /// A delivery that has a row.
    Again(Again),
}

/// Says that a delivery is to be sent that has a row. The row tells the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Again {
    /// The endpoint's project.
    pub project: ProjectId,
    /// What goes there.
    pub event: EventId,
    /// Where it goes.
    pub endpoint: EndpointId,
    /// The row's number when this message was sent. If the row has another one, this is void.
    pub seq: u64,
    /// Whether it only tests the receiver.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub probe: bool,
}

#[derive(Deserialize)]
struct Version {
    v: u32,
}

#[derive(Deserialize)]
struct Read {
    #[serde(default)]
    first: Option<Box<Message>>,
    #[serde(default)]
    again: Option<Again>,
}

#[derive(Serialize)]
struct Written<'a> {
    v: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<&'a Message>,
    #[serde(skip_serializing_if = "Option::is_none")]
    again: Option<&'a Again>,
}

/// Reads the text of a message.
pub fn decode(text: &str) -> Result<Work, Unreadable> {
    let Version { v } = serde_json::from_str(text)?;
    if v > VERSION {
        return Err(Unreadable::Newer(v));
    }
    match serde_json::from_str(text)? {
        Read { first: Some(mut message), again: None } => {
            unescape(&mut message.event.data)?;
            message.event.metadata.as_mut().map_or(Ok(()), unescape)?;
            Ok(Work::First(message))
        }
        Read { first: None, again: Some(again) } => Ok(Work::Again(again)),
        _ => Err(Unreadable::Kind),
    }
}

/// The text of a delivery with its payload.
pub fn encode(message: &Message) -> Result<String, EncodeError> {
    let text = serde_json::to_string(&Written { v: VERSION, first: Some(message), again: None })?;
    Ok(escape_for_sqs(&text).into_owned())
}

/// The text of a message about a delivery that has a row.
pub fn encode_again(again: &Again) -> Result<String, EncodeError> {
    Ok(serde_json::to_string(&Written { v: VERSION, first: None, again: Some(again) })?)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{EndpointId, EventId, ProjectId},
        model::{Event, Trigger},
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
            reserved: None,
        }
    }

    #[test]
    fn a_delivery_comes_off_the_queue_as_it_went_on_even_with_what_sqs_does_not_carry() {
        let awkward = [
            "{\"z\":1,\"a\":\"é😀\"}",
            "\"\u{fffe}\u{ffff}\"",
            r#""\\ufffe""#,
            r#""\ud800""#,
            "12345678901234567890",
        ];
        for data in awkward {
            let text = encode(&message(data)).unwrap();
            assert!(!text.contains(['\u{fffe}', '\u{ffff}']), "SQS refuses these");
            let Work::First(read) = decode(&text).unwrap() else { panic!("{text}") };
            assert_eq!((read.event.data.get(), read.event.metadata.unwrap().get()), (data, data));
        }
    }

    #[test]
    fn what_has_a_row_goes_by_its_ids() {
        let (project, event) = (ProjectId::new(NOW, 1), EventId::new(NOW, 2));
        let again =
            Again { project, event, endpoint: EndpointId::new(NOW, 3), seq: u64::MAX, probe: true };
        let text = encode_again(&again).unwrap();
        let Work::Again(read) = decode(&text).unwrap() else { panic!("{text}") };
        assert_eq!(read, again);
    }

    #[test]
    fn newer_and_broken_messages_are_told_apart() {
        for newer in [r#"{"v":2}"#, r#"{"v":99,"unheard_of":{}}"#] {
            assert!(matches!(decode(newer), Err(Unreadable::Newer(_))), "{newer}");
        }
        for kind in [r#"{"v":1}"#, r#"{"v":1,"unheard_of":{}}"#] {
            assert!(matches!(decode(kind), Err(Unreadable::Kind)), "{kind}");
        }
        for poison in ["", "{}", "[]", r#"{"v":1,"first":{}}"#, r#"{"v":1,"again":{}}"#] {
            assert!(matches!(decode(poison), Err(Unreadable::Poison(_))), "{poison}");
        }
    }
}
