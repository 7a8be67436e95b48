//! A viewer: a dashboard that watches a project's events live.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use emulator::testing::{Shown, SseParser};
use http::Method;

use crate::{Answer, Client, PATIENCE};

/// An open stream.
pub struct Viewer {
    response: reqwest::Response,
    parser: SseParser,
    ready: VecDeque<Shown>,
}

impl Viewer {
    /// Opens a project's stream, with this query (`?topic=…`), behind a position if one is given.
    /// The refusal, if it isn't opened.
    pub async fn try_open(
        client: &Client,
        query: &str,
        behind: Option<&str>,
    ) -> Result<Self, Answer> {
        let mut request = client
            .request(Method::GET, &format!("/events/stream{query}"))
            .timeout(Duration::from_mins(10));
        if let Some(position) = behind {
            request = request.header("last-event-id", position);
        }
        let response = request.send().await.expect("the API answers");
        if response.status() != 200 {
            return Err(Answer::read_from(response).await.expect("a body"));
        }
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut viewer = Self {
            response,
            parser: SseParser::behind(behind.unwrap_or_default()),
            ready: VecDeque::new(),
        };
        // The first bytes hold the position: who is cut off from here on misses nothing.
        assert!(viewer.read().await, "a stream begins");
        Ok(viewer)
    }

    /// As [`Viewer::try_open`], where it must open.
    pub async fn open(client: &Client, query: &str, behind: Option<&str>) -> Self {
        Self::try_open(client, query, behind)
            .await
            .unwrap_or_else(|refusal| panic!("{}: {}", refusal.status, refusal.text))
    }

    /// What to come back with.
    pub fn position(&self) -> &str {
        &self.parser.last_event_id
    }

    /// The comments so far.
    pub fn comments(&self) -> &[String] {
        &self.parser.comments
    }

    /// The next event; `None` at the end of the stream.
    pub async fn next(&mut self) -> Option<Shown> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(shown) = self.ready.pop_front() {
                return Some(shown);
            }
            assert!(Instant::now() < deadline, "no event within {} s", PATIENCE.as_secs());
            if !self.read().await {
                return None;
            }
        }
    }

    /// The next event, which must come.
    pub async fn event(&mut self) -> Shown {
        self.next()
            .await
            .unwrap_or_else(|| panic!("the stream has ended: {:?}", self.parser.comments))
    }

    /// Everything until the stream ends.
    pub async fn rest(&mut self) -> Vec<Shown> {
        let mut all = Vec::new();
        while let Some(shown) = self.next().await {
            all.push(shown);
        }
        all
    }

    /// Reads more. Whether the stream continues; it must not break off.
    pub async fn read(&mut self) -> bool {
        let bytes = tokio::time::timeout(PATIENCE, self.response.chunk())
            .await
            .expect("a stream is never silent for long");
        let Some(bytes) = bytes.expect("a stream ends cleanly") else { return false };
        self.ready.extend(self.parser.push(&bytes));
        true
    }
}
