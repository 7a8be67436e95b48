//! The binary as a user runs it: its failures, and the parts that need no functions.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by a panic"
)]

mod aws_only;
mod failures;
mod listen;
mod posthaste;
