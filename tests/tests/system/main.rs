//! The whole system, as its users meet it: the real `posthaste` with the real function binaries,
//! over real sockets.
//!
//! One binary, so that tests can share a stack: each makes a project of its own on it. Those that
//! kill, count or redrive start one of their own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod accepting;
mod chains;
mod circuits;
mod costs;
mod crash;
mod delivering;
mod document;
mod endpoints;
mod fairness;
mod fuzz;
mod hostile_callers;
mod hostile_receivers;
mod idempotency;
mod isolation;
mod keys;
mod limiting;
mod lists;
mod load;
mod log_lines;
mod logs;
mod operations;
mod permissions;
mod receivers;
mod recovering;
mod redriving;
mod resending;
mod retrying;
mod routes;
mod sizes;
mod soak;
mod stream;
mod strictness;
mod styles;
mod suspending;
mod topics;
