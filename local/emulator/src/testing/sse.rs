//! Server-sent events as a browser reads them (WHATWG HTML, "Interpreting an event stream"), as far
//! as streams of ours go.
//!
//! A block without data is no event, but its id is the last event's id from then on.

use serde_json::Value as Json;

/// An event that a stream has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Its position, for `Last-Event-ID`.
    pub position: String,
    /// Its name: the topic.
    pub name: String,
    /// Its data.
    pub data: Json,
}

impl Shown {
    /// The event's own id.
    pub fn id(&self) -> String {
        self.data["id"].as_str().unwrap_or_default().to_owned()
    }
}

/// What has been read of a stream.
#[derive(Debug, Default)]
pub struct SseParser {
    pending: Vec<u8>,
    /// What to come back with.
    pub last_event_id: String,
    /// Milliseconds to wait before coming back.
    pub retry: Option<u64>,
    /// All comments so far.
    pub comments: Vec<String>,
}

impl SseParser {
    /// Goes on behind a position.
    pub fn behind(last_event_id: &str) -> Self {
        Self { last_event_id: last_event_id.to_owned(), ..Self::default() }
    }

    /// Takes the next bytes; returns the events that they complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Shown> {
        self.pending.extend_from_slice(bytes);
        let mut shown = Vec::new();
        while let Some(end) = self.pending.windows(2).position(|two| two == b"\n\n") {
            let block: Vec<u8> = self.pending.drain(..end + 2).collect();
            shown.extend(self.block(&String::from_utf8_lossy(&block)));
        }
        shown
    }

    fn block(&mut self, block: &str) -> Option<Shown> {
        let (mut name, mut data) = ("message".to_owned(), String::new());
        for line in block.lines() {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" if !value.is_empty() => self.comments.push(value.to_owned()),
                "id" => value.clone_into(&mut self.last_event_id),
                "event" => value.clone_into(&mut name),
                "data" => data.push_str(value),
                "retry" => self.retry = value.parse().ok(),
                _ => {}
            }
        }
        let data = serde_json::from_str(&data).ok()?;
        Some(Shown { position: self.last_event_id.clone(), name, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_however_they_are_cut_and_a_block_without_data_only_moves_the_position() {
        let text = "retry: 1000\nid: a\n\nid: b\nevent: task.created\ndata: {\"id\":\"é\"}\n\n: \
            heartbeat\nid: c\n\n";
        for cut in 0..text.len() {
            let mut parser = SseParser::default();
            let mut shown = parser.push(&text.as_bytes()[..cut]);
            shown.extend(parser.push(&text.as_bytes()[cut..]));
            assert_eq!(shown.len(), 1);
            assert_eq!(
                (shown[0].position.as_str(), shown[0].name.as_str(), shown[0].id().as_str()),
                ("b", "task.created", "é")
            );
            assert_eq!(
                (parser.last_event_id.as_str(), parser.retry, parser.comments.len()),
                ("c", Some(1000), 1)
            );
        }
    }
}
