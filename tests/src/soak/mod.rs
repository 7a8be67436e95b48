//! The soak run: customers' servers of every kind, clients that post all the time, kills at any
//! moment, and then the books.
//!
//! - [`population`]: who receives
//! - [`posting`]: who posts
//! - [`trouble`]: what dies
//! - [`arrivals`]: what the receivers saw
//! - [`ledger`]: every acknowledged delivery, where it is and whether that adds up
//! - [`hostile`]: who does whatever is allowed
//! - [`dead`]: one dead endpoint next to a healthy one, under load
//!
//! A seed repeats what is posted, answered and killed, but not the clock.

mod arrivals;
pub mod dead;
mod hostile;
mod ledger;
mod population;
mod posting;
mod queued;
pub mod recover;
mod trouble;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::watch;

use crate::{Client, Stack};
use arrivals::Arrivals;
use hostile::Hostile;
pub use ledger::Ledger;
use population::Population;
use posting::Posted;

/// What a run is to be.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How long clients post and processes die.
    pub length: Duration,
    /// How long everything that can still move may take to come to rest, afterwards.
    pub drain: Duration,
    /// Events per second, of all clients together.
    pub rate: f64,
    /// How many post at once.
    pub clients: u32,
    /// The mean time between two kills; `None` without kills.
    pub kill_every: Option<Duration>,
    /// Of a hundred calls of AWS so many go wrong, and more of the writes to a table with an index.
    pub trouble: u32,
    /// Whether a hostile project is there too.
    pub hostile: bool,
    /// Of all that is random.
    pub seed: u64,
}

/// Runs it, prints its progress, and returns the books.
pub async fn run(plan: &Plan) -> Ledger {
    println!("soak: {plan:?}");
    let started = Instant::now();
    let mut stack = Stack::start().await;
    let project = stack.project().await;
    let population = Population::settle(&project, plan).await;
    let hostile =
        if plan.hostile { Some(Arc::new(Hostile::settle(&stack, plan.seed).await)) } else { None };
    // Only clients that post repeat what was refused.
    let project = if plan.trouble > 0 {
        with_trouble(plan.trouble, &mut stack, &project).await
    } else {
        project
    };
    let (current, client) = watch::channel(project.clone());
    let posted = Arc::new(Posted::default());
    let (arrivals, over) = (Arc::new(Arrivals::default()), Arc::new(AtomicBool::new(false)));
    let reading = tokio::spawn(arrivals::read(Arc::clone(&population), Arc::clone(&arrivals)));
    let posting: Vec<_> = (0..plan.clients)
        .map(|number| {
            tokio::spawn(posting::post(
                number,
                plan.clone(),
                client.clone(),
                Arc::clone(&posted),
                Arc::clone(&over),
            ))
        })
        .collect();

    let misbehaving = hostile.clone().map(|hostile| {
        let (client, over) = (client.clone(), Arc::clone(&over));
        tokio::spawn(hostile.misbehave(client, over, plan.seed))
    });

    let kills = trouble::until(started + plan.length, plan, &mut stack, &current, &posted).await;
    over.store(true, Ordering::SeqCst);
    for task in posting {
        task.await.expect("a client goes on until it is told to stop");
    }
    if let (Some(misbehaving), Some(hostile)) = (misbehaving, &hostile) {
        misbehaving.await.expect("it goes on until it is told to stop");
        hostile.stop(&stack).await;
    }
    population.heal();
    println!(
        "{:>4.0} s  posting is over: {} events acknowledged, {kills} kills; what can be well is \
            well now",
        started.elapsed().as_secs_f64(),
        posted.len()
    );
    let mut project = current.borrow().clone();
    if plan.trouble > 0 {
        project = with_trouble(0, &mut stack, &project).await;
    }
    drain(plan, started, &stack, &project, &population).await;
    // The last arrivals are read, then there are no more.
    tokio::time::sleep(arrivals::READ_EVERY * 3).await;
    let told = (kills, plan.trouble > 0);
    let ledger = Ledger::of(&stack, &project, &population, &posted, &arrivals, told).await;
    reading.abort();
    println!("{ledger}");
    ledger
}

/// Starts the stack again, with this much trouble. The project there.
async fn with_trouble(percent: u32, stack: &mut Stack, project: &Client) -> Client {
    stack.restart_with(&["--trouble", &percent.to_string()]).await;
    project.at(stack.base_url())
}

/// Waits until everything rests that can: no receiver that is well has a delivery in a queue or
/// parked.
async fn drain(
    plan: &Plan,
    started: Instant,
    stack: &Stack,
    project: &Client,
    population: &Population,
) {
    let deadline = Instant::now() + plan.drain;
    loop {
        let moving = ledger::moving(project, population).await;
        let (deliveries, retries) =
            (stack.queues().depth("-deliveries").await, stack.queues().depth("-retries").await);
        println!(
            "{:>4.0} s  draining: {} pending, {} parked of receivers that are well; deliveries \
                {deliveries:?}, retries {retries:?} (waiting, hidden)",
            started.elapsed().as_secs_f64(),
            moving.0,
            moving.1
        );
        if moving == (0, 0) || Instant::now() > deadline {
            return;
        }
        tokio::time::sleep((plan.drain / 60).max(Duration::from_secs(1))).await;
    }
}
