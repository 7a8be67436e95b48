//! Attacks: one project misbehaves as far as its keys allow, and another one measures what it
//! notices. Each attack comes after a control run, in which the hostile project makes as many
//! harmless requests in the same time.
//!
//! - [`Attack`]: what the hostile project does
//! - [`bystander`]: what the other one does and measures
//!
//! They are at full size, and meant for a release build. Nothing else may run on the machine.

mod acts;
mod bystander;

use std::{
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::{Queues, Stack};
pub use acts::Attack;
use acts::{Act, Stage};
use bystander::Bystander;

/// Between two looks at the queues.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How much slower the other project may be: twice as slow as beside the harmless requests, and a
/// second.
const SLOWER: (u32, Duration) = (2, Duration::from_secs(1));

/// What the other project measures: 99th percentiles.
#[derive(Debug, Clone, Copy, Default)]
pub struct Notices {
    /// From the post of an event to its arrival.
    pub first: Duration,
    /// From there to the second attempt, of an endpoint that fails once and retries after a second.
    pub retry: Duration,
    /// An API call.
    pub call: Duration,
}

impl Notices {
    fn each(self) -> [Duration; 3] {
        [self.first, self.retry, self.call]
    }
}

/// What a run has shown.
#[derive(Debug, Clone, Copy, Default)]
pub struct Run {
    /// How long the hostile project was at it.
    pub took: Duration,
    /// Its requests to the API, and those that were refused.
    pub calls: (usize, usize),
    /// Requests to receivers that it has caused.
    pub caused: usize,
    /// The most messages in flight, of both queues, and the most that waited.
    pub most: (usize, usize),
    /// What the other project noticed.
    pub notices: Notices,
}

/// An attack, and the run to compare it with.
#[derive(Debug)]
pub struct Figures {
    attack: Attack,
    control: Run,
    attacked: Run,
}

impl Figures {
    /// Whether the other project notices no more than it may.
    pub fn hold(&self) -> bool {
        let (factor, more) = SLOWER;
        let pairs = self.control.notices.each().into_iter().zip(self.attacked.notices.each());
        pairs.into_iter().all(|(before, now)| now <= (before * factor).max(before + more))
    }
}

/// Runs an attack, and before it its control.
pub async fn run(attack: Attack) -> Figures {
    println!("{attack:?}: the control run, with harmless requests");
    let control = Box::pin(one(attack, Act::Harmless)).await;
    println!("{attack:?}: the attack");
    let attacked = Box::pin(one(attack, Act::Hostile)).await;
    Figures { attack, control, attacked }
}

async fn one(attack: Attack, act: Act) -> Run {
    let stack = Stack::start().await;
    let bystander = Bystander::start(&stack).await;
    let stage = Stage::prepare(attack, act, &stack).await;
    let (queues, most) = (stack.queues(), [AtomicUsize::new(0), AtomicUsize::new(0)]);
    let started = Instant::now();
    let watched = watch(&queues, &most);
    let acting = async {
        let calls = stage.act().await;
        (calls, started.elapsed())
    };
    let ((calls, took), notices) = tokio::select! {
        done = bystander.beside(acting) => done,
        () = watched => unreachable!("it watches until it is dropped"),
    };
    let load = |place: usize| most[place].load(Ordering::SeqCst);
    Run { took, calls, caused: stage.caused(), most: (load(0), load(1)), notices }
}

async fn watch(queues: &Queues, most: &[AtomicUsize; 2]) {
    loop {
        let (waiting, taken) = queues.depth("-deliveries").await;
        let (due, hidden) = queues.depth("-retries").await;
        most[0].fetch_max(taken + hidden, Ordering::SeqCst);
        most[1].fetch_max(waiting + due, Ordering::SeqCst);
        sleep(LOOK_EVERY).await;
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{:?}: {}", self.attack, self.attack.describe())?;
        writeln!(
            f,
            "{:8} {:>6} {:>8} {:>8} {:>9} {:>9} {:>8} {:>10} {:>10} {:>10}",
            "",
            "s",
            "calls",
            "refused",
            "requests",
            "in flight",
            "waiting",
            "first p99",
            "retry p99",
            "API p99"
        )?;
        for (name, run) in [("control", self.control), ("attack", self.attacked)] {
            let millis = run.notices.each().map(|wait| format!("{} ms", wait.as_millis()));
            let [first, retry, call] = &millis;
            writeln!(
                f,
                "{name:8} {:>6.0} {:>8} {:>8} {:>9} {:>9} {:>8} {first:>10} {retry:>10} {call:>10}",
                run.took.as_secs_f64(),
                run.calls.0,
                run.calls.1,
                run.caused,
                run.most.0,
                run.most.1,
            )?;
        }
        let verdict = if self.hold() { "the other project notices little" } else { "IT NOTICES" };
        write!(f, "{verdict} (within twice as much, or a second)")
    }
}
