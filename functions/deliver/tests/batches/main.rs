//! The `deliver` function as Lambda's event source mappings meet it, on the stand-ins for AWS and
//! with its own role.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod circuits;
mod endpoints;
mod failing;
mod faults;
mod first_attempts;
mod held;
mod hosts;
mod mixed;
mod outage;
mod poison;
mod rate;
mod receivers;
mod receiving;
mod recovery;
mod refusing;
mod retrying;
mod rows;
mod secrets_key;
mod steps;
mod support;
