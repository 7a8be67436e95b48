//! What the receivers saw: every request verified and counted, then forgotten.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::population::{Kind, Population};
use crate::Request;

/// How often requests are read. Signatures hold for five minutes.
pub(super) const READ_EVERY: Duration = Duration::from_millis(500);

/// Of one event at one receiver.
#[derive(Debug, Default, Clone)]
pub(super) struct Arrival {
    /// All values of `webhook-id`.
    pub(super) ids: HashSet<String>,
    /// The requests.
    pub(super) requests: usize,
    /// Those of them that were answered 200.
    pub(super) taken: usize,
}

/// By event number and receiver; and what was wrong.
#[derive(Default)]
pub(super) struct Arrivals {
    seen: Mutex<HashMap<(Kind, u64), Arrival>>,
    wrong: Mutex<Vec<String>>,
}

impl Arrivals {
    pub(super) fn seen(&self) -> HashMap<(Kind, u64), Arrival> {
        lock(&self.seen).clone()
    }

    pub(super) fn wrong(&self) -> Vec<String> {
        lock(&self.wrong).clone()
    }

    fn note(&self, kind: Kind, secret: &str, request: &Request) {
        let standard =
            standardwebhooks::Webhook::new(secret).expect("the library takes the secret");
        if let Err(error) = standard.verify(&request.body, &request.headers) {
            lock(&self.wrong)
                .push(format!("a request to the {} one can't be verified: {error}", kind.name()));
        }
        let (body, id) = (request.json(), request.webhook_id());
        let Some(number) = body["data"]["number"].as_u64().filter(|_| body["id"] == id) else {
            return lock(&self.wrong).push(format!("not what was posted, under {id}: {body}"));
        };
        let mut seen = lock(&self.seen);
        let arrival = seen.entry((kind, number)).or_default();
        arrival.requests += 1;
        arrival.taken += usize::from(request.answer == Some(200));
        arrival.ids.insert(id);
    }
}

/// Reads what comes, for ever.
pub(super) async fn read(population: Arc<Population>, arrivals: Arc<Arrivals>) {
    loop {
        for member in population.members() {
            for request in member.receiver.take() {
                arrivals.note(member.kind, member.endpoint.secret(), &request);
            }
        }
        tokio::time::sleep(READ_EVERY).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
