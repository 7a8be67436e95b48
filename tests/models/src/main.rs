//! Searches a model within larger bounds than the tests do.
//!
//! `cargo run --release -p models -- delivery`, or `accept`; `--help` tells the bounds.

use std::{process::ExitCode, time::Instant};

use clap::Parser;
use models::{
    Model,
    accept::{self, Accept},
    delivery::{self, Delivery},
    explore,
};

/// Searches all states of a model for one that breaks a promise.
#[derive(Parser)]
enum Command {
    /// The life of one delivery.
    Delivery(delivery::DeliveryBounds),
    /// What happens before the 202.
    Accept(accept::AcceptBounds),
}

fn main() -> ExitCode {
    match Command::parse() {
        Command::Delivery(bounds) => search(&Delivery { bounds, without: None }),
        Command::Accept(bounds) => search(&Accept { bounds, without: None }),
    }
}

fn search(model: &impl Model) -> ExitCode {
    let began = Instant::now();
    eprintln!("searching; memory grows with the number of states");
    let report = explore(model);
    println!("{} states in {:.1} s", report.states, began.elapsed().as_secs_f64());
    match report.violation {
        None => {
            println!("no state breaks a promise");
            ExitCode::SUCCESS
        }
        Some(violation) => {
            println!("{violation}");
            ExitCode::FAILURE
        }
    }
}
