//! Whatever a project, its owner, its receivers, AWS and a crash do at the same time, in whatever
//! order: every accepted delivery ends, and nothing arrives twice but where a success was sent and
//! not recorded. The functions themselves, on the stand-ins for AWS, by a clock of the test.
//!
//! Runs are random. A failed one prints its seed; `SEED=<seed>` repeats what it did, though not
//! which of two things at the same time came first. `RUNS=<count>` does more of them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test fails")]

mod acts;
mod audit;
mod world;

use rand::{RngExt, SeedableRng, rngs::StdRng};

use world::World;

/// Runs, unless the environment says more.
const RUNS: u64 = 4;
/// Moments of a run, in each of which up to three things happen at once.
const MOMENTS: usize = 60;

/// A number in the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[tokio::test]
async fn every_accepted_delivery_ends_and_nothing_arrives_twice() {
    let first = number("SEED").unwrap_or(1);
    let runs = number("RUNS").unwrap_or(if number("SEED").is_some() { 1 } else { RUNS });
    for seed in first..first + runs {
        eprintln!("SEED={seed}");
        let mut random = StdRng::seed_from_u64(seed);
        let mut world = Box::pin(World::start()).await;
        for _ in 0..MOMENTS {
            let at_once = random.random_range(1..=3);
            Box::pin(world.moment(&mut random, at_once)).await;
        }
        Box::pin(world.come_to_rest()).await;
        let books = Box::pin(world.audit()).await;
        eprintln!("SEED={seed}: {books}");
    }
}
