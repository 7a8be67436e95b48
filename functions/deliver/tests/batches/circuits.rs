//! Faults of AWS at the steps of a circuit, in `jobs` and in `deliver`: what is parked arrives, or
//! is given up.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    delivery_row::{DeliveryRow, State},
    health::{Circuit, Failures, Phase},
    id::{EndpointId, EventId},
    message::Message,
    model::Outcome,
    system_event::{ReportKey, SystemTopic},
    time::Timestamp,
};
use emulator::{aws::Fault, samples, testing::Trouble};
use futures::{StreamExt, TryStreamExt, stream};
use runtime::clock;
use serde_json::json;
use store::{Table, due::DueRow, health::HealthStore};

use super::{
    faults::{World, endpoint},
    recovery::Past,
    support::logged,
};

/// More steps than it takes.
const STEPS: usize = 6;
/// Worlds at a time, as each mostly waits.
const AT_ONCE: usize = 8;
/// Longer than any delivery is parked.
const LONG_AGO: Duration = Duration::from_hours(24 * 9);

impl World {
    pub(super) fn table(&self, name: &str) -> Table {
        Table::new(
            aws_sdk_dynamodb::Client::new(&self.started.aws.sdk_config()),
            self.started.aws.table_name(name),
        )
    }

    pub(super) fn health(&self) -> HealthStore {
        HealthStore::new(self.table("StateTable"))
    }

    pub(super) async fn health_of(&self, id: EndpointId) -> domain::health::Health {
        self.health().get(samples::PROJECT.parse().unwrap(), id).await.unwrap().unwrap()
    }

    pub(super) async fn the_circuit(&self, id: EndpointId) -> Option<Circuit> {
        self.health_of(id).await.circuit
    }

    /// An endpoint that has recovered, with a circuit in this phase, and another one that
    /// subscribes to the system events about it.
    pub(super) async fn well_again(&mut self, phase: Phase) -> EndpointId {
        self.with_circuit(phase, true).await
    }

    pub(super) async fn with_circuit(&mut self, phase: Phase, is_well: bool) -> EndpointId {
        self.number += 1;
        let id =
            |place: u128| EndpointId::new(Timestamp::from_seconds(3), self.number * 10 + place);
        // The same one in every case: each listener more would get all the news.
        let mut listener = endpoint(EndpointId::new(Timestamp::from_seconds(3), 2), &self.good);
        listener.topics = ["webhook.endpoint.recovered", "webhook.delivery.failed"]
            .map(|topic| topic.parse().unwrap())
            .into();
        let receiver = if is_well { &self.good } else { &self.bad };
        self.started.aws.plant(&[endpoint(id(1), receiver), listener]).await;
        let (rows, now) = (self.health(), clock::now());
        let project = samples::PROJECT.parse().unwrap();
        let health = rows.failed(project, id(1), Failures::OPENING, now, now).await.unwrap();
        assert!(rows.announced(&health).await.unwrap());
        rows.open(&health, now).await.unwrap();
        let open = rows.get(project, id(1)).await.unwrap().unwrap();
        rows.go_on(&open, phase, now + phase.wait(), now).await.unwrap();
        self.endpoints[1] = id(1);
        id(1)
    }

    /// Parks deliveries to the endpoint that has the circuit, as if at this time.
    pub(super) async fn park(&self, messages: &[Message], at: Timestamp) {
        for message in messages {
            self.started.waiting(message, State::Parked { since: at, held_by: None }).await;
        }
    }

    async fn rows(&self, id: EndpointId) -> Vec<DeliveryRow> {
        let rows = self.started.rows();
        let project = samples::PROJECT.parse().unwrap();
        let keys = rows.parked(project, id, Timestamp::from_seconds(0)).take(100);
        rows.get(&keys.try_collect::<Vec<_>>().await.unwrap()).await.unwrap()
    }

    /// The events whose deliveries are parked.
    pub(super) async fn parked(&self, id: EndpointId) -> Vec<EventId> {
        self.rows(id).await.into_iter().map(|parked| parked.event).collect()
    }

    /// Those of them for which no message acts.
    pub(super) async fn waiting(&self, id: EndpointId) -> Vec<EventId> {
        let free = |parked: &DeliveryRow| !parked.is_claimed(clock::now());
        self.rows(id).await.into_iter().filter(free).map(|parked| parked.event).collect()
    }

    /// So much time passes that the claims of all parked deliveries end.
    pub(super) async fn wait_for_claims(&self, id: EndpointId) {
        for row in self.rows(id).await {
            let pk = format!("D#{}#{}", row.project, row.event.shard());
            let sk = format!("{}#{id}", row.event);
            self.set(&pk, &sk, "claimed_until = :now", "attribute_exists(claimed_until)").await;
        }
    }

    /// The time of the circuit's next step has come, also if a run that has died has claimed it.
    pub(super) async fn wait_for_the_step(&self, id: EndpointId) {
        let pk = format!("C#{}#{id}", samples::PROJECT);
        self.set(&pk, "C", "list_at = :now", "attribute_exists(circuit)").await;
    }

    /// Changes a row of the state table, if the condition holds.
    async fn set(&self, pk: &str, sk: &str, change: &str, condition: &str) {
        let dynamodb = aws_sdk_dynamodb::Client::new(&self.started.aws.sdk_config());
        let now = AttributeValue::N(clock::now().millis().to_string());
        let update = dynamodb
            .update_item()
            .table_name(self.started.aws.table_name("StateTable"))
            .key("pk", AttributeValue::S(pk.to_owned()))
            .key("sk", AttributeValue::S(sk.to_owned()))
            .update_expression(format!("SET {change}"))
            .condition_expression(condition)
            .expression_attribute_values(":now", now);
        let _ = update.send().await;
    }

    /// The circuit's next step, by `jobs`. Whether it was done.
    pub(super) async fn step(&self, id: EndpointId) -> bool {
        self.wait_for_the_step(id).await;
        self.step_now(id).await
    }

    /// As [`Self::step`], if it is due.
    pub(super) async fn step_now(&self, id: EndpointId) -> bool {
        let row = DueRow::Circuit(samples::PROJECT.parse().unwrap(), id);
        self.jobs.step(row).await.is_ok()
    }

    /// Handles the messages of `jobs`.
    pub(super) async fn take_what_jobs_sent(&self) {
        self.turn("RetriesQueue").await;
    }

    /// Two steps that meet the trouble, and others without it until all is done; after each, what
    /// is on the queue is delivered. Returns how many calls this function has made for the two.
    async fn steps(&self, function: &str, id: EndpointId, done: impl AsyncFn() -> bool) -> usize {
        let made = || {
            let calls = self.started.aws.calls().calls.into_iter();
            calls.filter(|call| call.caller == function).map(|call| call.count).sum::<u64>()
        };
        let (before, mut calls) = (made(), 0);
        for number in 0..2 + STEPS {
            if number == 2 {
                calls = usize::try_from(made() - before).unwrap();
                self.started.aws.faults().heal();
                self.wait_for_claims(id).await;
            }
            self.step(id).await;
            self.take_what_jobs_sent().await;
            if number >= 2 && done().await {
                break;
            }
        }
        calls
    }

    /// A probe that arrives, and the release of what is parked; the trouble is met by the calls of
    /// this function. Returns as [`Self::steps`].
    pub(super) async fn circuit(
        &mut self,
        function: &str,
        place: usize,
        trouble: Option<Trouble>,
    ) -> usize {
        let id = self.well_again(Phase::FIRST).await;
        let messages = [1, 1, 1].map(|place| self.message(place));
        self.park(&messages, clock::now()).await;
        let recorded = self.meet_in(function, place, trouble);
        let calls = self.steps(function, id, async || self.parked(id).await.is_empty()).await;
        // A message that came twice waits for its twin.
        for _ in 0..100 {
            // Whoever is told of it gets a first message.
            self.turn("DeliveriesQueue").await;
            self.turn("RetriesQueue").await;
            let started = &self.started;
            if started.count("RetriesQueue").await + started.count("DeliveriesQueue").await == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let left = (self.started.count("RetriesQueue").await, self.health_of(id).await);
        let case = format!("{function}, call {place}: {trouble:?}, {left:?}");
        assert_eq!(self.parked(id).await, [], "{case}");
        for message in &messages {
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
        assert!(self.drain("RetriesQueue").await.is_empty(), "{case}");
        calls
    }

    /// Of two parked deliveries the time of one is over. The receiver is down. The trouble is met
    /// by this function's calls. Returns as [`Self::steps`].
    async fn giving_up(&mut self, function: &str, place: usize, trouble: Option<Trouble>) -> usize {
        let id = self.with_circuit(Phase::FIRST, false).await;
        let [mut over, waiting] = [1, 1].map(|place| self.message(place));
        let long_ago = Timestamp::from_millis(
            clock::now().millis() - u64::try_from(LONG_AGO.as_millis()).unwrap(),
        );
        over.enqueued_at = long_ago;
        let past = Some(Timestamp::from_seconds(1));
        self.started.record(&[logged(&over, 1, Outcome::HttpError, past)]).await;
        self.park(std::slice::from_ref(&over), long_ago).await;
        self.park(std::slice::from_ref(&waiting), clock::now()).await;
        let _ = self.meet_in(function, place, trouble);
        let one_left =
            async || self.parked(id).await.len() == 1 && !self.attempts(&waiting).await.is_empty();
        let calls = self.steps(function, id, one_left).await;

        let case = format!("{function}, call {place}: {trouble:?}");
        assert_eq!(self.parked(id).await, [waiting.event.id], "{case}");
        let given_up: Vec<_> =
            self.attempts(&over).await.into_iter().filter(|attempt| attempt.number > 1).collect();
        assert!(!given_up.is_empty(), "{case}: it is on record");
        assert!(
            given_up
                .iter()
                .all(|last| last.outcome == Outcome::Refused && last.next_attempt_at.is_none()),
            "{case}: {given_up:?}"
        );
        assert!(!self.attempts(&waiting).await.is_empty(), "{case}: the receiver was probed");
        assert_eq!(self.arrivals(&over) + self.arrivals(&waiting), 0, "{case}");
        let told = self.started.told("webhook.delivery.failed").await;
        // Telling costs no delivery, and what fails of it is only logged.
        assert!(told >= 1 || trouble.is_some(), "{case}");
        calls
    }
}

/// Each fault at every eighth of the story's calls, in an environment of its own; each fault begins
/// at another call, so that every call meets one or two.
async fn try_all(story: impl AsyncFn(World, usize, Option<Trouble>) -> usize) {
    let calls = story(World::start().await, 0, None).await;
    eprintln!("{calls} calls");
    let cases = Trouble::all().enumerate().flat_map(|(first, trouble)| {
        (first % 8..calls).step_by(8).map(move |place| (place, trouble))
    });
    let tried = stream::iter(cases)
        .map(async |(place, trouble)| story(World::start().await, place, Some(trouble)).await);
    tried.buffer_unordered(AT_ONCE).map(drop).collect::<()>().await;
}

#[tokio::test]
async fn circuits_survive_every_fault_of_jobs() {
    try_all(async |mut world, place, trouble| world.circuit("jobs", place, trouble).await).await;
}

#[tokio::test]
async fn circuits_survive_every_fault_of_deliver() {
    try_all(async |mut world, place, trouble| world.circuit("deliver", place, trouble).await).await;
}

#[tokio::test]
async fn deliveries_that_have_waited_for_too_long_are_given_up_whatever_fails_in_jobs() {
    try_all(async |mut world, place, trouble| {
        Box::pin(world.giving_up("jobs", place, trouble)).await
    })
    .await;
}

#[tokio::test]
async fn deliveries_that_have_waited_for_too_long_are_given_up_whatever_fails_in_deliver() {
    try_all(async |mut world, place, trouble| {
        Box::pin(world.giving_up("deliver", place, trouble)).await
    })
    .await;
}

#[tokio::test]
async fn these_are_all_calls_that_jobs_may_make() {
    let mut world = World::start().await;
    for place in 0..6 {
        for operation in ["BatchGetItem", "GetItem", "Query", "SendMessageBatch", "UpdateItem"] {
            let calls = world.started.aws.faults().on("jobs", operation);
            calls.after(place).times(1).fail(Fault::Throttled);
        }
        world.circuit("jobs", 0, None).await;
    }
    let (aws, past) = (&world.started.aws, Past::of_each_kind().await.0);
    for place in 0..2 {
        aws.faults().of("jobs").after(place).times(1).fail(Fault::Throttled);
        jobs::run(&world.jobs, clock::now() + Duration::from_mins(1)).await.unwrap();
        aws.faults().heal();
    }
    // A report that an earlier run has closed: its event is out of its place.
    let (project, since) = (samples::PROJECT.parse().unwrap(), Timestamp::from_seconds(600));
    let report = ReportKey { project, topic: SystemTopic::DeliveryFailed, since };
    let row = json!({"pk": {"S": format!("N#{project}")}, "noted": {"N": "1"},
        "sk": {"S": "webhook.delivery.failed#600"}, "list": {"S": "due#1"},
        "list_at": {"N": "662000"}, "event": {"S": EventId::new(since, 1).to_string()}});
    // Its entries, and then the project's endpoints; those are known from then on.
    for place in [1, 0] {
        aws.put_row("StateTable", &row).await;
        aws.faults().on("jobs", "Query").after(place).times(1).fail(Fault::Throttled);
        for operation in ["PutItem", "SendMessageBatch"] {
            aws.faults().on("jobs", operation).times(1).fail(Fault::Throttled);
        }
        world.jobs.step(DueRow::Report(report)).await.unwrap();
        aws.faults().heal();
    }
    for operation in ["Query", "UpdateItem", "PutItem", "SendMessageBatch"] {
        past.started.aws.faults().on("jobs", operation).times(1).fail(Fault::Throttled);
    }
    // The first one reads rows of deliveries, and the next one events that came late.
    let late = past.started.aws.faults().on("jobs", "BatchGetItem");
    late.after(1).times(1).fail(Fault::Throttled);
    past.finish(&past.begin(false).await).await;
    let struck = aws.faults().struck().into_iter().chain(past.started.aws.faults().struck());
    let unstruck: Vec<_> = aws.allowed("jobs").difference(&struck.collect()).cloned().collect();
    assert!(unstruck.is_empty(), "{unstruck:?}");
}
