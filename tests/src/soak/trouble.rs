//! What dies: functions, the stack, and the whole machine.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::sync::watch;

use super::{Plan, posting::Posted};
use crate::{Client, Stack, processes};

/// Between two lines that say how it goes.
const TELL_EVERY: Duration = Duration::from_secs(15);

/// Kills at random moments until `end`; how many times.
pub(super) async fn until(
    end: Instant,
    plan: &Plan,
    stack: &mut Stack,
    current: &watch::Sender<Client>,
    posted: &Posted,
) -> usize {
    let mut random = StdRng::seed_from_u64(plan.seed.wrapping_add(2_000));
    let (start, mut kills) = (Instant::now(), 0);
    let mut wait =
        || plan.kill_every.map_or(plan.length, |mean| mean.mul_f64(random.random_range(0.3..1.7)));
    let mut choices = StdRng::seed_from_u64(plan.seed.wrapping_add(2_001));
    let (mut next_kill, mut next_line) = (start + wait(), start + TELL_EVERY);
    loop {
        let now = Instant::now();
        if now >= end {
            return kills;
        }
        if now >= next_kill {
            // Not so late that the restart would be all that is left.
            let what = kill(&mut choices, stack, current).await;
            kills += 1;
            println!("{:>4.0} s  kill -9: {what}", start.elapsed().as_secs_f64());
            next_kill = Instant::now() + wait();
        }
        if now >= next_line {
            let (deliveries, retries) =
                (stack.queues().depth("-deliveries").await, stack.queues().depth("-retries").await);
            let (accepted, repeats) = (posted.len(), posted.repeats());
            println!(
                "{:>4.0} s  {accepted} events acknowledged, {repeats} requests repeated; \
                    deliveries {deliveries:?}, retries {retries:?} (waiting, hidden)",
                start.elapsed().as_secs_f64()
            );
            next_line += TELL_EVERY;
        }
        tokio::time::sleep_until(next_kill.min(next_line).min(end).into()).await;
    }
}

async fn kill(random: &mut StdRng, stack: &mut Stack, current: &watch::Sender<Client>) -> String {
    let what = match random.random_range(0..10) {
        0..4 => return kill_function(stack, "deliver"),
        4..6 => return kill_function(stack, "events"),
        6 => return kill_function(stack, "jobs"),
        7..9 => {
            stack.kill_hard();
            "the stack"
        }
        _ => {
            stack.cut_power();
            "the stack and its functions at once"
        }
    };
    stack.restart().await;
    let project = current.borrow().at(stack.base_url());
    current.send_replace(project);
    what.to_owned()
}

/// Those that run; there may be none.
fn kill_function(stack: &Stack, name: &str) -> String {
    let ids = processes::children_named(stack.pid(), name);
    for id in &ids {
        processes::signal(*id, Signal::SIGKILL);
    }
    format!("{} of {name}", ids.len())
}
