//! The five published webhook APIs that Posthaste can take the place of, each as its platform's
//! customers meet it: their calls, their receivers. Only host, key and brand differ from what those
//! platforms publish.
//!
//! - [`endpoints`], [`automations`], [`jobs`], [`messages`], [`workers`]: the rows, A to E
//! - [`everything`]: all of them at once, from one event
//! - [`rotation`]: secrets that change under load
//! - [`platform`]: the platform's side: a project with its defaults and topics
//! - [`proofs`]: what a receiver verifies, in Rust
//! - [`servers`]: customers' own servers in Node and Python, where these are installed

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod automations;
mod endpoints;
mod everything;
mod jobs;
mod messages;
mod platform;
mod proofs;
mod rotation;
mod servers;
mod workers;
