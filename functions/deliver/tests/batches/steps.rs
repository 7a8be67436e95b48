//! Steps of a circuit that go wrong: one fails, one is lost, two runs do the same one, and the
//! circuit changes during one. And deliveries that come while a probe is due.

use std::time::Duration;

use aws_lambda_events::sqs::SqsEvent;
use domain::{
    delivery::End,
    health::{CLAIMED_FOR, Failures, Phase},
    id::{EndpointId, RoundId},
    message::Message,
    model::{Outcome, Trigger},
};
use emulator::{aws::Fault, samples, sqs::Clock};
use futures::join;
use runtime::clock;
use serde_json::json;

use super::faults::World;

/// Minutes from now.
const FAR: Phase = Phase::Open(9);

/// A resend to the endpoint that has the circuit: its first attempt is not parked.
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
        let event = if message.trigger == Trigger::Manual {
            self.started.resent(message).await
        } else {
            self.started.enqueued("DeliveriesQueue", message).await
        };
        self.started.handle(event).await
    }

    /// Does a step that is due, and then delivers what this released.
    async fn one_step_at_once(&self, id: EndpointId) {
        assert!(self.step_now(id).await);
        assert_eq!(self.waiting(id).await, []);
        self.turn("RetriesQueue").await;
        assert_eq!(self.parked(id).await, []);
    }

    async fn until_something_goes_wrong(&self) {
        while self.started.aws.faults().strikes() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// From its next call of this kind on, it takes half a second.
    fn slow(&self, function: &str, operation: &str) {
        let faults = self.started.aws.faults().on(function, operation);
        faults.times(1).fail(Fault::Slow(Duration::from_millis(500)));
    }
}

#[tokio::test]
async fn a_step_that_failed_is_done_by_the_next_run() {
    let mut world = World::start().await;
    let id = world.well_again(Phase::FIRST).await;
    let parked = world.park_some(1).await;
    world.started.aws.faults().on("jobs", "Query").fail(Fault::ExpiredCredentials);
    assert!(!world.step(id).await);
    world.started.aws.faults().heal();
    assert!(world.step_now(id).await, "nobody has claimed it");
    world.take_what_jobs_sent().await;
    assert_eq!(world.arrivals(&parked[0]), 1);
}

#[tokio::test]
async fn of_two_runs_at_once_one_sends_the_probe() {
    let mut world = World::start().await;
    let id = world.well_again(Phase::FIRST).await;
    world.park_some(1).await;
    world.wait_for_the_step(id).await;
    assert_eq!(join!(world.step_now(id), world.step_now(id)), (true, true));
    assert_eq!(world.started.count("RetriesQueue").await, 1);
}

#[tokio::test]
async fn of_two_runs_at_once_one_releases_what_is_parked() {
    let mut world = World::start().await;
    let id = world.well_again(Phase::RECOVERED).await;
    world.park_some(3).await;
    world.wait_for_the_step(id).await;
    assert_eq!(join!(world.step_now(id), world.step_now(id)), (true, true));
    assert_eq!(world.started.count("RetriesQueue").await, 3);
}

#[tokio::test]
async fn after_a_probe_that_was_lost_there_is_another() {
    let mut world = World::start().await;
    let id = world.well_again(Phase::FIRST).await;
    let parked = world.park_some(1).await;
    assert!(world.step(id).await);
    assert_eq!(world.drain("RetriesQueue").await.len(), 1, "it never arrives");
    let due = world.health_of(id).await.due_at.unwrap();
    assert!(due.since(clock::now()) <= CLAIMED_FOR, "the claim ends");
    world.wait_for_claims(id).await;
    assert!(world.step(id).await);
    world.take_what_jobs_sent().await;
    assert_eq!(world.arrivals(&parked[0]), 1);
}

#[tokio::test]
async fn a_probe_that_is_due_in_a_minute_is_sent_with_its_delay() {
    let mut world = World::start().await;
    let id = world.well_again(Phase::Open(3)).await;
    world.park_some(1).await;
    assert!(world.step_now(id).await);
    let visible = world.started.aws.visible("RetriesQueue").await;
    assert_eq!((visible.len(), world.started.count("RetriesQueue").await), (0, 1));
    assert!(world.step_now(id).await);
    assert_eq!(world.started.count("RetriesQueue").await, 1, "the next one is a minute later");
}

#[tokio::test]
async fn with_nothing_parked_a_circuit_stays_open_until_its_probe_is_due() {
    let mut world = World::start().await;
    let id = world.well_again(Phase::Open(3)).await;
    assert!(world.step_now(id).await);
    assert_eq!(world.the_circuit(id).await.unwrap().phase, Phase::Open(3));
    assert!(world.step(id).await);
    assert!(matches!(world.the_circuit(id).await.unwrap().phase, Phase::Lingering(_)));
}

#[tokio::test]
async fn a_delivery_that_comes_when_a_probe_is_due_is_the_probe_and_the_others_are_parked() {
    let mut world = World::start().await;
    let id = world.well_again(Phase::FIRST).await;
    world.wait_for_the_step(id).await;
    let messages = [1, 1, 1].map(|place| world.message(place));
    let mut batch = SqsEvent::default();
    for message in &messages {
        batch.records.extend(world.started.enqueued("DeliveriesQueue", message).await.records);
    }
    assert_eq!(world.started.handle(batch).await, [""; 0]);
    assert_eq!(messages.iter().map(|message| world.arrivals(message)).sum::<usize>(), 1);
    assert_eq!(world.parked(id).await.len(), 2);
    assert_eq!(world.the_circuit(id).await.unwrap().phase, Phase::RECOVERED);
    world.one_step_at_once(id).await;
    assert!(messages.iter().all(|message| world.arrivals(message) == 1));
}

#[tokio::test]
async fn a_delivery_that_was_a_probe_in_vain_is_parked_and_has_used_no_turn() {
    let mut world = World::start().await;
    let id = world.with_circuit(Phase::Open(1), false).await;
    world.wait_for_the_step(id).await;
    let message = world.message(1);
    assert_eq!(world.deliver(&message).await, [""; 0]);
    let [attempt] = world.attempts(&message).await.try_into().unwrap();
    assert_eq!((attempt.trigger, attempt.outcome), (Trigger::Probe, Outcome::HttpError));
    let due = world.health_of(id).await.due_at.unwrap();
    let shown = attempt.next_attempt_at.unwrap();
    assert!(due.since(shown) < Duration::from_secs(2) && shown <= due, "{shown:?}, {due:?}");
    assert_eq!(world.parked(id).await, [message.event.id]);
    let health = world.health_of(id).await;
    assert_eq!(health.circuit.unwrap().phase, Phase::Open(2));
    let seconds = health.due_at.unwrap().since(clock::now()).as_secs();
    assert!((15..=20).contains(&seconds), "the next one in {seconds} s");
    let next = world.message(1);
    assert_eq!(world.deliver(&next).await, [""; 0]);
    assert!(world.attempts(&next).await.is_empty(), "it is not due yet");
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
async fn after_a_change_of_the_endpoint_they_do_not_wait_for_the_next_probe() {
    let mut world = World::start().await;
    let id = world.well_again(FAR).await;
    let parked = world.park_some(2).await;
    let health = world.health_of(id).await;
    world.health().start_afresh(&health, clock::now()).await.unwrap();
    world.one_step_at_once(id).await;
    assert_eq!([&parked[0], &parked[1]].map(|message| world.arrivals(message)), [1, 1]);
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
    assert_eq!(world.health_of(id).await.failures, 0);
    assert_eq!(world.started.told("webhook.endpoint.recovered").await, 1);
}

#[tokio::test]
async fn what_was_parked_leaves_its_queue_and_the_rest_stays() {
    let mut world = World::start().await;
    let id = world.well_again(FAR).await;
    world.started.aws.faults().on("deliver", "PutItem").times(2).fail(Fault::ExpiredCredentials);
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
    world.slow("jobs", "SendMessageBatch");
    let reopened = async {
        world.until_something_goes_wrong().await;
        world.health().open(&world.health_of(id).await, clock::now()).await.unwrap();
    };
    let (done, ()) = join!(world.step(id), reopened);
    let health = world.health_of(id).await;
    assert_eq!((done, health.circuit.unwrap().phase), (true, Phase::FIRST));
    let seconds = health.due_at.unwrap().since(clock::now()).as_secs();
    assert!((1..=5).contains(&seconds), "a probe in {seconds} s");
}

#[tokio::test]
async fn a_probe_that_fails_does_not_undo_a_change_of_the_endpoint() {
    let mut world = World::start().await;
    let id = world.with_circuit(FAR, false).await;
    world.park_some(1).await;
    assert!(world.step(id).await);
    let health = world.health_of(id).await;
    world.slow("deliver", "BatchWriteItem");
    let changed = async {
        world.until_something_goes_wrong().await;
        world.health().start_afresh(&health, clock::now()).await.unwrap();
    };
    join!(world.take_what_jobs_sent(), changed);
    let health = world.health_of(id).await;
    assert_eq!(health.circuit.unwrap().phase, Phase::RECOVERED, "what is parked is let go");
    assert!(health.due_at.unwrap() <= clock::now(), "at once");
}

#[tokio::test]
async fn one_that_opens_again_just_before_its_last_step_is_written_down_is_not_closed() {
    let mut world = World::start().await;
    let id = world.well_again(Phase::Lingering(5)).await;
    let health = world.health_of(id).await;
    world.health().start_afresh(&health, clock::now()).await.unwrap();
    world.slow("jobs", "UpdateItem");
    let reopened = async {
        world.until_something_goes_wrong().await;
        let (now, project) = (clock::now(), health.project);
        let failing =
            world.health().failed(project, id, Failures::OPENING, now, now).await.unwrap();
        world.health().open(&failing, now).await.unwrap();
    };
    let (done, ()) = join!(world.step(id), reopened);
    assert_eq!((done, world.the_circuit(id).await.unwrap().phase), (true, Phase::FIRST));
    let parked = world.park_some(1).await;
    assert!(world.step(id).await);
    world.take_what_jobs_sent().await;
    assert_eq!(world.attempts(&parked[0]).await[0].outcome, Outcome::Succeeded);
}

#[tokio::test]
async fn parked_deliveries_of_newer_code_keep_their_circuit_until_that_comes() {
    let mut world = World::start().await;
    let id = world.well_again(Phase::Lingering(5)).await;
    let (project, event) = (samples::PROJECT, world.message(1).event.id);
    let shard = event.shard();
    let row = json!({
        "pk": {"S": format!("D#{project}#{shard}")}, "sk": {"S": format!("{event}#{id}")},
        "list": {"S": format!("parked#{project}#{id}#{shard}")}, "list_at": {"N": "1"},
        "unheard_of": {"S": "x"},
    });
    world.started.aws.put_row("StateTable", &row).await;
    for _ in 0..3 {
        assert!(world.step(id).await);
        assert_eq!(world.the_circuit(id).await.unwrap().phase, Phase::Lingering(0));
    }
}

#[tokio::test]
async fn an_endpoint_with_a_rate_limit_gets_no_more_of_its_parked_deliveries_than_it_takes() {
    let mut world = World::start().await;
    let id = world.well_again(Phase::Releasing(400)).await;
    let known = world.health_of(id).await;
    world.health().start_afresh(&known, clock::now()).await.unwrap();
    world.change(id, |endpoint| endpoint.rate_limit = Some(2)).await;
    world.park_some(5).await;
    let mut left = Vec::new();
    while !world.waiting(id).await.is_empty() {
        assert!(world.step(id).await);
        left.push(world.waiting(id).await.len());
    }
    assert_eq!(left, [3, 1, 0]);
    assert!(
        matches!(world.the_circuit(id).await.unwrap().phase, Phase::Lingering(_)),
        "all are gone"
    );
}

#[tokio::test]
async fn a_delivery_whose_probe_is_still_to_come_is_released_and_the_probe_is_void() {
    let mut world = World::start().await;
    let id = world.well_again(Phase::Open(3)).await;
    let parked = world.park_some(1).await;
    assert!(world.step_now(id).await);
    assert_eq!(world.started.count("RetriesQueue").await, 1, "a probe in half a minute");
    let health = world.health_of(id).await;
    world.health().start_afresh(&health, clock::now()).await.unwrap();
    world.one_step_at_once(id).await;
    assert_eq!(world.arrivals(&parked[0]), 1);
    assert_eq!(world.started.count("RetriesQueue").await, 1, "it names nothing any more");
    assert_eq!(world.started.end(&parked[0]).await, Some(End::Succeeded));
}

#[tokio::test]
async fn while_a_probe_is_on_its_way_no_other_is_sent_until_it_is_taken_for_lost() {
    let clock = Clock::manual(clock::now().millis().try_into().unwrap());
    let mut world = World::start_by(clock.clone()).await;
    let id = world.well_again(Phase::FIRST).await;
    world.park_some(2).await;
    for _ in 0..3 {
        assert!(world.step_now(id).await);
        clock.advance(Duration::from_secs(20));
        assert_eq!(world.started.count("RetriesQueue").await, 1);
    }
    clock.advance(CLAIMED_FOR);
    assert!(world.step_now(id).await);
    assert_eq!(world.started.count("RetriesQueue").await, 2);
}
