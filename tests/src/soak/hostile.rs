//! A hostile project beside the one whose books are kept: it does whatever its keys allow, all the
//! time, and nobody looks at what it gets for that.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use http::Method;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value as Json, json};
use tokio::sync::watch;

use crate::{Answer, Client, Receiver, Reply, Stack};

/// Between two of its requests.
const EVERY: Duration = Duration::from_millis(300);
/// How long it waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Its endpoints.
const ENDPOINTS: usize = 30;
/// Of these so many listen to system events.
const LISTENERS: usize = 10;

/// The hostile project.
pub(super) struct Hostile {
    project: Client,
    receiver: Receiver,
    endpoint: String,
    event: String,
    /// Requests, and those that were refused.
    calls: [AtomicU64; 2],
}

impl Hostile {
    /// With endpoints that fail, hang and ask for a day's patience.
    pub(super) async fn settle(stack: &Stack, seed: u64) -> Self {
        let (project, receiver) = (stack.project().await, Receiver::start().await);
        let mut random = StdRng::seed_from_u64(seed ^ 0xbad);
        receiver.by(move || match random.random_range(0..4) {
            0 => Reply::status(500),
            1 => Reply::status(503).header("retry-after", "86400"),
            2 => Reply::slow(Duration::from_secs(20)),
            _ => Reply::status(200).after(Duration::from_secs(2)),
        });
        let mut endpoint = String::new();
        for place in 0..ENDPOINTS {
            let mut topics = vec!["task.created"];
            if place < LISTENERS {
                topics.push("webhook.*");
            }
            let body = json!({"url": receiver.url(&format!("/{place}")), "topics": topics,
                "retry_schedule": [1, 1, 1]});
            endpoint = project.create_endpoint_with(body).await.id;
        }
        let event = project.post_event("task.created", json!({})).await.id;
        Self { project, receiver, endpoint, event, calls: Default::default() }
    }

    /// Misbehaves until it is over. `client` is where the stack is.
    pub(super) async fn misbehave(
        self: Arc<Self>,
        client: watch::Receiver<Client>,
        over: Arc<AtomicBool>,
        seed: u64,
    ) {
        let mut random = StdRng::seed_from_u64(seed);
        while !over.load(Ordering::SeqCst) {
            let (method, path, body) = self.act(&mut random);
            let there = client.borrow().with_key(self.project.key());
            let request = there.request(method, &path).timeout(PATIENCE);
            let request = request.header("content-type", "application/json");
            let answer = Answer::of(request.body(body.to_string())).await;
            let is_refused = answer.is_ok_and(|answer| answer.status == 429);
            self.calls[0].fetch_add(1, Ordering::SeqCst);
            self.calls[1].fetch_add(is_refused.into(), Ordering::SeqCst);
            tokio::time::sleep(EVERY).await;
        }
    }

    fn act(&self, random: &mut StdRng) -> (Method, String, Json) {
        let place: u64 = random.random();
        let url = |number: u32| match place % 2 {
            0 => format!("http://127.0.0.1:1/{place}/{number}"),
            _ => self.receiver.url(&format!("/{place}/{number}")),
        };
        let to = |number| json!({"kind": "task.created", "data": {}, "webhook_url": url(number)});
        match random.random_range(0..7) {
            0 | 1 => {
                let events: Vec<_> = (0..20).map(to).collect();
                (Method::POST, "/events/batch".to_owned(), json!({"events": events}))
            }
            2 => {
                let event = json!({"kind": "task.created", "data": "x".repeat(50_000)});
                (Method::POST, "/events".to_owned(), event)
            }
            3 => {
                let path = format!("/webhooks/endpoints/{}/recover", self.endpoint);
                (Method::POST, path, json!({"since": 0}))
            }
            4 => (Method::POST, format!("/webhooks/messages/{}/resend", self.event), json!({})),
            5 => {
                let path = "/webhooks/messages?limit=100&status=parked".to_owned();
                (Method::GET, path, Json::Null)
            }
            _ => (Method::POST, format!("/webhooks/endpoints/{}/test", self.endpoint), json!({})),
        }
    }

    /// What it did, in a line.
    fn told(&self) -> String {
        let [calls, refused] = self.calls.each_ref().map(|count| count.load(Ordering::SeqCst));
        let requests = self.receiver.received().len();
        format!("the hostile project: {calls} calls, {refused} refused, {requests} requests caused")
    }

    /// The operator stops it: what it has left behind waits.
    pub(super) async fn stop(&self, stack: &Stack) {
        println!("{}", self.told());
        let path = format!("/projects/{}", self.project.project());
        stack.operator().patch(&path, json!({"status": "suspended"})).await.expect(200);
    }
}
