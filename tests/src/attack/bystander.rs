//! The other project: it posts an event four times a second, to an endpoint that takes it and to
//! one that takes every second request, and calls the API.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::time::{sleep, sleep_until};

use super::Notices;
use crate::{Client, Receiver, Reply, Stack};

/// Between two events.
const EVERY: Duration = Duration::from_millis(250);
/// How long it measures at least, from the beginning of what the hostile one does.
const AT_LEAST: Duration = Duration::from_mins(1);
/// How long what was posted may take to arrive.
const PATIENCE: Duration = Duration::from_mins(5);

/// The other project.
pub(super) struct Bystander {
    project: Client,
    well: Receiver,
    failing_once: Receiver,
}

impl Bystander {
    pub(super) async fn start(stack: &Stack) -> Self {
        let project = stack.project().await;
        let (well, failing_once) = (Receiver::start().await, Receiver::start().await);
        let mut is_second = false;
        failing_once.by(move || {
            is_second = !is_second;
            Reply::status(if is_second { 500 } else { 200 })
        });
        project.create_endpoint(&well.url("/"), &["task.created"]).await;
        let fails = json!({"url": failing_once.url("/"), "topics": ["task.failed"],
            "retry_schedule": [1, 1, 1, 1, 1]});
        project.create_endpoint_with(fails).await;
        Self { project, well, failing_once }
    }

    /// Measures for as long as this takes, and a minute at least.
    pub(super) async fn beside<T>(&self, other: impl Future<Output = T>) -> (T, Notices) {
        let over = AtomicBool::new(false);
        let other = async {
            let started = Instant::now();
            let outcome = other.await;
            sleep(AT_LEAST.saturating_sub(started.elapsed())).await;
            over.store(true, Ordering::SeqCst);
            outcome
        };
        let (outcome, (posted, calls)) = tokio::join!(other, self.post(&over));
        let first = self.waits(&self.well, &posted).await;
        let retry = self.retries().await;
        (outcome, Notices { first: p99(first), retry: p99(retry), call: p99(calls) })
    }

    /// When each event was posted, by its id; and how long the calls took.
    async fn post(&self, over: &AtomicBool) -> (HashMap<String, Instant>, Vec<Duration>) {
        let (mut posted, mut calls, mut due) = (HashMap::new(), Vec::new(), Instant::now());
        for number in 0_u32.. {
            if over.load(Ordering::SeqCst) {
                break;
            }
            let before = Instant::now();
            let failing = number % 4 == 3;
            let kind = if failing { "task.failed" } else { "task.created" };
            let event = self.project.post_event(kind, json!({"n": number})).await;
            calls.push(before.elapsed());
            if !failing {
                posted.insert(event.id, before);
            }
            let before = Instant::now();
            self.project.get("/events?limit=1").await.expect(200);
            calls.push(before.elapsed());
            due = (due + EVERY).max(Instant::now());
            sleep_until(due.into()).await;
        }
        (posted, calls)
    }

    async fn waits(&self, well: &Receiver, posted: &HashMap<String, Instant>) -> Vec<Duration> {
        let started = Instant::now();
        loop {
            let mut arrived: HashMap<String, Instant> = HashMap::new();
            for request in well.received() {
                arrived.entry(request.webhook_id()).or_insert(request.arrived);
            }
            let late = started.elapsed() > PATIENCE;
            if late || posted.keys().all(|id| arrived.contains_key(id)) {
                let wait = |(id, at): (&String, &Instant)| {
                    arrived.get(id).map_or(PATIENCE, |then| then.saturating_duration_since(*at))
                };
                return posted.iter().map(wait).collect();
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// From the first attempt of each event to its second.
    async fn retries(&self) -> Vec<Duration> {
        let started = Instant::now();
        loop {
            let mut times: HashMap<String, (Vec<Instant>, bool)> = HashMap::new();
            for (place, request) in self.failing_once.received().iter().enumerate() {
                let (times, is_taken) = times.entry(request.webhook_id()).or_default();
                times.push(request.arrived);
                // Every second request is taken, whichever event it brings.
                *is_taken |= place % 2 == 1;
            }
            let late = started.elapsed() > PATIENCE;
            if late || times.values().all(|(_, is_taken)| *is_taken) {
                let wait = |(times, is_taken): &(Vec<Instant>, bool)| match times[..] {
                    [first, second, ..] => Some(second.saturating_duration_since(first)),
                    _ if *is_taken => None,
                    _ => Some(PATIENCE),
                };
                return times.values().filter_map(wait).collect();
            }
            sleep(Duration::from_millis(200)).await;
        }
    }
}

fn p99(mut waits: Vec<Duration>) -> Duration {
    waits.sort();
    let place = (waits.len() * 99).div_ceil(100).max(1) - 1;
    waits.get(place).copied().unwrap_or_default()
}
