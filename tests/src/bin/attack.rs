//! `cargo run --release --bin attack`: what one hostile project costs the others. See
//! `system_tests::attack`.

#![allow(clippy::disallowed_macros, reason = "a command prints")]

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use system_tests::attack::{self, Attack};

/// One project attacks at full size, and another one measures what it notices
#[derive(Parser)]
#[command(name = "attack")]
struct Cli {
    /// Which [default: all of them, one after the other]
    attacks: Vec<Attack>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Cli { mut attacks } = Cli::parse();
    if attacks.is_empty() {
        attacks = Attack::value_variants().to_vec();
    }
    let mut well = true;
    for attack in attacks {
        let figures = attack::run(attack).await;
        println!("{figures}");
        well &= figures.hold();
    }
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
