//! Functions as the stack runs them: real processes with the real `lambda_runtime`, behind the API
//! and behind a queue.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by a panic"
)]

mod fake;
mod front;
mod poller;
mod runtime;
mod streaming;
