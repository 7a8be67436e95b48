//! What is on the queues: deliveries. Only this file knows how they are written.
//!
//! A message carries the version of its form. A queue keeps messages for 14 days, so code may meet
//! one that newer code has written: it leaves that one on the queue ([`Unreadable::Newer`]).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
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

#[derive(Serialize, Deserialize)]
struct Work<M> {
    delivery: M,
}

/// Reads the text of a message.
pub fn decode(text: &str) -> Result<Message, Unreadable> {
    let Version { v } = serde_json::from_str(text)?;
    if v > VERSION {
        return Err(Unreadable::Newer(v));
    }
    let Envelope { work: Work { delivery }, .. } = serde_json::from_str(text)?;
    let mut message: Message = delivery;
    unescape(&mut message.event.data)?;
    message.event.metadata.as_mut().map_or(Ok(()), unescape)?;
    Ok(message)
}

/// The text of a message.
pub fn encode(message: &Message) -> Result<String, EncodeError> {
    let text = serde_json::to_string(&Envelope { v: VERSION, work: Work { delivery: message } })?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{EndpointId, EventId, ProjectId},
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
            over: false,
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
            let read = decode(&text).unwrap();
            assert_eq!((read.event.data.get(), read.event.metadata.unwrap().get()), (data, data));
            assert_eq!(read.reserved, Some(slot));
        }
    }

    #[test]
    fn newer_and_broken_messages_are_told_apart() {
        for newer in [r#"{"v":2}"#, r#"{"v":99,"work":{"unheard_of":{}}}"#] {
            assert!(matches!(decode(newer), Err(Unreadable::Newer(_))), "{newer}");
        }
        for poison in [
            "",
            "{}",
            "[]",
            r#"{"v":1}"#,
            r#"{"v":1,"work":{}}"#,
            r#"{"v":1,"work":{"unheard_of":{}}}"#,
        ] {
            assert!(matches!(decode(poison), Err(Unreadable::Poison(_))), "{poison}");
        }
    }
}
