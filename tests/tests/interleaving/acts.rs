//! What may happen in a moment.

use std::time::Duration;

use emulator::aws::Fault;
use futures::future::join_all;
use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value as Json, json};

use crate::world::{Accepted, ENDPOINTS, Mood, World};

/// Something that happens.
#[derive(Clone, Debug)]
enum Act {
    /// A producer posts events, one request each.
    Post(usize),
    /// A producer repeats an accepted request.
    Repeat(usize),
    /// Lambda takes a batch off a queue; the process may die on the way.
    Turn(&'static str, Option<Duration>),
    /// A run of `jobs` does what is due.
    Steps,
    /// An owner changes an endpoint.
    Patch(usize, Json),
    /// An owner asks for what an endpoint has missed.
    Recover(usize),
    /// An owner asks for an event again.
    Resend(usize),
}

/// What came of it.
#[derive(Default)]
struct Outcome {
    accepted: Vec<Accepted>,
    resent: Option<String>,
}

const FAULTS: [Fault; 5] = [
    Fault::ExpiredCredentials,
    Fault::InternalError,
    Fault::ConnectionLost,
    Fault::AnswerLost,
    Fault::Partly,
];

const QUEUES: [&str; 2] = ["DeliveriesQueue", "RetriesQueue"];

impl World {
    /// Something happens to the world, then up to so many things at the same time, and time passes.
    pub(crate) async fn moment(&mut self, random: &mut StdRng, at_once: usize) {
        self.fortune(random).await;
        let acts: Vec<_> = (0..at_once).map(|_| self.choose(random)).collect();
        let first = self.posted;
        self.posted += acts.len() * 10;
        let numbered = acts.into_iter().enumerate();
        let acts = numbered.map(|(place, act)| self.act(act, first + place * 10));
        let outcomes: Vec<_> = join_all(acts.map(Box::pin)).await;
        for outcome in outcomes {
            self.accepted.extend(outcome.accepted);
            if let Some(id) = outcome.resent {
                *self.resent.entry(id).or_default() += 1;
            }
        }
        let seconds = *[0, 1, 5, 30, 90, 400, 3_700].choose(random).unwrap();
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Faults, receivers' moods, the operator.
    async fn fortune(&mut self, random: &mut StdRng) {
        match random.random_range(0..12) {
            0 | 1 => {
                let functions = ["events", "deliver", "jobs", "logs", "endpoints"];
                let function = *functions.choose(random).unwrap();
                let fault = *FAULTS.choose(random).unwrap();
                let (after, times) = (random.random_range(0..12), random.random_range(1..5));
                self.aws.faults().of(function).after(after).times(times).fail(fault);
                if function == "deliver" {
                    // Each of its calls may be the one that records a batch.
                    self.unrecorded += times;
                }
            }
            2 => self.aws.faults().heal(),
            3 | 4 => {
                let mood = *[Mood::Well, Mood::Down, Mood::Picky].choose(random).unwrap();
                let place = random.random_range(0..ENDPOINTS);
                self.seen[place].lock().unwrap().mood = mood;
            }
            5 => self.suspend(random.random_bool(0.3)).await,
            6 => self.restart(),
            _ => {}
        }
    }

    fn choose(&mut self, random: &mut StdRng) -> Act {
        let endpoint = random.random_range(0..ENDPOINTS);
        match random.random_range(0..20) {
            0..5 => Act::Post(random.random_range(1..6)),
            5 | 6 if !self.accepted.is_empty() => {
                Act::Repeat(random.random_range(0..self.accepted.len()))
            }
            7..13 => {
                let dies = random.random_bool(0.1);
                let dies_after = dies.then(|| Duration::from_millis(random.random_range(1..60)));
                self.unrecorded += usize::from(dies);
                Act::Turn(QUEUES.choose(random).unwrap(), dies_after)
            }
            13 => {
                let status = if random.random_bool(0.5) { "paused" } else { "active" };
                Act::Patch(endpoint, json!({"status": status}))
            }
            14 => {
                let topic = if random.random_bool(0.4) { "run.*" } else { "*" };
                Act::Patch(endpoint, json!({"topics": [topic]}))
            }
            15 => Act::Recover(endpoint),
            16 if !self.accepted.is_empty() => {
                Act::Resend(random.random_range(0..self.accepted.len()))
            }
            _ => Act::Steps,
        }
    }

    async fn act(&self, act: Act, number: usize) -> Outcome {
        let mut outcome = Outcome::default();
        match act {
            Act::Post(count) => {
                for number in number..number + count {
                    let body = json!({"kind": "task.created", "data": {"number": number}});
                    let key = format!("key-{number}");
                    outcome.accepted.extend(self.post(&key, &body).await);
                }
            }
            Act::Repeat(place) => {
                let Accepted { key, body, id } = &self.accepted[place];
                if let Some(again) = self.post(key, body).await {
                    assert_eq!(&again.id, id, "a repeat gets the first answer");
                }
            }
            Act::Turn(queue, dies_after) => {
                self.turn(queue, dies_after).await;
            }
            Act::Steps => self.steps().await,
            Act::Patch(place, change) => {
                self.patch(self.endpoints[place], change).await;
            }
            Act::Recover(place) => {
                let path = format!("/webhooks/endpoints/{}/recover", self.endpoints[place]);
                let since = json!({"since": self.begun.seconds() - 60});
                self.functions.logs.ask("POST", &path, since).await;
            }
            Act::Resend(place) => {
                let id = self.accepted[place].id.clone();
                let path = format!("/webhooks/messages/{id}/resend");
                self.functions.logs.ask("POST", &path, Json::Null).await;
                outcome.resent = Some(id);
            }
        }
        outcome
    }

    /// Posts an event. The request, if it was accepted.
    async fn post(&self, key: &str, body: &Json) -> Option<Accepted> {
        let events = self.functions.events.with_header("idempotency-key", key);
        let answer = events.ask("POST", "/events", body.clone()).await;
        assert_ne!(answer.status, 500, "{}", answer.body);
        (answer.status == 202).then(|| Accepted {
            key: key.to_owned(),
            body: body.clone(),
            id: answer.text("id").to_owned(),
        })
    }
}
