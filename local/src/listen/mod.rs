//! `posthaste listen`: a receiver that verifies and prints what it gets, and fails as it is told.
//!
//! What is verified is the body as it came, byte for byte. It is parsed only to be printed.

mod behaviour;
mod hang_up;
mod report;
mod server;

use std::net::SocketAddr;

use clap::Args;
use domain::signing::Secret;

pub use behaviour::{Behaviour, Fail};
pub use report::{Received, Verification};
pub use server::{ListenError, Receiver};

/// Flags of `posthaste listen`.
#[derive(Debug, Clone, Args)]
pub struct ListenArgs {
    /// Address to listen on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9000")]
    pub addr: SocketAddr,
    /// Secret to verify signatures with (repeatable)
    #[arg(long = "secret", value_name = "WHSEC", value_parser = secret)]
    pub secrets: Vec<Secret>,
    /// Answer 500 this many times, or `always`
    #[arg(long, value_name = "N|always")]
    pub fail: Option<Fail>,
    /// The status to answer with; with --fail, that of the failing answers
    #[arg(long, value_name = "CODE", value_parser = clap::value_parser!(u16).range(200..=599))]
    pub status: Option<u16>,
    /// Wait this long before each answer
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub delay: Option<std::time::Duration>,
    /// Close the connection without an answer
    #[arg(long, conflicts_with_all = ["fail", "status"])]
    pub hang_up: bool,
    /// Print one JSON line per request
    #[arg(long)]
    pub json: bool,
}

fn secret(text: &str) -> Result<Secret, String> {
    text.parse().map_err(|error: domain::signing::SecretError| error.to_string())
}

fn seconds(text: &str) -> Result<std::time::Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "write it as a number of seconds".to_owned())?;
    std::time::Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
