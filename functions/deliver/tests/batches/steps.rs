//! Steps of a circuit that go wrong: one fails, one is late, two invocations do the same one, and
//! the circuit changes during one.

use std::time::Duration;

use aws_lambda_events::sqs::SqsEvent;
use domain::{
    health::{OPENS_AFTER, Phase},
    id::{EndpointId, RoundId},
    message::Message,
    model::{Outcome, Trigger},
    time::Timestamp,
};
use emulator::aws::Fault;
use futures::join;
use runtime::clock;
use serde_json::json;

use super::faults::World;

/// Minutes from now.
const FAR: Phase = Phase::Open(9);

/// A test delivery to the endpoint that has the circuit: it is not parked.
fn resent(world: &mut World) -> Message {
    let round = Some(RoundId::new(clock::now(), world.number));
    Message { trigger: Trigger::Manual, round, ..world.message(1) }
}

impl World {
    /// Parks new deliveries to the endpoint that has the circuit.
    pub(super) async fn park_some(&mut self, count: usize) -> Vec<Message> {
        let messages: Vec<_> = (0..count).map(|_| self.message(1)).collect();
        self.park(&messages, clock::now()).await;
        messages
    }

    pub(super) async fn deliver(&self, message: &Message) -> Vec<String> {
        self.started.handle(self.started.enqueued("DeliveriesQueue", message).await).await
    }

    /// Handles what is on the retries queue, and then the deliveries that this released.
    async fn one_step_at_once(&self, id: EndpointId) {
        let step = self.started.received("RetriesQueue").await;
        assert_eq!(self.started.handle(step).await, [""; 0]);
        assert_eq!(self.parked(id).await, []);
        self.turn("DeliveriesQueue").await;
    }

    async fn until_something_goes_wrong(&self) {
        while self.started.aws.faults().strikes() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tokio::test]
async fn a_step_that_failed_is_done_as_soon_as_its_message_comes_again() {
    let mut world = World::start().await;
    let id = world.well_again(Phase::FIRST).await;
    let parked = world.park_some(1).await;
    world.started.aws.faults().on("deliver", "Query").fail(Fault::ExpiredCredentials);
    assert!(world.step(id).await, "it comes again");
    world.started.aws.faults().heal();
    assert!(!world.step(id).await, "nobody is at it any more");
    assert_eq!(world.arrivals(&parked[0]), 1);
}

#[tokio::test]
async fn after_a_success_parked_deliveries_do_not_wait_for_the_next_probe() {
    let mut world = World::start().await;
    let id = world.well_again(FAR).await;
    let parked = world.park_some(2).await;
    let resent = resent(&mut world);
    assert_eq!(world.deliver(&resent).await, [""; 0]);
    world.one_step_at_once(id).await;
    assert_eq!([&resent, &parked[0], &parked[1]].map(|message| world.arrivals(message)), [1, 1, 1]);
}

#[tokio::test]
async fn after_a_change_of_the_endpoint_they_wait_for_the_next_delivery_at_most() {
    let mut world = World::start().await;
    let id = world.well_again(FAR).await;
    let parked = world.park_some(2).await;
    let health = world.health().get(id).await.unwrap().unwrap();
    world.health().start_afresh(&health).await.unwrap();
    let next = world.message(1);
    assert_eq!(world.deliver(&next).await, [""; 0]);
    world.one_step_at_once(id).await;
    assert_eq!([&next, &parked[0], &parked[1]].map(|message| world.arrivals(message)), [1, 1, 1]);
}

#[tokio::test]
async fn of_two_batches_that_see_a_recovery_one_tells() {
    let mut world = World::start().await;
    let id = world.well_again(FAR).await;
    let [one, other] = [resent(&mut world), resent(&mut world)];
    // Each has read that the endpoint is down before the other has noted that it is well.
    world
        .started
        .aws
        .faults()
        .on("deliver", "BatchWriteItem")
        .times(2)
        .fail(Fault::Slow(Duration::from_secs(1)));
    let one = world.started.enqueued("DeliveriesQueue", &one).await;
    let other = world.started.enqueued("DeliveriesQueue", &other).await;
    join!(world.started.handle(one), world.started.handle(other));
    assert_eq!(world.health().get(id).await.unwrap().unwrap().failures, 0);
    let mut told = 0;
    for body in world.drain("DeliveriesQueue").await {
        told += usize::from(body.contains("webhook.endpoint.recovered"));
    }
    assert_eq!(told, 1);
}

#[tokio::test]
async fn what_a_half_done_call_has_parked_leaves_its_queue_and_the_rest_stays() {
    let mut world = World::start().await;
    let id = world.well_again(FAR).await;
    world.started.aws.faults().on("deliver", "BatchWriteItem").fail(Fault::Partly);
    let mut batch = SqsEvent::default();
    for _ in 0..4 {
        let message = world.message(1);
        batch.records.extend(world.started.enqueued("DeliveriesQueue", &message).await.records);
    }
    let kept = world.started.handle(batch).await;
    let parked = world.parked(id).await;
    assert!(!kept.is_empty() && !parked.is_empty(), "half is done");
    assert_eq!(kept.len() + parked.len(), 4, "no delivery is in two places: {kept:?}, {parked:?}");
}

#[tokio::test]
async fn a_circuit_that_opens_again_while_its_parked_deliveries_are_let_go_stays_open() {
    let mut world = World::start().await;
    let id = world.well_again(Phase::RECOVERED).await;
    world.park_some(3).await;
    world
        .started
        .aws
        .faults()
        .on("deliver", "SendMessageBatch")
        .times(1)
        .fail(Fault::Slow(Duration::from_millis(500)));
    let reopened = async {
        world.until_something_goes_wrong().await;
        world.health().reopen(id, &world.the_circuit(id).await.unwrap().opening).await.unwrap();
    };
    let (again, ()) = join!(world.step(id), reopened);
    let circuit = world.the_circuit(id).await.unwrap();
    assert_eq!((again, circuit.step, circuit.phase), (false, 1, Phase::FIRST));
    let seconds = circuit.due_at.since(clock::now()).as_secs();
    assert!((1..=5).contains(&seconds), "a probe in {seconds} s");
}

#[tokio::test]
async fn a_probe_that_fails_does_not_undo_a_change_of_the_endpoint() {
    let mut world = World::start().await;
    let id = world.with_circuit(FAR, false).await;
    world.park_some(1).await;
    let health = world.health().get(id).await.unwrap().unwrap();
    world
        .started
        .aws
        .faults()
        .on("deliver", "BatchWriteItem")
        .times(1)
        .fail(Fault::Slow(Duration::from_millis(500)));
    let changed = async {
        world.until_something_goes_wrong().await;
        world.health().start_afresh(&health).await.unwrap();
    };
    let (again, ()) = join!(world.step(id), changed);
    let circuit = world.the_circuit(id).await.unwrap();
    assert_eq!(
        (again, circuit.step, circuit.phase),
        (false, 1, Phase::RECOVERED),
        "what is parked is let go"
    );
    assert!(circuit.due_at.since(clock::now()) <= Phase::RECOVERED.wait(), "soon");
}

#[tokio::test]
async fn one_that_opens_again_just_before_its_last_step_is_written_down_is_not_closed() {
    let mut world = World::start().await;
    let id = world.well_again(Phase::Lingering(Timestamp::from_seconds(1))).await;
    let health = world.health().get(id).await.unwrap().unwrap();
    world.health().start_afresh(&health).await.unwrap();
    // The first call takes the step, the second closes the circuit.
    world
        .started
        .aws
        .faults()
        .on("deliver", "UpdateItem")
        .after(1)
        .times(1)
        .fail(Fault::Slow(Duration::from_millis(500)));
    let reopened = async {
        world.until_something_goes_wrong().await;
        world
            .health()
            .failed(health.project, id, OPENS_AFTER, clock::now(), clock::now())
            .await
            .unwrap();
        world.health().reopen(id, &health.circuit.as_ref().unwrap().opening).await.unwrap();
    };
    let (again, ()) = join!(world.step(id), reopened);
    let circuit = world.the_circuit(id).await.unwrap();
    assert_eq!(
        (again, circuit.step, circuit.phase),
        (true, 0, Phase::FIRST),
        "its message comes again, and probes"
    );
    let parked = world.park_some(1).await;
    assert!(!world.step(id).await);
    assert_eq!(world.attempts(&parked[0]).await[0].outcome, Outcome::Succeeded);
}

#[tokio::test]
async fn a_lost_step_is_sent_again_as_the_same_step() {
    let mut world = World::start().await;
    let id = world.well_again(Phase::FIRST).await;
    let parked = world.park_some(1).await;
    let circuit = world.the_circuit(id).await.unwrap();
    let eleven_minutes_ago = Timestamp::from_seconds(clock::now().seconds() - 660);
    world.health().reschedule(id, &circuit, eleven_minutes_ago).await.unwrap();
    // A delivery comes, and is parked too.
    let another = world.message(1);
    assert_eq!(world.deliver(&another).await, [""; 0]);
    let step = world.started.received("RetriesQueue").await;
    assert_eq!(world.started.handle(step).await, [""; 0]);
    let now = world.the_circuit(id).await.unwrap();
    assert_eq!((now.opening, now.step, now.phase), (circuit.opening, 1, Phase::RECOVERED));
    assert_eq!(world.arrivals(&parked[0]), 1, "the probe");
}

#[tokio::test]
async fn parked_deliveries_of_newer_code_keep_their_circuit_until_that_comes() {
    let mut world = World::start().await;
    let id = world.well_again(Phase::FIRST).await;
    let event = world.message(1).event.id;
    let row = json!({
        "pk": {"S": format!("PARKED#{id}#{}", event.shard())}, "sk": {"S": format!("{event}##1")},
        "parked_at": {"N": "1"}, "body": {"S": "{\"v\":99}"},
    });
    world.started.aws.put_row("LogTable", &row).await;
    for _ in 0..3 {
        assert!(world.step(id).await, "it comes again");
    }
    assert_eq!(world.the_circuit(id).await.unwrap().phase, Phase::FIRST);
}

#[tokio::test]
async fn an_endpoint_with_a_rate_limit_gets_no_more_of_its_parked_deliveries_than_it_takes() {
    let mut world = World::start().await;
    let id = world.well_again(Phase::Releasing(400)).await;
    let known = world.health().get(id).await.unwrap().unwrap();
    world.health().start_afresh(&known).await.unwrap();
    world.change(id, |endpoint| endpoint.rate_limit = Some(2)).await;
    world.park_some(5).await;
    let mut left = Vec::new();
    while !world.parked(id).await.is_empty() {
        assert!(!world.step(id).await);
        left.push(world.parked(id).await.len());
    }
    assert_eq!(left, [3, 1, 0]);
    assert!(
        matches!(world.the_circuit(id).await.unwrap().phase, Phase::Lingering(_)),
        "all are gone"
    );
}
