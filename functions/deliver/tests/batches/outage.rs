//! An outage of a day, by a clock of the test: the queues and the functions go by it.

use std::time::Duration;

use domain::{health::OPENS_AFTER, message::Message, time::Timestamp, work};
use emulator::sqs::Clock;
use runtime::clock;
use store::due::DueRow;

use super::faults::{World, now};

const DAY: Duration = Duration::from_hours(24);
/// Longer than any step is away, and than all of them need once the receiver is well.
const AFTERWARDS: Duration = Duration::from_hours(26);
/// Deliveries that come while the receiver is down.
const PARKED: usize = 30;

impl World {
    /// One batch, as Lambda's event source mapping takes it at the time that the clock says. How
    /// many messages that were.
    pub(super) async fn turn_by(&self, queue: &str, clock: &Clock) -> usize {
        let taken = self.started.aws.visible(queue).await;
        if taken.is_empty() {
            return 0;
        }
        let event = self.event(queue, &taken);
        let deadline = now(clock) + Duration::from_mins(1);
        let kept = self.started.handle_until(event, deadline).await.unwrap();
        let is_done = |message: &&aws_sdk_sqs::types::Message| {
            !kept.contains(message.message_id.as_ref().unwrap())
        };
        let receipts =
            taken.iter().filter(is_done).map(|message| message.receipt_handle.clone().unwrap());
        self.started.aws.acknowledge(queue, receipts).await;
        taken.len()
    }
}

struct Outage {
    world: World,
    clock: Clock,
    /// Batches and steps.
    invocations: usize,
}

impl Outage {
    /// A receiver is down, its circuit has opened, and deliveries to it are parked.
    async fn begin() -> (Self, Vec<Message>) {
        let clock = Clock::manual(clock::now().millis().try_into().unwrap());
        let mut world = World::start_by(clock.clone()).await;
        let failing: Vec<_> = (0..OPENS_AFTER).map(|_| world.message(1)).collect();
        let parked: Vec<_> = (0..PARKED).map(|_| world.message(1)).collect();
        let mut outage = Self { world, clock, invocations: 0 };
        for messages in
            [failing].iter().chain(parked.chunks(10).map(<[_]>::to_vec).collect::<Vec<_>>().iter())
        {
            let bodies: Vec<_> =
                messages.iter().map(|message| work::encode(message).unwrap()).collect();
            outage.world.enqueue("DeliveriesQueue", &bodies).await;
            assert_eq!(outage.turn("DeliveriesQueue").await, messages.len());
        }
        (outage, parked)
    }

    async fn turn(&mut self, queue: &str) -> usize {
        let count = self.world.turn_by(queue, &self.clock).await;
        self.invocations += usize::from(count > 0);
        count
    }

    /// All that happens until then: whenever nothing is left to do, the clock moves on to the
    /// circuit's next step.
    async fn go_on_until(&mut self, end: Timestamp) {
        let id = self.world.endpoints[1];
        while now(&self.clock) < end {
            if self.turn("RetriesQueue").await + self.turn("DeliveriesQueue").await > 0 {
                continue;
            }
            let health = self.world.health_of(id).await;
            let due = health.due_at.unwrap_or(end + AFTERWARDS);
            if due > now(&self.clock) {
                // A delivery may come off a queue before.
                let wait = due.since(now(&self.clock));
                self.clock.advance(wait.min(Duration::from_mins(5)));
                continue;
            }
            self.invocations += 1;
            self.world.jobs.step(DueRow::Circuit(health.project, id)).await.unwrap();
        }
    }

    /// Requests of this delivery, but for the first ones that the receiver got.
    fn arrivals(&self, message: &Message, before: usize) -> usize {
        let id = message.event.id.to_string();
        self.world
            .bad
            .webhooks()
            .iter()
            .skip(before)
            .filter(|webhook| webhook.header("webhook-id") == id)
            .count()
    }
}

#[tokio::test]
async fn a_receiver_that_was_down_for_a_day_gets_what_was_parked_as_soon_as_it_is_well() {
    let (mut outage, parked) = Outage::begin().await;
    let end = now(&outage.clock) + DAY;
    outage.go_on_until(end).await;
    assert!(outage.invocations > 2 * 24 * 60 / 5, "a probe every five minutes");

    let probes = outage.world.bad.webhooks().len();
    outage.world.bad.answer(200);
    outage.go_on_until(end + AFTERWARDS).await;
    assert_eq!(outage.world.the_circuit(outage.world.endpoints[1]).await, None, "all is done");
    assert_eq!(outage.world.parked(outage.world.endpoints[1]).await, []);
    for message in &parked {
        assert_eq!(outage.arrivals(message, probes), 1, "{}", message.event.id);
    }
}
