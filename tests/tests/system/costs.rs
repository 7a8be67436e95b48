//! What a delivery costs, as the stand-ins have counted it: DynamoDB's units, and requests to SQS.
//!
//! Each story has a stack of its own, and counts from its second event on: a process looks up once
//! what it knows afterwards. `docs/costs.md` has the figures; this prints them.

use std::{fmt, ops::Sub};

use serde_json::{Value as Json, json};
use system_tests::{Client, Receiver, Reply, Stack, eventually};

/// The functions on the way of an event.
const FUNCTIONS: [&str; 3] = ["events", "deliver", "jobs"];

/// Units and requests.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bill {
    writes: f64,
    reads: f64,
    /// To SQS, but for receives that find nothing.
    requests: f64,
}

impl Bill {
    /// Everything until now, but for what `jobs` reads when there is nothing to do.
    async fn of(stack: &Stack) -> Self {
        let mut bill = Self { writes: 0.0, reads: 0.0, requests: 0.0 };
        for call in stack.calls().await.calls {
            let looks = call.caller == "jobs" && call.operation == "Query";
            if FUNCTIONS.contains(&call.caller.as_str()) && !looks {
                bill.writes += call.units.writes;
                bill.reads += call.units.reads;
            }
            let count = f64::from(u32::try_from(call.count).unwrap());
            bill.requests += match call.operation.as_str() {
                // With the receive before it.
                "DeleteMessageBatch" | "ChangeMessageVisibilityBatch" => 2.0 * count,
                "SendMessageBatch" => count,
                _ => 0.0,
            };
        }
        bill
    }

    /// No more than these, and no less than half of them: batches may be fuller; a process that
    /// starts looks up what it does not know yet, and each reads twice a minute which projects are
    /// suspended.
    #[track_caller]
    fn is(self, writes: f64, reads: f64, requests: f64) {
        let about = |counted: f64, most: f64| (most / 2.0..=most + 0.2).contains(&counted);
        assert!(
            about(self.writes, writes)
                && (reads / 2.0..=reads + 1.0).contains(&self.reads)
                && about(self.requests, requests),
            "{self}; expected {writes}, {reads}, {requests}"
        );
    }

    fn per(self, events: u32) -> Self {
        let events = f64::from(events);
        Self {
            writes: self.writes / events,
            reads: self.reads / events,
            requests: self.requests / events,
        }
    }
}

impl Sub for Bill {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            writes: self.writes - before.writes,
            reads: self.reads - before.reads,
            requests: self.requests - before.requests,
        }
    }
}

impl fmt::Display for Bill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { writes, reads, requests } = self;
        write!(f, "{writes:.2} writes, {reads:.2} reads, {requests:.2} requests to SQS")
    }
}

/// A project with endpoints at one receiver.
struct Site {
    stack: Stack,
    project: Client,
    receiver: Receiver,
}

impl Site {
    async fn start(endpoints: usize, settings: Json) -> Self {
        let stack = Stack::start().await;
        let (project, receiver) = (stack.project().await, Receiver::start().await);
        for number in 0..endpoints {
            let mut endpoint = settings.clone();
            endpoint["url"] = receiver.url(&format!("/{number}")).into();
            endpoint["topics"] = json!(["*"]);
            project.create_endpoint_with(endpoint).await;
        }
        let site = Self { stack, project, receiver };
        site.deliver(1, endpoints).await;
        site
    }

    /// Posts events, each when the one before has arrived everywhere.
    async fn deliver(&self, events: usize, requests: usize) {
        for number in 0..events {
            self.receiver.take();
            self.project.post_event("task.created", json!({"number": number})).await;
            self.receiver.wait_for(requests).await;
            self.stack.queues().wait_until_idle().await;
        }
    }

    /// What comes of this, per event, as the functions come to rest.
    async fn costs(&self, name: &str, events: u32, what: impl Future<Output = ()>) -> Bill {
        let before = Bill::of(&self.stack).await;
        what.await;
        self.stack.queues().wait_until_idle().await;
        let bill = (Bill::of(&self.stack).await - before).per(events);
        eprintln!("{name}: {bill}");
        bill
    }
}

#[tokio::test]
async fn an_event_that_arrives_at_once() {
    let site = Site::start(1, json!({})).await;
    let single = site.costs("a single event", 10, site.deliver(10, 1)).await;
    single.is(2.0, 3.0, 3.0);
    let batch: Vec<_> =
        (0..100).map(|number| json!({"kind": "task.created", "data": number})).collect();
    let post = async {
        site.receiver.take();
        site.project.post_batch(batch).await;
        site.receiver.wait_for(100).await;
    };
    let of_batch = site.costs("each of a post of 100", 100, post).await;
    of_batch.is(1.2, 0.3, 0.5);
}

#[tokio::test]
async fn an_event_to_ten_endpoints() {
    let site = Site::start(10, json!({})).await;
    site.costs("an event to ten endpoints", 10, site.deliver(10, 10)).await.is(11.0, 21.0, 3.0);
}

#[tokio::test]
async fn an_event_with_a_key() {
    let site = Site::start(1, json!({})).await;
    let post = async {
        for number in 0..10 {
            let (key, data) = (format!("k{number}"), json!({"number": number}));
            site.receiver.take();
            site.project.post_event_once(&key, "task.created", data).await.expect(202);
            site.receiver.wait_for(1).await;
        }
    };
    site.costs("a single event with an Idempotency-Key", 10, post).await.is(3.0, 3.0, 3.0);
}

#[tokio::test]
async fn an_event_that_is_retried() {
    let site = Site::start(1, json!({"retry_schedule": [1, 1]})).await;
    let retried = async {
        for _ in 0..5 {
            site.receiver.failing(1);
            site.deliver(1, 2).await;
        }
    };
    site.costs("an event whose second attempt arrives", 5, retried).await.is(9.0, 8.0, 6.0);
    let twice = async {
        site.receiver.failing(2);
        site.deliver(1, 3).await;
    };
    site.costs("an event whose third attempt arrives", 1, twice).await.is(14.0, 13.0, 8.0);
}

#[tokio::test]
async fn an_event_that_is_given_up() {
    let site = Site::start(1, json!({"retry_schedule": [1, 1, 1, 1, 1, 1, 1]})).await;
    site.receiver.always(Reply::status(500));
    let given_up = site.deliver(1, 8);
    let bill = site.costs("an event that is given up after eight attempts", 1, given_up).await;
    bill.is(40.0, 40.0, 18.0);
}

#[tokio::test]
async fn an_event_that_is_parked_and_released() {
    const EVENTS: u32 = 50;
    // Longer than a message carries.
    let site = Site::start(1, json!({"retry_schedule": [3_600]})).await;
    site.receiver.always(Reply::status(500));
    site.deliver(10, 1).await;
    let (mut ids, project) = (Vec::new(), &site.project);
    let parked = async {
        for number in 0..EVENTS {
            ids.push(project.post_event("task.created", json!({"number": number})).await.id);
        }
        site.receiver.always(Reply::status(200));
        for id in &ids {
            project.wait_for_message(id, "succeeded").await;
        }
        let left = async || {
            let rows = project.get("/webhooks/messages?status=parked").await.ids();
            rows.is_empty().then_some(())
        };
        eventually("nothing is parked", left).await;
    };
    let bill = site.costs("an event that is parked, released and delivered", EVENTS, parked).await;
    bill.is(8.0, 8.5, 4.0);
}
