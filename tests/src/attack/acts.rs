//! What the hostile project does, by the findings of a review.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use clap::ValueEnum;
use futures::stream::{self, StreamExt};
use serde_json::{Value as Json, json};
use tokio::time::{sleep, sleep_until};

use crate::{Client, Receiver, Reply, Stack, Viewer};

/// What the hostile project does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Attack {
    /// One event to 500 endpoints that fail it, and subscribe to system events.
    News,
    /// 121,000 events, each to another URL where nobody listens.
    Urls,
    /// A hundred events a second, each to another URL that takes it after four seconds.
    Slow,
    /// 3,000 events that an endpoint has missed, and 400 calls of `recover`.
    Recover,
    /// 2,000 resends of an event with much data to 100 endpoints.
    Resend,
    /// 400 lists of messages with hundreds of endpoints each.
    Reads,
    /// 80 live viewers.
    Streams,
}

/// Whether the run is the attack, or its control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// The attack.
    Hostile,
    /// As many harmless requests.
    Harmless,
}

/// A stack with a hostile project that is ready.
pub(super) struct Stage {
    attack: Attack,
    act: Act,
    project: Client,
    receiver: Receiver,
    /// What it needs to have: an event, or an endpoint.
    id: String,
    refused: AtomicUsize,
}

impl Attack {
    /// In a line.
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::News => "one event to 500 endpoints that fail it and listen to system events",
            Self::Urls => "121,000 events, each to another URL where nobody listens",
            Self::Slow => {
                "a hundred events a second to URLs that take them after four seconds, for a minute"
            }
            Self::Recover => "400 calls of `recover` over 3,000 missed events",
            Self::Resend => "2,000 resends of 60 KB to 100 endpoints",
            Self::Reads => "400 lists of messages with 200 endpoints each",
            Self::Streams => "80 live viewers",
        }
    }
}

impl Stage {
    /// Sets the stage, at no cost to the run.
    pub(super) async fn prepare(attack: Attack, act: Act, stack: &Stack) -> Self {
        let (project, receiver) = (stack.project().await, Receiver::start().await);
        let mut stage = Self {
            attack,
            act,
            project,
            receiver,
            id: String::new(),
            refused: AtomicUsize::new(0),
        };
        match attack {
            Attack::News => {
                stage.receiver.always_at("/fails", Reply::status(500));
                // The control has as many endpoints, which take everything.
                let path = if act == Act::Hostile { "/fails" } else { "/" };
                stage.endpoints(500, path, &["task.created"], 10).await;
            }
            Attack::Slow if act == Act::Hostile => {
                // Within the timeout, so that no circuit opens.
                stage.receiver.always(Reply::status(200).after(Duration::from_secs(4)));
            }
            Attack::Recover => {
                let events = vec![json!({"kind": "task.created", "data": {}}); 100];
                for _ in 0..30 {
                    stage.project.post_batch(events.clone()).await;
                }
                let url = stage.receiver.url("/");
                stage.id = stage.project.create_endpoint(&url, &["task.created"]).await.id;
            }
            Attack::Resend => {
                stage.endpoints(100, "/", &["task.created"], 0).await;
                let data = json!("x".repeat(60_000));
                stage.id = stage.project.post_event("task.created", data).await.id;
                stage.receiver.wait_for(100).await;
            }
            Attack::Reads => {
                stage.endpoints(200, "/", &["task.created"], 0).await;
                for _ in 0..20 {
                    stage.project.post_event("task.created", json!({})).await;
                }
                stage.receiver.wait_for(4_000).await;
            }
            Attack::Urls | Attack::Slow | Attack::Streams => {}
        }
        stage.receiver.take();
        stage
    }

    async fn endpoints(&self, count: usize, path: &str, topics: &[&str], listeners: usize) {
        let url = self.receiver.url(path);
        let made = stream::iter(0..count).map(|place| {
            let mut topics = topics.to_vec();
            if place < listeners {
                topics.push("webhook.delivery.failed");
            }
            let body = json!({"url": url, "topics": topics, "retry_schedule": []});
            async { self.project.create_endpoint_with(body).await }
        });
        made.buffer_unordered(8).map(drop).collect::<()>().await;
    }

    /// Does it. How many calls it made, and how many were refused.
    pub(super) async fn act(&self) -> (usize, usize) {
        let calls = match (self.attack, self.act) {
            (Attack::News, _) => {
                self.call(self.project.post("/events", event(None))).await;
                1
            }
            (Attack::Urls, act) => self.batches(1_210, 0.062, act == Act::Hostile).await,
            (Attack::Slow, act) => self.batches(60, 1.0, act == Act::Hostile).await,
            (Attack::Recover, Act::Hostile) => {
                let path = format!("/webhooks/endpoints/{}/recover", self.id);
                self.many(400, 40, async || self.project.post(&path, json!({"since": 0})).await)
                    .await
            }
            (Attack::Resend, Act::Hostile) => {
                let path = format!("/webhooks/messages/{}/resend", self.id);
                self.many(2_000, 16, async || self.project.post(&path, json!({})).await).await
            }
            (Attack::Reads, Act::Hostile) => {
                let path = "/webhooks/messages?limit=100&status=parked";
                self.many(400, 40, async || self.project.get(path).await).await
            }
            (Attack::Streams, Act::Hostile) => self.watch(80).await,
            (Attack::Recover | Attack::Reads, Act::Harmless) => self.harmless(400, 40).await,
            (Attack::Resend, Act::Harmless) => self.harmless(2_000, 16).await,
            (Attack::Streams, Act::Harmless) => self.harmless(80, 8).await,
        };
        (calls, self.refused.load(Ordering::SeqCst))
    }

    /// Requests to receivers that it has caused.
    pub(super) fn caused(&self) -> usize {
        self.receiver.received().len()
    }

    /// As many calls, none of which causes anything.
    async fn harmless(&self, count: usize, at_once: usize) -> usize {
        self.many(count, at_once, async || self.project.get("/webhooks/topics/task.created").await)
            .await
    }

    /// Posts batches of a hundred events, so many seconds apart; each event to a URL of its own, or
    /// to nobody.
    async fn batches(&self, count: u32, apart: f64, to_urls: bool) -> usize {
        let started = Instant::now();
        let post = |number: u32| async move {
            sleep_until((started + Duration::from_secs_f64(apart * f64::from(number))).into())
                .await;
            let url = |place: u32| {
                let path = format!("/{number}/{place}");
                match self.attack {
                    Attack::Urls => format!("http://127.0.0.1:1{path}"),
                    _ => self.receiver.url(&path),
                }
            };
            let events: Vec<_> = (0..100).map(|place| event(to_urls.then(|| url(place)))).collect();
            self.call(self.project.post("/events/batch", json!({"events": events}))).await;
        };
        stream::iter(0..count).map(post).buffer_unordered(8).map(drop).collect::<()>().await;
        count.try_into().unwrap_or(usize::MAX)
    }

    async fn many(
        &self,
        count: usize,
        at_once: usize,
        call: impl AsyncFn() -> crate::Answer,
    ) -> usize {
        let calls = stream::iter(0..count).map(|_| self.call(call()));
        calls.buffer_unordered(at_once).map(drop).collect::<()>().await;
        count
    }

    async fn call(&self, call: impl Future<Output = crate::Answer>) {
        if call.await.status == 429 {
            self.refused.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Opens viewers, and looks on for a while.
    async fn watch(&self, count: usize) -> usize {
        let mut viewers = Vec::new();
        for _ in 0..count {
            match Viewer::try_open(&self.project, "", None).await {
                Ok(viewer) => viewers.push(viewer),
                Err(_) => {
                    self.refused.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
        sleep(Duration::from_mins(1)).await;
        count
    }
}

fn event(url: Option<String>) -> Json {
    let mut event = json!({"kind": "task.created", "data": {}});
    if let Some(url) = url {
        event["webhook_url"] = url.into();
    }
    event
}
