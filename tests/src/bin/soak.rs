//! `cargo run --bin soak`: what holds over time. See `system_tests::soak`.

#![allow(clippy::disallowed_macros, reason = "a command prints")]

use std::{process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};
use system_tests::soak::{
    self, Plan,
    dead::{self, DeadPlan},
    recover,
};

/// Clients, receivers of every kind and kills for some minutes, and then the books: every
/// acknowledged delivery must be accounted for
#[derive(Parser)]
#[command(name = "soak", args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    mode: Option<Mode>,
    /// How long clients post and processes die
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// How long everything may take to come to rest afterwards, at most
    #[arg(long, default_value_t = 15.0)]
    drain_minutes: f64,
    /// Events per second
    #[arg(long, default_value_t = 10.0)]
    rate: f64,
    /// How many clients post
    #[arg(long, default_value_t = 4)]
    clients: u32,
    /// Seconds between two kills, on average; 0 for none
    #[arg(long, default_value_t = 20.0)]
    kill_every: f64,
    /// Of a hundred calls of AWS so many go wrong
    #[arg(long, default_value_t = 0)]
    trouble: u32,
    /// A hostile project is there too, and does whatever its keys allow
    #[arg(long)]
    hostile: bool,
    /// Of an earlier run, to repeat it [default: a new one, which is printed]
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Subcommand)]
enum Mode {
    /// Very many events for one dead endpoint next to a healthy one
    Dead {
        /// Events for the dead endpoint
        #[arg(long, default_value_t = 20_000)]
        events: usize,
        /// Of these, per second
        #[arg(long, default_value_t = 100.0)]
        rate: f64,
    },
    /// A recovery of very many events that an endpoint has missed
    Recover {
        /// Events to recover
        #[arg(long, default_value_t = 20_000)]
        events: usize,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let well = match cli.mode {
        Some(Mode::Dead { events, rate }) => {
            let figures =
                dead::run(&DeadPlan { events, rate, patience: Duration::from_mins(8) }).await;
            println!("{figures}");
            figures.hold()
        }
        Some(Mode::Recover { events }) => {
            let figures = recover::run(events).await;
            println!("{figures}");
            figures.hold()
        }
        None => {
            let minutes = |count: f64| Duration::from_secs_f64(count * 60.0);
            let plan = Plan {
                length: minutes(cli.minutes),
                drain: minutes(cli.drain_minutes),
                rate: cli.rate,
                clients: cli.clients,
                kill_every: (cli.kill_every > 0.0).then(|| Duration::from_secs_f64(cli.kill_every)),
                trouble: cli.trouble,
                hostile: cli.hostile,
                seed: cli.seed.unwrap_or_else(|| u64::from(rand::random::<u32>())),
            };
            soak::run(&plan).await.balances()
        }
    };
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
