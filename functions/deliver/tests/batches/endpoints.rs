//! What becomes of an endpoint that is never well, and of parked deliveries whose endpoint is
//! paused, disabled, deleted or gone.

use std::sync::Arc;

use deliver::App;
use domain::{
    delivery::End,
    health::{Failures, OPENS_AFTER, Phase},
    id::{EndpointId, RoundId},
    message::Message,
    model::{Endpoint, Outcome, Status, Trigger},
    time::Timestamp,
};
use emulator::samples;
use runtime::clock;
use store::{Access, endpoints::EndpointStore};

use super::{
    faults::World,
    support::{OVER, OVER_AT, logged},
};

fn access() -> Access {
    Access::of_project(&samples::project().unwrap())
}

impl World {
    fn config(&self) -> EndpointStore {
        EndpointStore::new(self.table("ConfigTable"))
    }

    async fn endpoint(&self, id: EndpointId) -> Endpoint {
        self.config().get(access(), id).await.unwrap().unwrap()
    }

    /// The owner changes the endpoint.
    pub(super) async fn change(&self, id: EndpointId, change: impl FnOnce(&mut Endpoint)) {
        let old = self.endpoint(id).await;
        let mut new = old.clone();
        change(&mut new);
        self.config().replace(access(), &new).await.unwrap();
    }

    /// Runs the circuit's steps until nothing is parked, and then the deliveries that they
    /// released.
    async fn let_all_go(&self, id: EndpointId) {
        for _ in 0..3 {
            assert!(self.step(id).await);
            self.take_what_jobs_sent().await;
        }
        assert_eq!(self.parked(id).await, []);
        self.turn("DeliveriesQueue").await;
    }

    /// Each delivery is on record as refused, for this reason.
    async fn are_refused(&self, messages: &[Message], reason: &str) {
        for message in messages {
            let last = self.attempts(message).await.pop().unwrap();
            assert_eq!((last.outcome, last.next_attempt_at), (Outcome::Refused, None));
            assert!(last.error.as_ref().unwrap().contains(reason), "{last:?}");
        }
    }
}

#[tokio::test]
async fn an_endpoint_without_a_success_for_five_days_is_disabled() {
    let mut world = World::start().await;
    let id = world.with_circuit(Phase::FIRST, false).await;
    let days = |count: u64| Timestamp::from_seconds(clock::now().seconds() - count * 86_400);
    world.change(id, |endpoint| endpoint.retry_schedule = None).await;
    let health = world.health_of(id).await;
    for (since, disabled) in [(4, false), (6, true)] {
        world.health().start_afresh(&health, clock::now()).await.unwrap();
        world
            .health()
            .failed(health.project, id, Failures::OPENING, days(since), days(0))
            .await
            .unwrap();
        let message = world.message(1);
        assert_eq!(world.deliver(&message).await, [""; 0]);
        let now = world.endpoint(id).await;
        assert_eq!(now.status == Status::Disabled, disabled, "failing for {since} days");
        assert_eq!(now.disabled_reason.is_some_and(|reason| reason.contains("5 days")), disabled);
    }
}

#[tokio::test]
async fn what_an_endpoint_does_not_subscribe_to_any_more_ends_without_a_request() {
    let mut world = World::start().await;
    let id = world.endpoints[0];
    let [retry, first] = [0, 0].map(|place| world.message(place));
    world.change(id, |endpoint| endpoint.topics = vec!["other.*".parse().unwrap()]).await;
    world.started.record(&[logged(&retry, 1, Outcome::HttpError, Some(OVER_AT))]).await;
    let again = world.started.again("RetriesQueue", &retry, OVER).await;
    assert_eq!(world.started.handle(again).await, [""; 0]);
    assert_eq!(world.deliver(&first).await, [""; 0]);
    for message in [&retry, &first] {
        assert_eq!(world.arrivals(message), 0);
        assert_eq!(world.started.end(message).await, Some(End::Failed));
        let attempts = world.attempts(message).await;
        let last = attempts.last().unwrap();
        assert_eq!((last.outcome, last.next_attempt_at), (Outcome::Refused, None));
        assert!(last.error.as_ref().unwrap().contains("does not subscribe"), "{last:?}");
    }
    assert_eq!(world.started.told("webhook.delivery.failed").await, 0, "its owner has done it");

    // What a person sends goes there all the same.
    let message = world.message(0);
    let round = Some(RoundId::new(clock::now(), 1));
    let resent = Message { trigger: Trigger::Manual, round, ..message };
    assert_eq!(world.deliver(&resent).await, [""; 0]);
    assert_eq!(world.arrivals(&resent), 1);
}

#[tokio::test]
async fn a_target_that_may_not_be_reached_is_down_like_any_other() {
    let mut world = World::start().await;
    let id = world.with_circuit(Phase::FIRST, true).await;
    let health = world.health_of(id).await;
    world.health().close(&health).await.unwrap();
    world.health().start_afresh(&health, clock::now()).await.unwrap();
    // As deployed, the function may not connect to this machine.
    let aws = &world.started.aws;
    let deployed = App::new(
        &aws.sdk_config_of("deliver"),
        &aws.environment_of("deliver").into_iter().collect(),
    )
    .unwrap();
    world.started.app = Arc::new(deployed);
    for _ in 0..OPENS_AFTER {
        let message = world.message(1);
        assert_eq!(world.deliver(&message).await, [""; 0]);
        assert_eq!(world.attempts(&message).await[0].outcome, Outcome::Refused);
    }
    assert!(world.health_of(id).await.is_open(), "its deliveries don't fill the queue of retries");
    let parked = world.message(1);
    assert_eq!(world.deliver(&parked).await, [""; 0]);
    assert!(world.step(id).await);
    world.take_what_jobs_sent().await;
    assert_eq!(
        world.the_circuit(id).await.unwrap().phase,
        Phase::Open(1),
        "the probe was refused as well"
    );
    assert_eq!(world.parked(id).await, [parked.event.id]);
}

#[tokio::test]
async fn while_an_endpoint_is_paused_its_parked_deliveries_stay_parked() {
    for (before, after) in [(Phase::FIRST, Phase::Open(1)), (Phase::RECOVERED, Phase::FIRST)] {
        let mut world = World::start().await;
        let id = world.well_again(before).await;
        let parked = world.park_some(3).await;
        world.change(id, |endpoint| endpoint.status = Status::Paused).await;
        assert!(world.step(id).await);
        assert_eq!(
            (world.the_circuit(id).await.unwrap().phase, world.parked(id).await.len()),
            (after, 3)
        );
        assert_eq!(world.attempts(&parked[0]).await.len(), 0, "none is refused");

        // As turning it on does.
        world.change(id, |endpoint| endpoint.status = Status::Active).await;
        let health = world.health_of(id).await;
        world.health().start_afresh(&health, clock::now()).await.unwrap();
        world.let_all_go(id).await;
        assert!(parked.iter().all(|message| world.arrivals(message) == 1));
    }
}

#[tokio::test]
async fn parked_deliveries_of_a_disabled_endpoint_have_failed() {
    let mut world = World::start().await;
    let id = world.well_again(Phase::FIRST).await;
    let parked = world.park_some(2).await;
    world.change(id, |endpoint| endpoint.status = Status::Disabled).await;
    world.let_all_go(id).await;
    world.are_refused(&parked, "disabled").await;
    assert_eq!(world.parked(id).await, []);
}

#[tokio::test]
async fn parked_deliveries_of_a_deleted_endpoint_go_nowhere() {
    let mut world = World::start().await;
    let id = world.well_again(Phase::FIRST).await;
    let parked = world.park_some(2).await;
    assert!(world.config().delete(access(), id).await.unwrap());
    world.let_all_go(id).await;
    world.are_refused(&parked, "deleted").await;
    assert_eq!(world.parked(id).await, []);
}

#[tokio::test]
async fn a_receiver_that_answers_a_probe_with_410_is_disabled_and_nothing_stays_parked() {
    let mut world = World::start().await;
    let id = world.well_again(Phase::FIRST).await;
    let parked = world.park_some(2).await;
    let gone = samples::endpoint(world.gone.url()).unwrap().url;
    world.change(id, |endpoint| endpoint.url = gone).await;
    world.let_all_go(id).await;
    assert_eq!(world.endpoint(id).await.status, Status::Disabled);
    world.are_refused(&parked[1..], "disabled").await;
    assert_eq!(world.parked(id).await, []);
}
