//! Who posts: clients that repeat with the same `Idempotency-Key` whatever is not acknowledged.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use http::Method;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value as Json, json};
use tokio::sync::watch;

use super::{
    Plan,
    population::{EVERYBODY, Kind},
};
use crate::{Answer, Client, Event};

/// Between two tries of a request.
const AGAIN_AFTER: Duration = Duration::from_millis(300);
/// What is never acknowledged within this is a finding.
const PATIENCE: Duration = Duration::from_mins(3);

/// What was acknowledged, and how.
#[derive(Default)]
pub(super) struct Posted {
    /// Events by their ids: their number and topic.
    events: Mutex<HashMap<String, (u64, String)>>,
    numbers: AtomicU64,
    repeats: AtomicU64,
    surprises: Mutex<Vec<String>>,
}

impl Posted {
    pub(super) fn len(&self) -> usize {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Events by their ids: their number and topic.
    pub(super) fn events(&self) -> HashMap<String, (u64, String)> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Requests that were made again.
    pub(super) fn repeats(&self) -> u64 {
        self.repeats.load(Ordering::SeqCst)
    }

    /// Answers that a client must never get.
    pub(super) fn surprises(&self) -> Vec<String> {
        self.surprises.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn acknowledge(&self, events: Vec<Event>, numbers: &[u64]) {
        let mut known = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        for (event, number) in events.into_iter().zip(numbers) {
            if let Some((other, _)) = known.insert(event.id.clone(), (*number, event.kind)) {
                self.surprise(format!("{} stands for two events, {other} and {number}", event.id));
            }
        }
    }

    fn surprise(&self, what: String) {
        self.surprises.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }
}

/// One client: posts until it is over, and then sees its last request through.
pub(super) async fn post(
    number: u32,
    plan: Plan,
    client: watch::Receiver<Client>,
    posted: Arc<Posted>,
    over: Arc<AtomicBool>,
) {
    let mut random = StdRng::seed_from_u64(plan.seed.wrapping_add(u64::from(number)));
    let pause = f64::from(plan.clients) / plan.rate;
    let mut due = Instant::now();
    while !over.load(Ordering::SeqCst) {
        let count = if random.random_bool(0.2) { random.random_range(2..=8_u32) } else { 1 };
        let numbers: Vec<u64> =
            (0..count).map(|_| posted.numbers.fetch_add(1, Ordering::SeqCst)).collect();
        let events = numbers.iter().map(|number| {
            let topic = if random.random_bool(0.12) {
                EVERYBODY.to_owned()
            } else {
                Kind::ALL[random.random_range(0..Kind::ALL.len())].topic()
            };
            json!({"kind": topic, "data": {"number": number}})
        });
        acknowledged(&client, &posted, &numbers, events.collect()).await;
        // After an outage they don't make up for lost time.
        due = (due + Duration::from_secs_f64(pause * f64::from(count)))
            .max(Instant::now().checked_sub(Duration::from_secs(1)).unwrap_or(due));
        tokio::time::sleep(due.saturating_duration_since(Instant::now())).await;
    }
}

/// Posts events, again and again until they are acknowledged.
async fn acknowledged(
    client: &watch::Receiver<Client>,
    posted: &Posted,
    numbers: &[u64],
    events: Vec<Json>,
) {
    let key = format!("soak-{}", numbers[0]);
    let single = events.len() == 1;
    let (path, body) = if single {
        ("/events", events[0].to_string())
    } else {
        ("/events/batch", json!({"events": events}).to_string())
    };
    let started = Instant::now();
    loop {
        let client = client.borrow().clone();
        let request = client
            .request(Method::POST, path)
            .header("content-type", "application/json")
            .header("idempotency-key", &key);
        let answer = Answer::of(request.timeout(Duration::from_secs(30)).body(body.clone())).await;
        let last = match answer {
            Ok(answer) if answer.status == 202 => {
                let events = if single {
                    vec![answer.read::<Event>(202)]
                } else {
                    answer.read::<Vec<Event>>(202)
                };
                return posted.acknowledge(events, numbers);
            }
            // In progress (by a request that died), throttled, or promising nothing.
            Ok(answer) if matches!(answer.status, 429 | 500 | 502 | 503 | 504) => answer.text,
            Ok(answer) => {
                return posted.surprise(format!("{} to {path}: {}", answer.status, answer.text));
            }
            Err(error) => error.to_string(),
        };
        if started.elapsed() > PATIENCE {
            return posted
                .surprise(format!("never acknowledged within {} s: {last}", PATIENCE.as_secs()));
        }
        posted.repeats.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}
