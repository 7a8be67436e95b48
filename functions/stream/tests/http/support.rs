//! A stand-in, the function on it, and viewers.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::body::Body;
use domain::{id::EventId, model::event::LoggedEvent, time::Timestamp};
use emulator::{
    samples,
    testing::{Api, AwsStandIn, Shown, SseParser},
};
use http::Response;
use http_body_util::BodyExt;
use runtime::clock;
use serde_json::json;
use store::{Access, Table, events::EventWriter};

/// Longer than anything settles, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Started {
    pub(crate) aws: AwsStandIn,
    pub(crate) api: Api,
}

/// With streams of this many seconds.
pub(crate) async fn start(seconds: u64) -> Started {
    let aws = AwsStandIn::start().await;
    aws.plant(&[]).await;
    let mut variables = aws.environment_of("stream");
    variables.insert("STREAM_SECONDS".to_owned(), seconds.to_string());
    let app =
        stream::App::new(&aws.sdk_config_of("stream"), &variables.into_iter().collect()).unwrap();
    let api = Api::new(&aws, api::router(stream::routes(), Arc::new(app)));
    Started { aws, api }
}

pub(crate) fn project() -> Access {
    Access::of_project(&samples::project().unwrap())
}

/// An event with its id's time.
pub(crate) fn event(kind: &str, id: EventId) -> LoggedEvent {
    let text = json!({"id": id, "kind": kind, "data": {"id": "task_1"},
        "created_at": id.time().seconds()})
    .to_string();
    let event = serde_json::from_str(&text).unwrap();
    LoggedEvent { event, targets: Vec::new(), missed: Vec::new(), accepted_at: clock::now() }
}

pub(crate) fn new_id() -> EventId {
    EventId::new(clock::now(), rand::random())
}

pub(crate) fn seconds_ago(seconds: u64) -> EventId {
    EventId::new(Timestamp::from_millis(clock::now().millis() - seconds * 1_000), rand::random())
}

impl Started {
    /// Writes events as `events` does, by a clock that it may trust or not.
    pub(crate) async fn record(&self, events: &[LoggedEvent], clock: impl Fn() -> Timestamp) {
        self.log().record(project(), events, clock).await.unwrap();
    }

    pub(crate) fn log(&self) -> EventWriter {
        let dynamodb = aws_sdk_dynamodb::Client::new(&self.aws.sdk_config());
        EventWriter::new(Table::new(dynamodb, self.aws.table_name("LogTable")), 30)
    }

    /// A new event that is in time.
    pub(crate) async fn post(&self, kind: &str) -> String {
        let event = event(kind, new_id());
        self.record(std::slice::from_ref(&event), clock::now).await;
        event.event.id.to_string()
    }

    pub(crate) async fn view(&self, query: &str) -> Viewer {
        Viewer::of(&self.api, query).await
    }

    /// One that comes back.
    pub(crate) async fn view_behind(&self, last: &str) -> Viewer {
        Viewer::of(&self.api.with_header("last-event-id", last), "").await
    }
}

pub(crate) struct Viewer {
    pub(crate) response: Response<Body>,
    pub(crate) parser: SseParser,
    ready: VecDeque<Shown>,
}

impl Viewer {
    pub(crate) async fn of(api: &Api, query: &str) -> Self {
        let response = api.open(&format!("/events/stream{query}")).await;
        assert_eq!(response.status(), 200);
        let mut viewer = Self { response, parser: SseParser::default(), ready: VecDeque::new() };
        // It begins with its position.
        assert!(viewer.read().await);
        viewer
    }

    /// The next event; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Shown> {
        let deadline = Instant::now() + PATIENCE;
        while self.ready.is_empty() {
            assert!(Instant::now() < deadline, "nothing came");
            if !self.read().await {
                return None;
            }
        }
        self.ready.pop_front()
    }

    /// The ids of the next events.
    pub(crate) async fn ids(&mut self, count: usize) -> Vec<String> {
        let mut ids = Vec::new();
        while ids.len() < count {
            ids.push(self.next().await.expect("one more event").id());
        }
        ids
    }

    /// The ids of all events until the stream ends.
    pub(crate) async fn rest(&mut self) -> Vec<String> {
        let mut ids = Vec::new();
        while let Some(shown) = self.next().await {
            ids.push(shown.id());
        }
        ids
    }

    /// Reads a frame. Whether there was one.
    async fn read(&mut self) -> bool {
        let frame = tokio::time::timeout(PATIENCE, self.response.body_mut().frame())
            .await
            .expect("something comes in time");
        let Some(frame) = frame else { return false };
        self.ready.extend(self.parser.push(&frame.unwrap().into_data().unwrap()));
        true
    }
}
