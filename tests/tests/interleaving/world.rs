//! The functions, two endpoints with their receivers, and a clock.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_sdk_sqs::types::Message as SqsMessage;
use domain::{id::EndpointId, time::Timestamp};
use emulator::{
    samples,
    sqs::Clock,
    testing::{Api, AwsStandIn, TestReceiver},
};
use futures::TryStreamExt;
use runtime::clock;
use serde_json::{Value as Json, json};
use store::{Table, due::DueList};

/// Between the attempts of a delivery, in seconds.
const SCHEDULE: [u32; 4] = [5, 60, 600, 3_600];
/// Endpoints, each with a receiver.
pub(crate) const ENDPOINTS: usize = 2;
/// How far the clock goes until all is at rest: several times a schedule and a wait for a probe.
const REST: Duration = Duration::from_hours(8);

/// How a receiver is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Well,
    /// 503 to everything.
    Down,
    /// 400 to every third event, for good; well otherwise.
    Picky,
}

/// What a receiver has seen.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) mood: Mood,
    /// How often it has taken each event.
    pub(crate) taken: HashMap<String, usize>,
}

impl Seen {
    fn answer(&mut self, id: &str) -> u16 {
        let is_refused = id.bytes().map(u64::from).sum::<u64>() % 3 == 0;
        match self.mood {
            Mood::Down => 503,
            Mood::Picky if is_refused => 400,
            _ => {
                *self.taken.entry(id.to_owned()).or_default() += 1;
                200
            }
        }
    }
}

/// An accepted request to post an event.
#[derive(Clone)]
pub(crate) struct Accepted {
    pub(crate) key: String,
    pub(crate) body: Json,
    pub(crate) id: String,
}

/// The functions, as one deployment runs them.
pub(crate) struct Functions {
    pub(crate) events: Api,
    pub(crate) endpoints: Api,
    pub(crate) logs: Api,
    pub(crate) deliver: Arc<deliver::App>,
    pub(crate) jobs: jobs::App,
}

pub(crate) struct World {
    pub(crate) aws: AwsStandIn,
    pub(crate) clock: Clock,
    pub(crate) functions: Functions,
    pub(crate) endpoints: [EndpointId; ENDPOINTS],
    pub(crate) seen: [Arc<Mutex<Seen>>; ENDPOINTS],
    _receivers: Vec<TestReceiver>,
    pub(crate) begun: Timestamp,
    pub(crate) accepted: Vec<Accepted>,
    /// Resends that were asked for, by event.
    pub(crate) resent: HashMap<String, usize>,
    /// Requests that may have been sent and not recorded: faults and crashes of `deliver`.
    pub(crate) unrecorded: usize,
    pub(crate) posted: usize,
}

/// What the clock says.
pub(crate) fn now(clock: &Clock) -> Timestamp {
    Timestamp::from_millis(clock.now_ms().try_into().unwrap())
}

impl World {
    pub(crate) async fn start() -> Self {
        let begun = clock::now();
        let clock = Clock::manual(begun.millis().try_into().unwrap());
        let aws = AwsStandIn::start_by(clock.clone()).await;
        let endpoints = [1, 2].map(|number| EndpointId::new(Timestamp::from_seconds(1), number));
        let seen: [Arc<Mutex<Seen>>; ENDPOINTS] = Default::default();
        let mut receivers = Vec::new();
        for (id, seen) in endpoints.into_iter().zip(&seen) {
            let receiver = TestReceiver::answering(&[200]).await;
            let seen = Arc::clone(seen);
            receiver.answer_by(move |webhook| {
                seen.lock().unwrap().answer(webhook.header("webhook-id"))
            });
            let mut endpoint =
                samples::endpoint_of(id, receiver.url(), samples::SECRETS_KEY).unwrap();
            endpoint.retry_schedule = Some(SCHEDULE.to_vec().try_into().unwrap());
            aws.plant(&[endpoint]).await;
            receivers.push(receiver);
        }
        let functions = Functions::start(&aws, &clock);
        Self {
            aws,
            clock,
            functions,
            endpoints,
            seen,
            _receivers: receivers,
            begun,
            accepted: Vec::new(),
            resent: HashMap::new(),
            unrecorded: 0,
            posted: 0,
        }
    }

    /// Other processes take over: they know nothing.
    pub(crate) fn restart(&mut self) {
        self.functions = Functions::start(&self.aws, &self.clock);
    }

    /// The operator suspends the project, or lets it go on.
    pub(crate) async fn suspend(&mut self, is_suspended: bool) {
        let mut row = json!({"pk": {"S": "STATUS"}, "sk": {"S": "STATUS"}});
        if is_suspended {
            row["suspended"] = json!({"SS": [samples::PROJECT]});
        }
        self.aws.put_row("ConfigTable", &row).await;
        self.restart();
    }

    pub(crate) fn table(&self, name: &str) -> Table {
        let dynamodb = aws_sdk_dynamodb::Client::new(&self.aws.sdk_config());
        Table::new(dynamodb, self.aws.table_name(name))
    }

    /// One batch, as Lambda's event source mapping takes it. How many messages that were. A crash
    /// comes after `dies_after`, if it is given; then all messages stay.
    pub(crate) async fn turn(&self, queue: &str, dies_after: Option<Duration>) -> usize {
        let taken = self.aws.visible(queue).await;
        if taken.is_empty() {
            return 0;
        }
        let event = serde_json::from_value(self.aws.batch(queue, &taken)).unwrap();
        let deadline = now(&self.clock) + Duration::from_mins(1);
        let handled = deliver::handle(Arc::clone(&self.functions.deliver), event, deadline);
        let handled = match dies_after {
            Some(after) => match tokio::time::timeout(after, handled).await {
                Ok(handled) => handled,
                Err(_) => return taken.len(),
            },
            None => handled.await,
        };
        let failures = handled.unwrap().batch_item_failures;
        let kept: HashSet<_> =
            failures.into_iter().map(|failure| failure.item_identifier).collect();
        let is_done = |message: &&SqsMessage| !kept.contains(message.message_id.as_ref().unwrap());
        let done = taken.iter().filter(is_done);
        let receipts = done.map(|message| message.receipt_handle.clone().unwrap());
        self.aws.acknowledge(queue, receipts).await;
        taken.len()
    }

    /// The steps that are due by now, by `jobs`. One that fails is done by the next.
    pub(crate) async fn steps(&self) {
        let due = DueList::new(self.table("StateTable"));
        let due: Vec<_> = due.until(now(&self.clock)).try_collect().await.unwrap();
        for due in due {
            let _ = self.functions.jobs.step(due.row).await;
        }
    }

    /// All troubles are over. Then time passes, until all that waits has come off.
    pub(crate) async fn come_to_rest(&mut self) {
        self.aws.faults().heal();
        self.suspend(false).await;
        for seen in &self.seen {
            seen.lock().unwrap().mood = Mood::Well;
        }
        for id in self.endpoints {
            self.patch(id, json!({"status": "active", "topics": ["*"]})).await;
        }
        let end = now(&self.clock) + REST;
        while now(&self.clock) < end {
            self.steps().await;
            let queues = ["DeliveriesQueue", "RetriesQueue"];
            let mut handled = 0;
            for queue in queues {
                handled += self.turn(queue, None).await;
            }
            if handled == 0 {
                self.clock.advance(Duration::from_mins(2));
            }
        }
    }

    pub(crate) async fn patch(&self, id: EndpointId, change: Json) -> u16 {
        let path = format!("/webhooks/endpoints/{id}");
        self.functions.endpoints.ask("PATCH", &path, change).await.status
    }
}

impl Functions {
    fn start(aws: &AwsStandIn, clock: &Clock) -> Self {
        let of = |name| (aws.sdk_config_of(name), aws.settings_of(name));
        let [events, endpoints, logs, deliver, jobs] =
            ["events", "endpoints", "logs", "deliver", "jobs"].map(of);
        let events = Arc::new(events::App::new(&events.0, &events.1).unwrap());
        let endpoints = Arc::new(endpoints::App::new(&endpoints.0, &endpoints.1).unwrap());
        let logs = Arc::new(logs::App::new(&logs.0, &logs.1).unwrap());
        let (by, of_jobs) = (clock.clone(), clock.clone());
        Self {
            events: Api::new(aws, api::router(events::routes(), events)),
            endpoints: Api::new(aws, api::router(endpoints::routes(), endpoints)),
            logs: Api::new(aws, api::router(logs::routes(), logs)),
            deliver: Arc::new(
                deliver::App::by_clock(&deliver.0, &deliver.1, move || now(&by)).unwrap(),
            ),
            jobs: jobs::App::by_clock(&jobs.0, &jobs.1, move || now(&of_jobs)).unwrap(),
        }
    }
}
