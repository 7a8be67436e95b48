//! The bytes of a stream (WHATWG HTML, "Parsing an event stream").
//!
//! A line break in a field ends it. Ids and topics can hold none, and the JSON is compact, in which
//! those of a text are escaped.

use std::time::Duration;

use api::EventView;
use bytes::Bytes;
use domain::{
    id::EventId,
    model::{Event, Topic},
};

/// The media type of a stream.
pub(crate) const MEDIA_TYPE: &str = "text/event-stream";

/// The start of a stream: how long to wait before coming back, and where the stream starts. A
/// viewer that is cut off before the first event comes back to there.
pub(crate) fn opening(retry: Duration, position: EventId) -> Bytes {
    format!("retry: {}\nid: {position}\n\n", retry.as_millis()).into()
}

/// An event: its topic as the name, and what `GET /events/{id}` shows as the data.
pub(crate) fn event(position: EventId, event: Event) -> Result<Bytes, serde_json::Error> {
    let topic: Topic = event.kind.clone();
    let view = serde_json::to_string(&EventView::from(event))?;
    Ok(format!("id: {position}\nevent: {topic}\ndata: {view}\n\n").into())
}

/// Keeps the connection open, and tells where it stands: a block without data is no event, but its
/// id counts.
pub(crate) fn heartbeat(position: EventId) -> Bytes {
    format!(": heartbeat\nid: {position}\n\n").into()
}

/// The end of a stream: the position, and the reason as a comment for people who read it with curl.
pub(crate) fn end(position: EventId, why: &str) -> Bytes {
    format!(": end of stream: {why}\nid: {position}\n\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const POSITION: &str = "evt_01ARYZ6S410000000000000000";

    fn text(bytes: &Bytes) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn an_event_is_its_position_its_topic_and_one_line_of_data() {
        let json = r#"{"id":"evt_01ARYZ6S410000000000000001","kind":"task.created","data":{"text":"a\nb","n":12345678901234567890},"created_at":7}"#;
        let made = serde_json::from_str(json).unwrap();
        let expected = concat!(
            "id: evt_01ARYZ6S410000000000000000\nevent: task.created\ndata: ",
            r#"{"id":"evt_01ARYZ6S410000000000000001","object":"event","kind":"task.created","data":{"text":"a\nb","n":12345678901234567890},"created_at":7}"#,
            "\n\n"
        );
        assert_eq!(text(&event(POSITION.parse().unwrap(), made).unwrap()), expected);
    }

    #[test]
    fn what_is_no_event_has_no_data() {
        let position = POSITION.parse().unwrap();
        assert_eq!(
            text(&opening(Duration::from_secs(1), position)),
            format!("retry: 1000\nid: {POSITION}\n\n")
        );
        assert_eq!(text(&heartbeat(position)), format!(": heartbeat\nid: {POSITION}\n\n"));
        assert_eq!(
            text(&end(position, "its time is over")),
            format!(": end of stream: its time is over\nid: {POSITION}\n\n")
        );
    }
}
