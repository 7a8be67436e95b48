//! Faults of AWS, at every call of a batch: each message ends where it would have ended, some of
//! them later.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use aws_lambda_events::sqs::SqsEvent;
use aws_sdk_sqs::types::{Message as SqsMessage, SendMessageBatchRequestEntry};
use deliver::App;
use domain::{
    delivery::End,
    delivery_row::{DeliveryRow, State},
    health::Phase,
    history::History,
    id::{EndpointId, EventId},
    message::Message,
    model::{Attempt, Endpoint, Outcome},
    time::Timestamp,
    work::{self, Work},
};
use emulator::{
    aws::Fault,
    samples,
    sqs::Clock,
    testing::{AwsStandIn, TestReceiver, Trouble},
};
use runtime::clock;

use super::support::{OVER, Started, logged, message_of, schedule};

/// The longest wait of a schedule: a delivery that fails is not retried during the test.
const WAIT: u32 = 86_400;
/// What newer code may have written.
const NEWER: &str = r#"{"v":99}"#;

/// What a clock says.
pub(super) fn now(clock: &Clock) -> Timestamp {
    Timestamp::from_millis(clock.now_ms().try_into().unwrap())
}

pub(super) struct World {
    pub(super) started: Started,
    pub(super) jobs: jobs::App,
    pub(super) good: TestReceiver,
    pub(super) bad: TestReceiver,
    pub(super) gone: TestReceiver,
    pub(super) endpoints: [EndpointId; 3],
    pub(super) number: u128,
}

impl World {
    pub(super) async fn start() -> Self {
        Self::start_by(Clock::system()).await
    }

    /// The queues and the function go by a clock of the test.
    pub(super) async fn start_by(clock: Clock) -> Self {
        let aws = AwsStandIn::start_by(clock.clone()).await;
        let [good, bad, gone] = [
            TestReceiver::answering(&[200]).await,
            TestReceiver::answering(&[500]).await,
            TestReceiver::answering(&[410]).await,
        ];
        let endpoints = [1, 2, 3].map(|number| EndpointId::new(Timestamp::from_seconds(1), number));
        aws.plant(&[
            endpoint(endpoints[0], &good),
            endpoint(endpoints[1], &bad),
            endpoint(endpoints[2], &gone),
        ])
        .await;
        let (config, settings) = (aws.sdk_config_of("deliver"), aws.settings_of("deliver"));
        let by = clock.clone();
        let app = Arc::new(App::by_clock(&config, &settings, move || now(&by)).unwrap());
        let (config, settings) = (aws.sdk_config_of("jobs"), aws.settings_of("jobs"));
        let jobs = jobs::App::by_clock(&config, &settings, move || now(&clock)).unwrap();
        let sqs = aws_sdk_sqs::Client::new(&aws.sdk_config());
        let started = Started { aws, receiver: TestReceiver::answering(&[200]).await, app, sqs };
        Self { started, jobs, good, bad, gone, endpoints, number: 0 }
    }

    /// Other endpoints for those that fail: what earlier batches have seen of them must not count.
    async fn renew(&mut self) {
        self.number += 1;
        let id =
            |place: u128| EndpointId::new(Timestamp::from_seconds(2), self.number * 10 + place);
        let (bad, gone) = (id(1), id(2));
        self.started.aws.plant(&[endpoint(bad, &self.bad), endpoint(gone, &self.gone)]).await;
        (self.endpoints[1], self.endpoints[2]) = (bad, gone);
    }

    /// A message of a new event to the endpoint of this place.
    pub(super) fn message(&mut self, place: usize) -> Message {
        self.number += 1;
        let mut message = message_of("first-attempt.json", 0);
        message.event.id = EventId::new(message.event.id.time(), self.number);
        message.endpoint = self.endpoints[place];
        message.enqueued_at = clock::now();
        message
    }

    pub(super) async fn enqueue(&self, queue: &str, bodies: &[String]) {
        for body in bodies {
            if let Ok(Work::First(message)) = work::decode(body) {
                self.started.log_event(&message).await;
            }
        }
        let entry = |(place, body): (usize, &String)| {
            SendMessageBatchRequestEntry::builder()
                .id(place.to_string())
                .message_body(body)
                .build()
                .unwrap()
        };
        let send =
            self.started.sqs.send_message_batch().queue_url(self.started.aws.queue_url(queue));
        let answer = send
            .set_entries(Some(bodies.iter().enumerate().map(entry).collect()))
            .send()
            .await
            .unwrap();
        assert!(answer.failed().is_empty());
    }

    /// What is visible on a queue, as Lambda gets it.
    pub(super) async fn receive(&self, queue: &str) -> SqsEvent {
        self.event(queue, &self.started.aws.visible(queue).await)
    }

    pub(super) fn event(&self, queue: &str, messages: &[SqsMessage]) -> SqsEvent {
        serde_json::from_value(self.started.aws.batch(queue, messages)).unwrap()
    }

    /// One batch, as Lambda's event source mapping does it. Then the visibility timeout of what
    /// stays on the queue ends at once.
    pub(super) async fn turn(&self, queue: &str) {
        let event = self.receive(queue).await;
        if event.records.is_empty() {
            return;
        }
        let failed = self.started.handle(event.clone()).await;
        let (kept, done): (Vec<_>, Vec<_>) = event
            .records
            .into_iter()
            .partition(|record| failed.contains(record.message_id.as_ref().unwrap()));
        let done = done.into_iter().map(|record| record.receipt_handle.unwrap());
        self.started.aws.acknowledge(queue, done).await;
        for record in kept {
            self.show(queue, record.receipt_handle.unwrap()).await;
        }
    }

    /// The visibility timeout of a message is over.
    pub(super) async fn show(&self, queue: &str, receipt: String) {
        let show = self
            .started
            .sqs
            .change_message_visibility()
            .queue_url(self.started.aws.queue_url(queue));
        show.receipt_handle(receipt).visibility_timeout(0).send().await.unwrap();
    }

    /// Takes all that can be received off a queue.
    pub(super) async fn drain(&self, queue: &str) -> BTreeSet<String> {
        let mut bodies = BTreeSet::new();
        loop {
            let records = self.receive(queue).await.records;
            if records.is_empty() {
                return bodies;
            }
            bodies.extend(records.iter().map(|record| record.body.clone().unwrap()));
            let receipts = records.into_iter().map(|record| record.receipt_handle.unwrap());
            self.started.aws.acknowledge(queue, receipts).await;
        }
    }

    pub(super) async fn attempts(&self, message: &Message) -> Vec<Attempt> {
        self.started.attempts_of(message).await
    }

    pub(super) fn arrivals(&self, message: &Message) -> usize {
        let id = message.event.id.to_string();
        self.good.webhooks().iter().filter(|webhook| webhook.header("webhook-id") == id).count()
    }

    /// The fault is over; whatever stayed on a queue comes again.
    async fn recover(&self, queue: &str) {
        self.started.aws.faults().heal();
        self.turn(queue).await;
    }

    /// First attempts of every kind.
    async fn first_attempts(&mut self, place: usize, trouble: Option<Trouble>) {
        self.renew().await;
        let [one, two, bad, gone] = [0, 0, 1, 2].map(|place| self.message(place));
        let poison = format!("no delivery {}", self.number);
        let texts: Vec<_> =
            [&one, &two, &bad, &gone].map(|message| work::encode(message).unwrap()).into();
        self.enqueue(
            "DeliveriesQueue",
            &[&texts[..], &[poison.clone(), NEWER.to_owned()]].concat(),
        )
        .await;
        let recorded = self.meet(place, trouble);
        self.turn("DeliveriesQueue").await;
        self.struck(trouble);
        self.recover("DeliveriesQueue").await;

        let case = format!("call {place}: {trouble:?}");
        for message in [&one, &two] {
            let attempts = self.attempts(message).await;
            assert!(
                attempts.iter().any(|attempt| attempt.outcome == Outcome::Succeeded),
                "{case}: {attempts:?}"
            );
            let arrivals = self.arrivals(message);
            assert!(
                arrivals == 1 || arrivals == 2 && recorded(self),
                "{case}: it arrived {arrivals} times"
            );
        }
        assert!(
            self.attempts(&bad).await.iter().all(|attempt| attempt.next_attempt_at.is_some()),
            "{case}"
        );
        assert!(
            !self.attempts(&bad).await.is_empty()
                && self.started.row(&bad).await.is_some_and(|row| row.due_at().is_some()),
            "{case}: it waits"
        );
        assert_eq!(self.attempts(&gone).await[0].response_status, Some(410), "{case}");
        assert_eq!(self.started.end(&gone).await, Some(End::Failed), "{case}");
        let dead = self.drain("DeadLetterQueue").await;
        assert_eq!(dead, BTreeSet::from([poison]), "{case}: what is no delivery");
        assert_eq!(
            self.drain("DeliveriesQueue").await,
            BTreeSet::from([NEWER.to_owned()]),
            "{case}: newer code's message waits"
        );
    }

    /// A delivery that has succeeded, by its row alone: the text of the message that acted for it.
    async fn ended(&self, message: &Message) -> String {
        let made = logged(message, 1, Outcome::Succeeded, None);
        let now = clock::now();
        let row = DeliveryRow::new(message, State::Ended(End::Succeeded), 7, now);
        let history = History::default().after(&made, made.id);
        let row = DeliveryRow { history, ..row };
        self.started.log_event(message).await;
        let row = self.started.rows().begin(row).await.unwrap().unwrap();
        work::encode_again(&row.again(false)).unwrap()
    }

    /// A retry that is due, one that is early, and two deliveries that have succeeded.
    async fn retries(&mut self, place: usize, trouble: Option<Trouble>) {
        let [due, early, done, known] = [0, 0, 0, 0].map(|place| self.message(place));
        let past = Timestamp::from_seconds(1);
        let future = clock::now() + Duration::from_hours(1);
        let log = [
            logged(&due, 1, Outcome::HttpError, Some(past)),
            logged(&early, 1, Outcome::HttpError, Some(future)),
            logged(&known, 1, Outcome::Succeeded, None),
        ];
        self.started.record(&log).await;
        let until = |until| State::Waiting { until, slot: None };
        let bodies = [
            self.started.waiting(&due, until(past)).await,
            self.started.waiting(&early, until(future)).await,
            // A crash has come before the log.
            self.ended(&done).await,
            // A first message that came before.
            work::encode(&known).unwrap(),
        ];
        self.enqueue("RetriesQueue", &bodies).await;

        let recorded = self.meet(place, trouble);
        self.turn("RetriesQueue").await;
        self.struck(trouble);
        self.recover("RetriesQueue").await;

        let case = format!("call {place}: {trouble:?}");
        let attempts = self.attempts(&due).await;
        assert!(
            attempts.iter().any(|attempt| attempt.outcome == Outcome::Succeeded),
            "{case}: {attempts:?}"
        );
        let arrivals = self.arrivals(&due);
        assert!(
            arrivals == 1 || arrivals == 2 && recorded(self),
            "{case}: it arrived {arrivals} times"
        );
        for message in [&early, &done, &known] {
            assert_eq!(self.arrivals(message), 0, "{case}");
        }
        let row = self.started.row(&early).await.unwrap();
        assert_eq!((row.due_at(), row.is_carried()), (Some(future), false), "{case}");
        for message in [&due, &done] {
            assert_eq!(self.started.end(message).await, Some(End::Succeeded), "{case}");
        }
        assert_eq!(self.attempts(&done).await.len(), 1, "{case}: the log has what it lacked");
        assert!(self.drain("RetriesQueue").await.is_empty(), "{case}: jobs finds it");
    }

    /// Orders the fault. The result tells afterwards whether it hit the write of a row or to the
    /// log, in which case a second request is expected.
    pub(super) fn meet(
        &self,
        place: usize,
        trouble: Option<Trouble>,
    ) -> impl Fn(&Self) -> bool + use<> {
        self.meet_in("deliver", place, trouble)
    }

    /// As [`Self::meet`], at the calls of this function.
    pub(super) fn meet_in(
        &self,
        function: &str,
        place: usize,
        trouble: Option<Trouble>,
    ) -> impl Fn(&Self) -> bool + use<> {
        let writes = |world: &Self| {
            let calls = world.started.aws.calls().calls;
            let failed = calls
                .iter()
                .filter(|call| WRITES.contains(&call.operation.as_str()) && call.outcome != "ok");
            failed.map(|call| call.count).sum::<u64>()
        };
        if let Some(trouble) = trouble {
            self.started.aws.trouble(function, place, trouble);
        }
        // What BatchWriteItem leaves undone is an answer like any other.
        let (before, partly) =
            (writes(self), trouble.is_some_and(|trouble| trouble.fault == Fault::Partly));
        move |world| partly || writes(world) > before
    }

    fn struck(&self, trouble: Option<Trouble>) {
        assert!(trouble.is_none() || self.started.aws.faults().strikes() > 0, "nothing went wrong");
    }
}

/// By these what was done is written down.
const WRITES: [&str; 2] = ["BatchWriteItem", "PutItem"];

pub(super) fn endpoint(id: EndpointId, receiver: &TestReceiver) -> Endpoint {
    let endpoint = samples::endpoint_of(id, receiver.url(), samples::SECRETS_KEY).unwrap();
    Endpoint { retry_schedule: Some(schedule(&[WAIT])), ..endpoint }
}

#[tokio::test]
async fn first_attempts_survive_every_fault_at_every_call() {
    let mut world = World::start().await;
    world.first_attempts(0, None).await;
    // The second turn only hides the newer message again.
    let calls = world.started.aws.faults().calls() - 1;
    for trouble in Trouble::all() {
        for place in 0..calls {
            world.first_attempts(place, Some(trouble)).await;
        }
    }
    eprintln!("{calls} calls");
}

#[tokio::test]
async fn retries_survive_every_fault_at_every_call() {
    let mut world = World::start().await;
    Box::pin(world.retries(0, None)).await;
    let calls = world.started.aws.faults().calls() - 3;
    for trouble in Trouble::all() {
        for place in 0..calls {
            Box::pin(world.retries(place, Some(trouble))).await;
        }
    }
    eprintln!("{calls} calls");
}

#[tokio::test]
async fn where_a_call_hangs_the_messages_come_again_before_lambda_ends_the_function() {
    for operation in ["BatchGetItem", "BatchWriteItem"] {
        let mut world = World::start().await;
        let message = world.message(0);
        world.enqueue("DeliveriesQueue", &[work::encode(&message).unwrap()]).await;
        world.started.aws.faults().on("deliver", operation).fail(Fault::Hanging);
        let before = std::time::Instant::now();
        world.turn("DeliveriesQueue").await;
        assert!(before.elapsed() < Duration::from_secs(30), "{operation}: {:?}", before.elapsed());
        world.recover("DeliveriesQueue").await;
        assert!(
            world
                .attempts(&message)
                .await
                .iter()
                .any(|attempt| attempt.outcome == Outcome::Succeeded),
            "{operation}"
        );
        assert!(world.drain("DeliveriesQueue").await.is_empty(), "{operation}");
    }
}

#[tokio::test]
async fn a_message_whose_visibility_lapses_in_mid_request_is_sent_twice_at_most_with_one_id() {
    let mut world = World::start().await;
    let message = world.message(0);
    world.enqueue("DeliveriesQueue", &[work::encode(&message).unwrap()]).await;
    let event = world.receive("DeliveriesQueue").await;
    // The first invocation is slow to record what it did. Meanwhile the message becomes visible
    // again, and another invocation gets it.
    world
        .started
        .aws
        .faults()
        .on("deliver", "BatchWriteItem")
        .times(1)
        .fail(Fault::Slow(Duration::from_secs(1)));
    let show = world
        .started
        .sqs
        .change_message_visibility()
        .queue_url(world.started.aws.queue_url("DeliveriesQueue"));
    show.receipt_handle(event.records[0].receipt_handle.clone().unwrap())
        .visibility_timeout(0)
        .send()
        .await
        .unwrap();
    let (first, ()) = futures::join!(world.started.handle(event), world.turn("DeliveriesQueue"));
    assert_eq!(first, [""; 0]);
    assert!((1..=2).contains(&world.arrivals(&message)));
    let attempts = world.attempts(&message).await;
    assert!(attempts.iter().all(|attempt| attempt.outcome == Outcome::Succeeded), "{attempts:?}");
    assert_eq!(attempts.len(), world.arrivals(&message), "each request is on record");
}

#[tokio::test]
async fn duplicates_and_any_order_cost_nothing_but_reads() {
    let mut world = World::start().await;
    let messages = [0, 0, 0].map(|place| world.message(place));
    let log = messages
        .each_ref()
        .map(|message| logged(message, 1, Outcome::HttpError, Some(Timestamp::from_seconds(1))));
    world.started.record(&log).await;
    let texts: Vec<_> = messages.iter().map(|message| work::encode(message).unwrap()).collect();
    // Thrice each, the newest first, on the queue of retries and on the other.
    let backwards: Vec<_> = texts.iter().rev().cloned().collect();
    world.enqueue("RetriesQueue", &[&backwards[..], &texts[..], &backwards[..]].concat()).await;
    for _ in 0..3 {
        world.turn("RetriesQueue").await;
    }
    world.enqueue("RetriesQueue", &texts).await;
    world.turn("RetriesQueue").await;
    for message in &messages {
        assert_eq!((world.arrivals(message), world.attempts(message).await.len()), (1, 2));
    }
    assert!(world.drain("RetriesQueue").await.is_empty());
}

#[tokio::test]
async fn receipts_that_throttling_has_raised_count_as_no_attempts() {
    let mut world = World::start().await;
    let message = world.message(1);
    world.enqueue("DeliveriesQueue", &[work::encode(&message).unwrap()]).await;
    let mut event = world.receive("DeliveriesQueue").await;
    event.records[0].attributes.insert("ApproximateReceiveCount".to_owned(), "900".to_owned());
    assert_eq!(world.started.handle(event).await, [""; 0]);
    let [attempt] = world.attempts(&message).await.try_into().unwrap();
    assert_eq!(
        (attempt.number, attempt.next_attempt_at.is_some()),
        (1, true),
        "the whole schedule is still to come"
    );
}

#[tokio::test]
async fn these_are_all_calls_that_the_function_may_make() {
    let mut world = World::start().await;
    for place in 0..12 {
        world.first_attempts(place, Some(Trouble { fault: Fault::Throttled, times: 1 })).await;
        Box::pin(world.retries(place, Some(Trouble { fault: Fault::Throttled, times: 1 }))).await;
    }
    // Only an endpoint with a rate limit has slots.
    world.change(world.endpoints[0], |endpoint| endpoint.rate_limit = Some(100)).await;
    for place in 0..12 {
        world.first_attempts(place, Some(Trouble { fault: Fault::Throttled, times: 1 })).await;
    }
    for place in 0..20 {
        world.circuit("deliver", place, Some(Trouble { fault: Fault::Throttled, times: 1 })).await;
    }
    world.well_again(Phase::Open(9)).await;
    let parked = world.message(1);
    let puts = world.started.aws.faults().on("deliver", "PutItem");
    puts.times(1).fail(Fault::Throttled);
    assert_eq!(world.deliver(&parked).await, [""; 0]);
    // A wait of minutes is carried by a message.
    world.renew().await;
    let bad = world.endpoints[1];
    world.change(bad, |endpoint| endpoint.retry_schedule = Some(schedule(&[600, 600]))).await;
    let message = world.message(1);
    for operation in ["SendMessageBatch", "ChangeMessageVisibilityBatch"] {
        let calls = world.started.aws.faults().on("deliver", operation);
        calls.times(1).fail(Fault::Throttled);
    }
    assert_eq!(world.deliver(&message).await, [""; 0]);
    let message = world.message(1);
    let event = world.started.again("RetriesQueue", &message, OVER).await;
    assert_eq!(world.started.handle(event).await.len(), 1);
    let aws = &world.started.aws;
    let (config, settings) = (aws.sdk_config_of("deliver"), aws.settings_of("deliver"));
    aws.trouble("deliver", 0, Trouble { fault: Fault::Throttled, times: 1 });
    assert!(
        deliver::App::start(&config, &settings).await.is_ok(),
        "a throttled start is tried again"
    );
    aws.faults().heal();
    let unstruck: Vec<_> =
        aws.allowed("deliver").difference(&aws.faults().struck()).cloned().collect();
    assert!(unstruck.is_empty(), "{unstruck:?}");
}
