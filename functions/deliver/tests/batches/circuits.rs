//! Faults of AWS at the steps of a circuit: what is parked arrives.

use local::{samples, testing::Trouble};
use serde_json::json;
use shared::{
    health::{Circuit, OPENS_AFTER, Phase},
    id::EndpointId,
    job::{CircuitStep, Job},
    model::Outcome,
    store::{Table, health::HealthStore, parked::ParkedStore},
    time::Timestamp,
};

use super::faults::{World, endpoint};

const OPENING: &str = "this one";
/// At least as many calls as the two steps of a circuit make that meet the trouble.
const CALLS: usize = 16;
/// More steps than it takes.
const STEPS: usize = 6;

impl World {
    fn log_table(&self) -> Table {
        Table::new(aws_sdk_dynamodb::Client::new(&self.started.aws.sdk_config()), self.started.aws.table_name("LogTable"))
    }

    /// An endpoint that is well again, with an open circuit, and another one that wants to hear of it.
    async fn well_again(&mut self) -> EndpointId {
        self.number += 1;
        let id = |place: u128| EndpointId::new(Timestamp::from_seconds(3), self.number * 10 + place);
        // The same one in every case: each listener more would get all the news.
        let mut listener = endpoint(EndpointId::new(Timestamp::from_seconds(3), 2), &self.good);
        listener.topics = vec!["webhook.endpoint.recovered".parse().unwrap()];
        self.started.aws.plant(&[endpoint(id(1), &self.good), listener]).await;
        let (health, now) = (HealthStore::new(self.log_table()), Timestamp::now());
        health.failed(samples::PROJECT.parse().unwrap(), id(1), OPENS_AFTER, now, now).await.unwrap();
        assert!(health.announced(id(1)).await.unwrap());
        let circuit = Circuit { opening: OPENING.to_owned(), step: 0, due_at: now, phase: Phase::FIRST, busy_until: None };
        health.open(id(1), &circuit).await.unwrap();
        id(1)
    }

    /// The circuit's next step, as its message brings it; whoever was at it before has died.
    async fn step(&self, id: EndpointId) {
        let dynamodb = aws_sdk_dynamodb::Client::new(&self.started.aws.sdk_config());
        let key = [("pk", format!("EP#{id}")), ("sk", "HEALTH".to_owned())]
            .map(|(name, text)| (name.to_owned(), aws_sdk_dynamodb::types::AttributeValue::S(text)));
        let lapse = dynamodb.update_item().table_name(self.started.aws.table_name("LogTable")).set_key(Some(key.into()));
        lapse.update_expression("REMOVE circuit.busy_until").send().await.unwrap();
        let circuit = HealthStore::new(self.log_table()).get(id).await.unwrap().unwrap().circuit.unwrap();
        let step = CircuitStep { project: samples::PROJECT.parse().unwrap(), endpoint: id, opening: circuit.opening, step: circuit.step };
        let arn = &self.started.aws.template().queue("RetriesQueue").unwrap().arn;
        let record = json!({"messageId": "1", "receiptHandle": "1", "body": Job::Circuit(step).encode().unwrap(), "eventSourceARN": arn});
        self.started.handle(serde_json::from_value(json!({"Records": [record]})).unwrap()).await;
    }

    /// A probe that arrives, and the release of what is parked.
    pub(super) async fn circuit(&mut self, place: usize, trouble: Option<Trouble>) {
        let id = self.well_again().await;
        self.endpoints[1] = id;
        let messages = [1, 1, 1].map(|place| self.message(place));
        let parked = ParkedStore::new(self.log_table());
        let by_id: Vec<_> = messages.iter().map(|message| (message.event.id.to_string(), message.clone())).collect();
        parked.park(&by_id, Timestamp::now()).await.unwrap();
        let recorded = self.meet(place, trouble);
        self.step(id).await;
        self.step(id).await;
        self.started.aws.faults().heal();
        for _ in 0..STEPS {
            self.step(id).await;
        }
        // A message that came twice waits for its twin.
        for _ in 0..100 {
            self.turn("DeliveriesQueue").await;
            if self.started.count("DeliveriesQueue").await == 0 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        let left = (self.started.count("DeliveriesQueue").await, HealthStore::new(self.log_table()).get(id).await.unwrap());
        let case = format!("call {place}: {trouble:?}, {left:?}");
        assert!(parked.oldest(id, 10).await.unwrap().is_empty(), "{case}");
        for message in &messages {
            let attempts = self.attempts(message).await;
            assert!(attempts.iter().any(|attempt| attempt.outcome == Outcome::Succeeded), "{case}: {attempts:?}");
            let arrivals = self.arrivals(message);
            assert!(arrivals == 1 || arrivals == 2 && recorded(self), "{case}: it arrived {arrivals} times");
        }
        assert!(self.drain("DeliveriesQueue").await.is_empty(), "{case}");
    }
}

#[tokio::test]
async fn circuits_survive_every_fault() {
    let mut world = World::start().await;
    world.circuit(0, None).await;
    for trouble in Trouble::all() {
        // Of eight parallel queries, one is like the other.
        for place in (0..CALLS).step_by(4) {
            world.circuit(place, Some(trouble)).await;
        }
    }
}
