//! The `events` function as API Gateway meets it, on the stand-ins for AWS and with its own role.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod audience;
mod batches;
mod budgets;
mod config;
mod faults;
mod repeats;
mod single;
mod support;
mod test_event;
