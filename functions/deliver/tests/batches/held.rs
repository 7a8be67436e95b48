//! Deliveries that wait for their owner, who has paused the endpoint, or for the operator, who has
//! suspended the project.

use std::sync::Arc;

use deliver::App;
use domain::{
    delivery::End,
    health::Phase,
    id::{EndpointId, EventId},
    message::Message,
    model::{Outcome, Status, Trigger},
    time::Timestamp,
};
use emulator::samples;
use serde_json::json;

use super::{
    faults::World,
    support::{OVER, logged},
};

impl World {
    /// The operator suspends the samples' project, or lets it go on; processes know it when they
    /// start.
    async fn suspend(&mut self, is_suspended: bool) {
        let aws = &self.started.aws;
        let mut row = json!({"pk": {"S": "STATUS"}, "sk": {"S": "STATUS"}});
        if is_suspended {
            row["suspended"] = json!({"SS": [samples::PROJECT]});
        }
        aws.put_row("ConfigTable", &row).await;
        let (config, settings) = (aws.sdk_config_of("deliver"), aws.settings_of("deliver"));
        self.started.app = Arc::new(App::new(&config, &settings).unwrap());
        let (config, settings) = (aws.sdk_config_of("jobs"), aws.settings_of("jobs"));
        self.jobs = jobs::App::new(&config, &settings).unwrap();
    }

    /// A retry of this delivery that is due: its first attempt has failed.
    async fn retry(&self, message: &Message) {
        let past = Some(Timestamp::from_seconds(1));
        self.started.record(&[logged(message, 1, Outcome::HttpError, past)]).await;
        let event = self.started.again("RetriesQueue", message, OVER).await;
        assert_eq!(self.started.handle(event).await, [""; 0]);
    }
}

#[tokio::test]
async fn a_pause_holds_what_is_due_and_uses_up_no_turn() {
    let mut world = World::start().await;
    let id = world.endpoints[0];
    let [first, due] = [0, 0].map(|place| world.message(place));
    world.change(id, |endpoint| endpoint.status = Status::Paused).await;
    world.retry(&due).await;
    assert_eq!(world.deliver(&first).await, [""; 0]);
    let mut parked = world.parked(id).await;
    parked.sort();
    assert_eq!(parked, [first.event.id, due.event.id]);
    let row = world.started.row(&due).await.unwrap();
    assert_eq!((row.history.attempts, row.history.turns), (1, 1));
    assert_eq!(world.attempts(&first).await, []);
    assert_eq!(world.health_of(id).await.failures, 0, "nothing is known of the receiver");
    assert!(world.step(id).await);
    assert_eq!(world.started.aws.visible("RetriesQueue").await, [], "nor is it probed");

    world.change(id, |endpoint| endpoint.status = Status::Active).await;
    for _ in 0..2 {
        assert!(world.step(id).await);
        world.take_what_jobs_sent().await;
    }
    for message in [&first, &due] {
        assert_eq!(world.arrivals(message), 1);
        assert_eq!(world.started.end(message).await, Some(End::Succeeded));
    }
    let attempts = world.attempts(&due).await;
    assert_eq!((attempts.len(), attempts[1].number), (2, 2));
}

#[tokio::test]
async fn a_test_of_a_paused_endpoint_is_told_so_at_once() {
    let mut world = World::start().await;
    world.change(world.endpoints[0], |endpoint| endpoint.status = Status::Paused).await;
    let test = Message { trigger: Trigger::Test, ..world.message(0) };
    assert_eq!(world.deliver(&test).await, [""; 0]);
    let [attempt] = world.attempts(&test).await.try_into().unwrap();
    assert_eq!(attempt.error.as_deref(), Some("the endpoint is paused"));
}

#[tokio::test]
async fn nothing_of_a_suspended_project_goes_out_until_it_is_active_again() {
    let mut world = World::start().await;
    world.suspend(true).await;
    let held_by = EndpointId::of_suspension(samples::PROJECT.parse().unwrap());
    let [first, due] = [0, 0].map(|place| world.message(place));
    let test = Message { trigger: Trigger::Test, ..world.message(0) };
    let failing = world.message(1);
    world.retry(&due).await;
    for message in [&first, &test, &failing] {
        assert_eq!(world.deliver(message).await, [""; 0]);
    }
    let all = [&first, &due, &test, &failing].map(|message| message.event.id);
    let sorted = |mut events: Vec<EventId>| {
        events.sort();
        events
    };
    assert_eq!(sorted(world.parked(held_by).await), sorted(all.to_vec()), "in one list");
    assert_eq!(world.health_of(held_by).await.phase(), Phase::FIRST);
    for message in [&first, &test, &failing] {
        assert!(world.attempts(message).await.is_empty());
    }
    for _ in 0..2 {
        assert!(world.step(held_by).await);
        assert_eq!(world.started.aws.visible("RetriesQueue").await, [], "while it is suspended");
    }

    world.suspend(false).await;
    for _ in 0..3 {
        assert!(world.step(held_by).await);
        world.take_what_jobs_sent().await;
    }
    for message in [&first, &due, &test] {
        assert_eq!(world.arrivals(message), 1);
        assert_eq!(world.started.end(message).await, Some(End::Succeeded));
    }
    let row = world.started.row(&failing).await.unwrap();
    assert!(row.due_at().is_some() && row.history.turns == 1, "it goes on by its schedule");
    assert!(world.parked(held_by).await.is_empty());
}
