//! A receiver that refuses some events for good gets all others soon, with and without an outage:
//! hours of traffic, by a clock of the test.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use domain::{id::EventId, message::Message, time::Timestamp, work};
use emulator::sqs::Clock;
use futures::TryStreamExt;
use runtime::clock;
use store::due::DueList;

use super::{
    faults::{World, now},
    support::schedule,
};

/// Seconds between the attempts of a delivery: eight attempts in three hours.
const SCHEDULE: [u32; 7] = [5, 60, 300, 900, 1_800, 3_600, 3_600];
/// How long events come.
const TRAFFIC: Duration = Duration::from_mins(45);
/// Between two looks at the queues and at what is due.
const TICK: Duration = Duration::from_secs(10);
/// Events of a tick.
const EVENTS: usize = 4;
/// From when on the receiver answers 503 to everything, and for how long.
const OUTAGE: (Duration, Duration) = (Duration::from_mins(20), Duration::from_mins(5));
/// How long a good event may take, outages not counted: two of the longest waits between probes, as
/// the one that is due first may be of a refused event; and some for the release.
const SOON: Duration = Duration::from_mins(10);

/// What the receiver knows.
#[derive(Default)]
struct Receiver {
    refused: Mutex<HashSet<String>>,
    is_down: AtomicBool,
    /// When each event was taken.
    taken: Mutex<HashMap<String, Vec<Timestamp>>>,
}

impl Receiver {
    fn judge(&self, id: &str, now: Timestamp) -> u16 {
        if self.is_down.load(Ordering::SeqCst) {
            return 503;
        }
        if self.refused.lock().unwrap().contains(id) {
            return 400;
        }
        self.taken.lock().unwrap().entry(id.to_owned()).or_default().push(now);
        200
    }
}

struct Traffic {
    world: World,
    clock: Clock,
    receiver: Arc<Receiver>,
    begun: Timestamp,
    good: Vec<EventId>,
    /// Which of a hundred events it refuses, spread by a random number.
    percent: u128,
    /// Ticks at which the circuit was open.
    open: usize,
}

impl Traffic {
    async fn begin(percent: u128) -> Self {
        let clock = Clock::manual(clock::now().millis().try_into().unwrap());
        let world = World::start_by(clock.clone()).await;
        let change = |endpoint: &mut domain::model::Endpoint| {
            endpoint.retry_schedule = Some(schedule(&SCHEDULE));
        };
        world.change(world.endpoints[1], change).await;
        let receiver = Arc::new(Receiver::default());
        let (judge, by) = (Arc::clone(&receiver), clock.clone());
        world.bad.answer_by(move |webhook| judge.judge(webhook.header("webhook-id"), now(&by)));
        let begun = now(&clock);
        Self { world, clock, receiver, begun, good: Vec::new(), percent, open: 0 }
    }

    /// New events, some of which the receiver will refuse.
    async fn post(&mut self) {
        let at = now(&self.clock);
        let messages: Vec<_> = (0..EVENTS)
            .map(|_| {
                let mut message: Message = self.world.message(1);
                message.event.id = EventId::new(at, self.world.number);
                message.enqueued_at = at;
                // Spread evenly, and not in a rhythm: a multiplicative hash.
                let spread = (self.world.number * 0x9E37_79B9_7F4A_7C15) >> 16;
                if spread % 100 < self.percent {
                    let id = message.event.id.to_string();
                    self.receiver.refused.lock().unwrap().insert(id);
                } else {
                    self.good.push(message.event.id);
                }
                message
            })
            .collect();
        let bodies: Vec<_> =
            messages.iter().map(|message| work::encode(message).unwrap()).collect();
        self.world.enqueue("DeliveriesQueue", &bodies).await;
    }

    /// Does all that is due by now.
    async fn work(&mut self) {
        loop {
            let due: Vec<_> = DueList::new(self.world.table("StateTable"))
                .until(now(&self.clock))
                .try_collect()
                .await
                .unwrap();
            for due in due {
                self.world.jobs.step(due.row).await.unwrap();
            }
            let mut handled = 0;
            for queue in ["DeliveriesQueue", "RetriesQueue"] {
                handled += self.world.turn_by(queue, &self.clock).await;
            }
            if handled == 0 {
                break;
            }
        }
        let health = self
            .world
            .health()
            .get(emulator::samples::PROJECT.parse().unwrap(), self.world.endpoints[1])
            .await
            .unwrap();
        self.open += usize::from(health.is_some_and(|health| health.is_open()));
    }

    /// Events come for a while, with an outage; then all that waits is worked off.
    async fn go_on(&mut self) {
        let (down, up) = (self.begun + OUTAGE.0, self.begun + OUTAGE.0 + OUTAGE.1);
        while now(&self.clock) < self.begun + TRAFFIC {
            let at = now(&self.clock);
            self.receiver.is_down.store(down <= at && at < up, Ordering::SeqCst);
            self.post().await;
            self.work().await;
            self.clock.advance(TICK);
        }
        while now(&self.clock) < self.begun + TRAFFIC + SOON {
            self.work().await;
            self.clock.advance(TICK);
        }
    }

    /// All good events were taken once, soon after they were posted or the outage was over.
    fn audit(&self) {
        let taken = self.receiver.taken.lock().unwrap();
        let up = self.begun + OUTAGE.0 + OUTAGE.1;
        let (mut missing, mut late, mut twice) = (0, Duration::ZERO, 0);
        for event in &self.good {
            let Some(times) = taken.get(&event.to_string()) else {
                missing += 1;
                continue;
            };
            twice += usize::from(times.len() > 1);
            let posted = event.time();
            let from = if posted >= self.begun + OUTAGE.0 && posted < up { up } else { posted };
            late = late.max(times[0].since(from));
        }
        let (good, refused) = (self.good.len(), self.receiver.refused.lock().unwrap().len());
        eprintln!(
            "{}%: {good} good, {refused} refused; {missing} missing, {twice} twice, at most \
             {late:?} \
             late; open at {} of {} looks",
            self.percent,
            self.open,
            (TRAFFIC + SOON).as_secs() / TICK.as_secs(),
        );
        assert_eq!((missing, twice), (0, 0));
        assert!(late <= SOON, "{late:?}");
    }
}

/// Runs it with this share of refused events.
async fn all_good_ones_arrive(percent: u128) {
    let mut traffic = Traffic::begin(percent).await;
    traffic.go_on().await;
    traffic.audit();
}

#[tokio::test]
async fn a_receiver_that_refuses_one_of_a_hundred_gets_all_others() {
    all_good_ones_arrive(1).await;
}

#[tokio::test]
async fn a_receiver_that_refuses_one_of_ten_gets_all_others() {
    all_good_ones_arrive(10).await;
}

#[tokio::test]
async fn a_receiver_that_refuses_one_of_five_gets_all_others() {
    all_good_ones_arrive(20).await;
}

#[tokio::test]
async fn a_receiver_that_refuses_every_other_event_gets_all_others() {
    all_good_ones_arrive(50).await;
}
