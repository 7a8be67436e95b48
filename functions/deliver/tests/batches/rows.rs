//! Deliveries that wait have one row: who acts for it, and what a message that doesn't is worth.

use std::time::Duration;

use domain::{
    delivery::End,
    delivery_row::{DeliveryRow, State},
    health::Phase,
    id::RoundId,
    message::Message,
    model::{Outcome, Trigger, attempt::DeliveryStatus},
    work,
};
use emulator::{aws::Fault, sqs::Clock, testing::again_in};
use runtime::clock;
use serde_json::json;
use store::due::DueRow;

use super::{
    faults::{World, now},
    support::{OVER, event_of, message_of, schedule, start},
};

#[tokio::test]
async fn a_message_that_was_not_sent_is_sent_when_the_one_before_comes_again() {
    let started = start(&[500], &[600]).await;
    let message = message_of("first-attempt.json", 0);
    let event = started.enqueued("DeliveriesQueue", &message).await;
    let calls = started.aws.faults().on("deliver", "SendMessageBatch");
    calls.times(1).fail(Fault::ExpiredCredentials);
    assert_eq!(started.handle(event.clone()).await.len(), 1, "it stays");
    let before = started.row(&message).await.unwrap();
    let mut again = event;
    again.records[0].attributes.insert("ApproximateReceiveCount".to_owned(), "2".to_owned());
    assert_eq!(started.handle(again).await, [""; 0]);
    let row = started.row(&message).await.unwrap();
    assert_eq!(row, DeliveryRow { seq: before.seq + 1, ..before }, "no other message acts for it");
    assert_eq!(started.count("RetriesQueue").await, 1);
    assert_eq!(started.receiver.webhooks().len(), 1, "and no request more");
}

#[tokio::test]
async fn a_long_wait_is_a_row_only_and_jobs_has_it_sent_when_it_is_due() {
    let clock = Clock::manual(clock::now().millis().try_into().unwrap());
    let mut world = World::start_by(clock.clone()).await;
    let bad = world.endpoints[1];
    world.change(bad, |endpoint| endpoint.retry_schedule = Some(schedule(&[7_200]))).await;
    let message = world.message(1);
    assert_eq!(world.deliver(&message).await, [""; 0]);
    assert_eq!(world.started.count("RetriesQueue").await, 0);
    let row = world.started.row(&message).await.unwrap();
    assert!(row.due_at().unwrap().since(now(&clock)) > Duration::from_hours(1));

    let due = DueRow::Delivery(row.project, row.event, row.endpoint);
    world.jobs.step(due).await.unwrap();
    assert_eq!(world.started.count("RetriesQueue").await, 0, "not yet");
    clock.advance(row.due_at().unwrap().since(now(&clock)));
    for _ in 0..2 {
        world.jobs.step(due).await.unwrap();
    }
    assert_eq!(world.started.count("RetriesQueue").await, 1, "once");
    world.bad.answer(200);
    let event = world.event("RetriesQueue", &world.started.aws.visible("RetriesQueue").await);
    let deadline = now(&clock) + Duration::from_mins(1);
    assert_eq!(world.started.handle_until(event, deadline).await.unwrap(), [""; 0]);
    assert_eq!(world.started.end(&message).await, Some(End::Succeeded));
    let attempts = world.attempts(&message).await;
    assert_eq!((attempts.len(), attempts[1].outcome), (2, Outcome::Succeeded));
}

#[tokio::test]
async fn the_sample_message_of_a_delivery_that_has_ended_is_void_and_costs_one_read() {
    let started = start(&[200], &[]).await;
    assert_eq!(started.handle(event_of("again.json")).await, [""; 0]);
    assert!(started.receiver.webhooks().is_empty());
    assert_eq!(started.calls(), json!([["BatchGetItem", "ok", 1]]));
}

#[tokio::test]
async fn a_message_for_which_another_one_acts_is_void() {
    let started = start(&[200], &[5]).await;
    let message = message_of("redriven.json", 0);
    let event = started.again("RetriesQueue", &message, OVER).await;
    let row = started.row(&message).await.unwrap();
    let later = started.rows().begin(row.clone()).await.unwrap().unwrap();
    assert_eq!(later, row, "it is the same wait");
    let other = DeliveryRow { enqueued_at: clock::now(), ..row.clone() };
    let later = started.rows().begin(other).await.unwrap().unwrap();
    assert_eq!(later.seq, row.seq + 1, "it is taken over");
    assert_eq!(started.handle(event).await, [""; 0]);
    assert!(started.receiver.webhooks().is_empty());
    assert_eq!(started.row(&message).await.unwrap().seq, later.seq, "it waits for its own");
}

#[tokio::test]
async fn two_messages_of_one_delivery_in_a_batch_are_two_requests_at_most_and_one_of_them_waits() {
    let started = start(&[200], &[5]).await;
    let message = message_of("redriven.json", 0);
    let mut event = started.again("RetriesQueue", &message, OVER).await;
    let mut twin = event.records[0].clone();
    twin.message_id = Some("twin".to_owned());
    event.records.push(twin);
    assert_eq!(started.handle(event.clone()).await, ["twin"]);
    event.records.remove(0);
    assert_eq!(started.handle(event).await, [""; 0], "its delivery has ended");
    assert_eq!(started.receiver.webhooks().len(), 1);
}

#[tokio::test]
async fn a_resend_that_fails_takes_the_place_of_the_schedule_that_waits() {
    let clock = Clock::manual(clock::now().millis().try_into().unwrap());
    let mut world = World::start_by(clock.clone()).await;
    let bad = world.endpoints[1];
    world.change(bad, |endpoint| endpoint.retry_schedule = Some(schedule(&[60]))).await;
    let message = world.message(1);
    assert_eq!(world.deliver(&message).await, [""; 0]);
    let round = Some(RoundId::new(clock::now(), 1));
    let resent = Message { trigger: Trigger::Manual, round, ..message.clone() };
    let event = world.started.resent(&resent).await;
    let deadline = now(&clock) + Duration::from_mins(1);
    let kept = world.started.handle_until(event, deadline).await.unwrap();
    assert_eq!(kept.len(), 1, "its message carries it on");
    let row = world.started.row(&message).await.unwrap();
    assert_eq!((row.round, row.trigger), (round, Trigger::Manual));
    assert_eq!(DeliveryStatus::of(&world.attempts(&message).await), DeliveryStatus::Pending);

    clock.advance(Duration::from_mins(2));
    let messages = world.started.aws.visible("RetriesQueue").await;
    assert_eq!(messages.len(), 2, "that of the schedule before is void");
    let event = world.event("RetriesQueue", &messages);
    let deadline = now(&clock) + Duration::from_mins(1);
    assert_eq!(world.started.handle_until(event, deadline).await.unwrap(), [""; 0]);
    let attempts = world.attempts(&message).await;
    assert_eq!((attempts.len(), attempts[2].round), (3, round));
    assert_eq!(DeliveryStatus::of(&attempts), DeliveryStatus::Failed);
    assert_eq!(world.started.end(&message).await, Some(End::Failed));
}

#[tokio::test]
async fn a_delivery_whose_event_is_not_kept_any_more_is_given_up_and_the_log_says_why() {
    let started = start(&[200], &[5]).await;
    let message = message_of("redriven.json", 0);
    let row = DeliveryRow::new(&message, OVER, 1, clock::now());
    let row = started.rows().begin(row).await.unwrap().unwrap();
    let body = work::encode_again(&row.again(false)).unwrap();
    let event = started.sent("RetriesQueue", body).await;
    assert_eq!(started.handle(event).await, [""; 0]);
    assert!(started.receiver.webhooks().is_empty());
    let [attempt] = started.attempts(message.event.id).await.try_into().unwrap();
    assert_eq!((attempt.outcome, attempt.next_attempt_at), (Outcome::Refused, None));
    assert!(attempt.error.unwrap().contains("older than events are kept"));
    assert_eq!(started.end(&message).await, Some(End::Failed));
}

#[tokio::test]
async fn a_delivery_whose_event_cannot_be_read_waits_until_it_can() {
    let started = start(&[200], &[5]).await;
    let message = message_of("redriven.json", 0);
    let body = started.waiting(&message, OVER).await;
    let (project, id) = (message.project, message.event.id);
    let logged = started.aws.rows("LogTable").await;
    let whole = logged.iter().find(|row| row["sk"]["S"] == id.to_string()).unwrap();
    let damaged = json!({"pk": {"S": format!("PROJ#{project}#{}", id.shard())},
        "sk": {"S": id.to_string()}, "data": {"N": "1"}});
    started.aws.put_row("LogTable", &damaged).await;
    let event = started.sent("RetriesQueue", body).await;
    assert_eq!(started.handle(event.clone()).await.len(), 1, "it is not given up");
    assert!(started.attempts(id).await.is_empty());
    started.aws.put_row("LogTable", whole).await;
    assert_eq!(started.handle(event).await, [""; 0]);
    assert_eq!(started.receiver.webhooks().len(), 1);
}

#[tokio::test]
async fn a_delivery_that_waits_while_its_circuit_opens_is_parked_in_its_row() {
    let mut world = World::start().await;
    let id = world.well_again(Phase::Open(9)).await;
    let message = world.message(1);
    let event = world.started.again("RetriesQueue", &message, OVER).await;
    let seq = again_in(event.records[0].body.as_deref().unwrap()).seq;
    assert_eq!(world.started.handle(event).await, [""; 0]);
    assert_eq!(world.waiting(id).await, [message.event.id]);
    let row = world.started.row(&message).await.unwrap();
    assert!(row.is_parked() && row.seq == seq && matches!(row.state, State::Parked { .. }));
}
