//! A recovery of very many events: more steps than Lambda lets a chain of messages have by itself.

use std::{
    collections::HashMap,
    fmt,
    time::{Duration, Instant},
};

use serde_json::{Value as Json, json};
use tokio::time::sleep;

use crate::{Client, Receiver, Stack};

/// Events of one request.
const BATCH: usize = 100;
/// Between two looks at what has arrived.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// So long at most without an arrival.
const PATIENCE: Duration = Duration::from_mins(2);

/// What happened.
#[derive(Debug)]
pub struct Figures {
    /// Events that were posted before their endpoint was created.
    pub events: usize,
    /// From the request for the recovery to its end.
    pub took: Duration,
    /// The recovery, as the API shows it at the end.
    pub recovery: Json,
    /// Events that never arrived, and that arrived more than once.
    pub lost_and_twice: (usize, usize),
}

impl Figures {
    /// The recovery is done, and everything arrived once.
    pub fn hold(&self) -> bool {
        self.recovery["status"] == "done" && self.lost_and_twice == (0, 0)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { events, took, recovery, lost_and_twice: (lost, twice) } = self;
        let took = took.as_secs();
        write!(
            formatter,
            "{events} events recovered in {took} s; {lost} lost, {twice} twice\n{recovery:#}"
        )
    }
}

/// Runs it.
pub async fn run(events: usize) -> Figures {
    let stack = Stack::start().await;
    let (project, receiver) = (stack.project().await, Receiver::start().await);
    let since = runtime::clock::now().seconds() - 1;
    post(&project, events).await;
    let endpoint = project.create_endpoint(&receiver.url("/"), &["*"]).await.id;
    let path = format!("/webhooks/endpoints/{endpoint}");
    let started = Instant::now();
    let begun = project.post(&format!("{path}/recover"), json!({"since": since})).await.expect(202);
    let progress = format!("{path}/recoveries/{}", begun["id"].as_str().unwrap_or_default());

    let mut arrived: HashMap<String, usize> = HashMap::new();
    let (mut news_at, mut recovery, mut took) = (Instant::now(), begun, Duration::ZERO);
    while (recovery["status"] == "running" || arrived.len() < events)
        && news_at.elapsed() < PATIENCE
    {
        sleep(LOOK_EVERY).await;
        let requests = receiver.take();
        if !requests.is_empty() {
            news_at = Instant::now();
        }
        for request in requests {
            *arrived.entry(request.webhook_id()).or_default() += 1;
        }
        if recovery["status"] == "running" {
            recovery = project.get(&progress).await.expect(200);
            took = started.elapsed();
        }
        println!(
            "{:.0} s: {} of {events} have arrived",
            started.elapsed().as_secs_f64(),
            arrived.len()
        );
    }
    let twice = arrived.values().filter(|count| **count > 1).count();
    Figures {
        events,
        took,
        recovery,
        lost_and_twice: (events.saturating_sub(arrived.len()), twice),
    }
}

async fn post(project: &Client, count: usize) {
    let mut posted = 0;
    while posted < count {
        let few = BATCH.min(count - posted);
        let events = vec![json!({"kind": "task.created", "data": {}}); few];
        project.post_batch(events).await;
        posted += few;
        if posted.is_multiple_of(BATCH * 20) {
            println!("{posted} of {count} posted");
        }
    }
}
