//! One dead endpoint next to a healthy one: what the healthy one notices, what the queues hold, and
//! how everything arrives once the dead one is well.
//!
//! Posting itself costs time that the healthy one's events wait for, so the same flood goes to an
//! endpoint that takes it, for comparison.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::join_all;
use serde_json::{Value as Json, json};
use tokio::time::{sleep, sleep_until};

use crate::{Client, Queues, Receiver, Reply, Stack};

/// What the load is to be.
#[derive(Debug, Clone)]
pub struct DeadPlan {
    /// Events for the dead endpoint.
    pub events: usize,
    /// Of these, per second.
    pub rate: f64,
    /// After the recovery, what takes longer without an arrival is lost. A probe may take five
    /// minutes to come.
    pub patience: Duration,
}

/// Events of one request.
const BATCH: usize = 50;
/// Between two events for the healthy endpoint.
const HEALTHY_EVERY: Duration = Duration::from_millis(250);
/// How many of its events are measured without a flood.
const ALONE: usize = 80;
/// Between two looks at the queues.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// What stays on the queues of a dead endpoint: first attempts before the circuit opened, and steps
/// of the circuit.
pub const IN_FLIGHT: usize = 1_000;

/// What happened.
#[derive(Debug)]
pub struct Figures {
    /// Events for the dead endpoint.
    pub events: usize,
    /// From post to arrival at the healthy endpoint: alone, beside a flood to one that takes it,
    /// beside the flood to the dead one.
    pub waits: [Waits; 3],
    /// The most messages that the retries queue has held.
    pub most_retries: usize,
    /// The most that were received and not deleted, in both queues.
    pub most_in_flight: usize,
    /// The most that waited for their first attempt.
    pub most_waiting: usize,
    /// Events that never arrived, and that arrived more than once.
    pub lost_and_twice: (usize, usize),
    /// Requests that the dead endpoint got while it was down.
    pub in_vain: usize,
    /// From the recovery to the first arrival, and from there to the last.
    pub release: (Duration, Duration),
    /// How far from its place by age an event arrived: the median, and the furthest of the nearest
    /// 95 %.
    pub displacement: (usize, usize),
}

/// A median and a 95th percentile.
#[derive(Debug, Clone, Copy)]
pub struct Waits(pub Duration, pub Duration);

impl Figures {
    /// Everything arrived once, in few messages.
    pub fn hold(&self) -> bool {
        self.lost_and_twice == (0, 0) && self.most_retries <= IN_FLIGHT
    }
}

/// Runs it.
pub async fn run(plan: &DeadPlan) -> Figures {
    println!("dead: {plan:?}");
    let stack = Stack::start().await;
    let project = stack.project().await;
    let (healthy, sink, dead) =
        (Receiver::start().await, Receiver::start().await, Receiver::start().await);
    dead.always(Reply::status(500));
    subscribe(&project, &healthy, "load.healthy").await;
    subscribe(&project, &sink, "load.sink").await;
    subscribe(&project, &dead, "load.dead").await;
    let most: Arc<[AtomicUsize; 3]> = Arc::default();

    let times = beside(&project, async {
        sleep(HEALTHY_EVERY * u32::try_from(ALONE).unwrap_or(u32::MAX)).await;
    })
    .await;
    let alone = waits(&healthy, times).await;
    println!("the healthy one alone: {alone}");
    let times =
        beside(&project, flood(&project, plan, "load.sink", (plan.events / 4).min(1_000))).await;
    let control = waits(&healthy, times).await;
    stack.queues().wait_until_idle().await;
    println!("beside a flood to one that takes it: {control}");
    let watching = tokio::spawn(watch(stack.queues(), Arc::clone(&most)));
    let started = Instant::now();
    let times = beside(&project, flood(&project, plan, "load.dead", plan.events)).await;
    println!("{} events acknowledged in {:.0} s", plan.events, started.elapsed().as_secs_f64());
    let beside_dead = waits(&healthy, times).await;
    println!("beside the flood to the dead one: {beside_dead}");
    until_parked(&stack.queues()).await;
    watching.abort();
    let took = started.elapsed().as_secs_f64();
    println!("{took:.0} s after the start, all is parked; the dead one is well now");

    let in_vain = dead.take().len();
    let healed = Instant::now();
    dead.always(Reply::status(200));
    let arrived = arrivals(&dead, plan).await;
    let mut counts: HashMap<u64, usize> = HashMap::new();
    for (number, _) in &arrived {
        *counts.entry(*number).or_default() += 1;
    }
    let (first, last) = (
        arrived.first().map_or(healed, |arrival| arrival.1),
        arrived.last().map_or(healed, |arrival| arrival.1),
    );
    let load = |index: usize| most[index].load(Ordering::SeqCst);
    Figures {
        events: plan.events,
        waits: [alone, control, beside_dead],
        most_waiting: load(0),
        most_retries: load(1),
        most_in_flight: load(2),
        lost_and_twice: (
            plan.events - counts.len(),
            counts.values().filter(|count| **count > 1).count(),
        ),
        in_vain,
        release: (first - healed, last - first),
        displacement: displacement(&arrived),
    }
}

/// Makes a topic, and an endpoint that subscribes to it.
async fn subscribe(project: &Client, receiver: &Receiver, topic: &str) {
    let path = format!("/webhooks/topics/{topic}");
    project.put(&path, json!({"description": "The load"})).await.expect(201);
    project.create_endpoint(&receiver.url("/"), &[topic]).await;
}

/// Posts to the healthy endpoint for as long as `other` takes. When each event was posted, by its
/// id.
async fn beside(project: &Client, other: impl Future<Output = ()>) -> HashMap<String, Instant> {
    let over = AtomicBool::new(false);
    let posting = async {
        let mut times = HashMap::new();
        let mut due = Instant::now();
        while !over.load(Ordering::SeqCst) {
            let posted = Instant::now();
            times.insert(project.post_event("load.healthy", json!({})).await.id, posted);
            due = (due + HEALTHY_EVERY).max(Instant::now());
            sleep_until(due.into()).await;
        }
        times
    };
    let other = async {
        other.await;
        over.store(true, Ordering::SeqCst);
    };
    tokio::join!(posting, other).0
}

/// Posts this many events by a few clients, at the plan's rate.
async fn flood(project: &Client, plan: &DeadPlan, topic: &str, events: usize) {
    let started = Instant::now();
    let next = AtomicUsize::new(0);
    let clients = (0..3).map(async |_| {
        loop {
            let first = next.fetch_add(BATCH, Ordering::SeqCst);
            if first >= events {
                return;
            }
            #[expect(clippy::cast_precision_loss, reason = "few events")]
            sleep_until((started + Duration::from_secs_f64(first as f64 / plan.rate)).into()).await;
            let batch: Vec<Json> = (first..events.min(first + BATCH))
                .map(|number| json!({"kind": topic, "data": {"number": number}}))
                .collect();
            project.post_batch(batch).await;
        }
    });
    join_all(clients).await;
}

/// Notes the most that the queues hold.
async fn watch(queues: Queues, most: Arc<[AtomicUsize; 3]>) {
    let mut last = Instant::now();
    loop {
        let (waiting, taken) = queues.depth("-deliveries").await;
        let (due, hidden) = queues.depth("-retries").await;
        for (most, now) in most.iter().zip([waiting, due + hidden, taken + hidden]) {
            most.fetch_max(now, Ordering::SeqCst);
        }
        if last.elapsed() > Duration::from_secs(10) {
            println!(
                "deliveries: {waiting} wait, {taken} in flight; retries: {due} due, {hidden} hidden"
            );
            last = Instant::now();
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Waits until nothing waits for a first attempt.
async fn until_parked(queues: &Queues) {
    while queues.depth("-deliveries").await != (0, 0) {
        sleep(LOOK_EVERY).await;
    }
}

/// Event numbers and times in the order of arrival, once all are there or nothing has come for too
/// long.
async fn arrivals(receiver: &Receiver, plan: &DeadPlan) -> Vec<(u64, Instant)> {
    let (mut all, mut last, mut told) = (Vec::new(), Instant::now(), Instant::now());
    // A little longer than until the last one, for what comes twice.
    while (all.len() < plan.events && last.elapsed() < plan.patience)
        || last.elapsed() < Duration::from_secs(5)
    {
        for request in receiver.take() {
            last = Instant::now();
            all.push((
                request.json()["data"]["number"].as_u64().expect("a number"),
                request.arrived,
            ));
        }
        if told.elapsed() > Duration::from_secs(10) {
            println!("{} of {} have arrived", all.len(), plan.events);
            told = Instant::now();
        }
        sleep(Duration::from_millis(200)).await;
    }
    all
}

/// The median and the 95th percentile of the waits of the events that were posted then; all of them
/// must arrive.
async fn waits(receiver: &Receiver, posted: HashMap<String, Instant>) -> Waits {
    let mut waits = Vec::new();
    let started = Instant::now();
    while waits.len() < posted.len() {
        let requests = receiver.take();
        waits.extend(requests.iter().filter_map(|request| {
            Some(request.arrived.saturating_duration_since(*posted.get(&request.webhook_id())?))
        }));
        assert!(
            started.elapsed() < Duration::from_mins(3),
            "{} of {} events arrived at the healthy endpoint",
            waits.len(),
            posted.len()
        );
        sleep(Duration::from_millis(100)).await;
    }
    waits.sort();
    Waits(waits[waits.len() / 2], waits[waits.len() * 95 / 100])
}

fn displacement(arrived: &[(u64, Instant)]) -> (usize, usize) {
    let mut by_age: Vec<u64> = arrived.iter().map(|(number, _)| *number).collect();
    by_age.sort_unstable();
    let place: HashMap<u64, usize> =
        by_age.into_iter().enumerate().map(|(place, number)| (number, place)).collect();
    let mut off: Vec<usize> = arrived
        .iter()
        .enumerate()
        .map(|(place_now, (number, _))| place[number].abs_diff(place_now))
        .collect();
    off.sort_unstable();
    if off.is_empty() { (0, 0) } else { (off[off.len() / 2], off[off.len() * 95 / 100]) }
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "median {} ms, 95th percentile {} ms", self.0.as_millis(), self.1.as_millis())
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [alone, control, beside] = &self.waits;
        writeln!(f, "\nfrom post to arrival at the healthy one:")?;
        writeln!(f, "  alone                                  {alone}")?;
        writeln!(f, "  beside a flood to one that takes it    {control}")?;
        writeln!(f, "  beside the same flood to a dead one    {beside}")?;
        writeln!(
            f,
            "queues at most: {} waiting for their first attempt, {} on the retries queue, {} in \
                flight",
            self.most_waiting, self.most_retries, self.most_in_flight
        )?;
        writeln!(
            f,
            "requests to the dead one in vain: {} for {} events",
            self.in_vain, self.events
        )?;
        let (wait, took) = self.release;
        writeln!(
            f,
            "after its recovery: {:.1} s until a probe came, {:.1} s for all",
            wait.as_secs_f64(),
            took.as_secs_f64()
        )?;
        let (lost, twice) = self.lost_and_twice;
        writeln!(f, "lost: {lost}; arrived more than once: {twice}")?;
        let (median, most) = self.displacement;
        write!(f, "places off the order by age: median {median}, 95th percentile {most}")
    }
}
