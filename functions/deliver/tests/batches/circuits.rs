//! Faults of AWS at the steps of a circuit: what is parked arrives, or is given up.

use std::time::Duration;

use domain::{
    health::{Circuit, OPENS_AFTER, Phase},
    id::{EndpointId, EventId},
    job::CircuitStep,
    message::Message,
    model::Outcome,
    time::Timestamp,
    work,
};
use emulator::{
    samples,
    testing::{Trouble, delivery_in},
};
use futures::{StreamExt, stream};
use runtime::clock;
use serde_json::json;
use store::{Table, health::HealthStore, parked::ParkedStore};

use super::{
    faults::{World, endpoint},
    support::logged,
};

const OPENING: &str = "this one";
/// More steps than it takes.
const STEPS: usize = 6;
/// Worlds at a time, as each mostly waits.
const AT_ONCE: usize = 8;
/// Longer than any delivery is tried.
const LONG_AGO: Duration = Duration::from_hours(24 * 9);

impl World {
    pub(super) fn table(&self, name: &str) -> Table {
        Table::new(
            aws_sdk_dynamodb::Client::new(&self.started.aws.sdk_config()),
            self.started.aws.table_name(name),
        )
    }

    pub(super) fn health(&self) -> HealthStore {
        HealthStore::new(self.table("LogTable"))
    }

    pub(super) async fn the_circuit(&self, id: EndpointId) -> Option<Circuit> {
        self.health().get(id).await.unwrap().unwrap().circuit
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
        let (health, now) = (self.health(), clock::now());
        health
            .failed(samples::PROJECT.parse().unwrap(), id(1), OPENS_AFTER, now, now)
            .await
            .unwrap();
        assert!(health.announced(id(1)).await.unwrap());
        let circuit = Circuit {
            opening: OPENING.to_owned(),
            step: 0,
            due_at: now + phase.wait(),
            phase,
            busy_until: None,
        };
        health.open(id(1), &circuit).await.unwrap();
        self.endpoints[1] = id(1);
        id(1)
    }

    /// Parks deliveries to the endpoint that has the circuit, as if at this time.
    pub(super) async fn park(&self, messages: &[Message], at: Timestamp) {
        let by_id: Vec<_> = messages
            .iter()
            .map(|message| (message.event.id.to_string(), message.clone()))
            .collect();
        ParkedStore::new(self.table("LogTable")).park(&by_id, at).await.unwrap();
    }

    /// The events whose deliveries are parked.
    pub(super) async fn parked(&self, id: EndpointId) -> Vec<EventId> {
        ParkedStore::new(self.table("LogTable"))
            .oldest(id, 100)
            .await
            .unwrap()
            .into_iter()
            .map(|parked| parked.message.event.id)
            .collect()
    }

    /// The invocation that did the circuit's step has died.
    async fn lapse(&self, id: EndpointId) {
        let dynamodb = aws_sdk_dynamodb::Client::new(&self.started.aws.sdk_config());
        let key = [("pk", format!("EP#{id}")), ("sk", "HEALTH".to_owned())].map(|(name, text)| {
            (name.to_owned(), aws_sdk_dynamodb::types::AttributeValue::S(text))
        });
        let lapse = dynamodb
            .update_item()
            .table_name(self.started.aws.table_name("LogTable"))
            .set_key(Some(key.into()));
        lapse.update_expression("REMOVE circuit.busy_until").send().await.unwrap();
    }

    /// The circuit's next step, as its message brings it. Whether it comes again.
    pub(super) async fn step(&self, id: EndpointId) -> bool {
        let Some(circuit) = self.the_circuit(id).await else { return false };
        let step = CircuitStep {
            project: samples::PROJECT.parse().unwrap(),
            endpoint: id,
            opening: circuit.opening,
            step: circuit.step,
        };
        let arn = &self.started.aws.template().queue("RetriesQueue").unwrap().arn;
        let record = json!({"messageId": "1", "receiptHandle": "1",
            "body": work::encode(&step).unwrap(), "eventSourceARN": arn});
        !self
            .started
            .handle(serde_json::from_value(json!({"Records": [record]})).unwrap())
            .await
            .is_empty()
    }

    /// Two steps that meet the trouble, and others without it until it is done. Returns how many
    /// calls the two have made.
    async fn steps(&self, id: EndpointId, done: impl AsyncFn() -> bool) -> usize {
        let (before, mut calls) = (self.started.aws.faults().calls(), 0);
        for number in 0..2 + STEPS {
            if number == 2 {
                calls = self.started.aws.faults().calls() - before;
                self.started.aws.faults().heal();
            }
            self.lapse(id).await;
            self.step(id).await;
            if number >= 2 && done().await {
                break;
            }
        }
        calls
    }

    /// A probe that arrives, and the release of what is parked. Returns as [`Self::steps`].
    pub(super) async fn circuit(&mut self, place: usize, trouble: Option<Trouble>) -> usize {
        let id = self.well_again(Phase::FIRST).await;
        let messages = [1, 1, 1].map(|place| self.message(place));
        self.park(&messages, clock::now()).await;
        let recorded = self.meet(place, trouble);
        let calls = self.steps(id, async || self.parked(id).await.is_empty()).await;
        // A message that came twice waits for its twin.
        for _ in 0..100 {
            self.turn("DeliveriesQueue").await;
            if self.started.count("DeliveriesQueue").await == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let left =
            (self.started.count("DeliveriesQueue").await, self.health().get(id).await.unwrap());
        let case = format!("call {place}: {trouble:?}, {left:?}");
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
        assert!(self.drain("DeliveriesQueue").await.is_empty(), "{case}");
        calls
    }

    /// Of three parked deliveries the time of two is over, and one of these has arrived in another
    /// way. The receiver is down. Returns as [`Self::steps`].
    pub(super) async fn giving_up(&mut self, place: usize, trouble: Option<Trouble>) -> usize {
        let id = self.with_circuit(Phase::FIRST, false).await;
        let [mut over, mut arrived, waiting] = [1, 1, 1].map(|place| self.message(place));
        let long_ago = Timestamp::from_millis(
            clock::now().millis() - u64::try_from(LONG_AGO.as_millis()).unwrap(),
        );
        (over.enqueued_at, arrived.enqueued_at) = (long_ago, long_ago);
        let past = Some(Timestamp::from_seconds(1));
        let log = [
            logged(&over, 1, Outcome::HttpError, past),
            logged(&arrived, 1, Outcome::Succeeded, None),
        ];
        self.started.log().record(&log).await.unwrap();
        self.park(&[over.clone(), arrived.clone()], long_ago).await;
        self.park(std::slice::from_ref(&waiting), clock::now()).await;
        let _ = self.meet(place, trouble);
        let one_left =
            async || self.parked(id).await.len() == 1 && !self.attempts(&waiting).await.is_empty();
        let calls = self.steps(id, one_left).await;

        let case = format!("call {place}: {trouble:?}");
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
        assert_eq!(
            self.attempts(&arrived).await.len(),
            1,
            "{case}: what has arrived has not failed"
        );
        let dead = self.drain("RetriesDeadLetterQueue").await;
        let dead: Vec<_> = dead.iter().map(|body| delivery_in(body).event.id).collect();
        assert_eq!(dead, [over.event.id], "{case}: somebody can redrive it");
        assert!(!self.attempts(&waiting).await.is_empty(), "{case}: the receiver was probed");
        assert_eq!(
            self.arrivals(&over) + self.arrivals(&arrived) + self.arrivals(&waiting),
            0,
            "{case}"
        );
        let news = self.drain("DeliveriesQueue").await;
        let told = news.iter().filter(|body| body.contains("webhook.delivery.failed")).count();
        // Telling costs no delivery, and what fails of it is only logged.
        assert!(told >= 1 || trouble.is_some(), "{case}: {news:?}");
        calls
    }
}

/// Each fault at every fourth of the story's calls, in an environment of its own; each fault begins
/// at another call, so that every call meets some.
async fn try_all(story: impl AsyncFn(World, usize, Option<Trouble>) -> usize) {
    let calls = story(World::start().await, 0, None).await;
    eprintln!("{calls} calls");
    let cases = Trouble::all().enumerate().flat_map(|(first, trouble)| {
        (first % 4..calls).step_by(4).map(move |place| (place, trouble))
    });
    let tried = stream::iter(cases)
        .map(async |(place, trouble)| story(World::start().await, place, Some(trouble)).await);
    tried.buffer_unordered(AT_ONCE).map(drop).collect::<()>().await;
}

#[tokio::test]
async fn circuits_survive_every_fault() {
    try_all(async |mut world, place, trouble| world.circuit(place, trouble).await).await;
}

#[tokio::test]
async fn deliveries_whose_time_is_over_are_given_up_whatever_fails() {
    try_all(async |mut world, place, trouble| world.giving_up(place, trouble).await).await;
}
