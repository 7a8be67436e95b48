//! What the system tests are written with: the real `posthaste` binary, and both sides of it.
//!
//! - [`Stack`] starts the binary on a data folder of its own, kills it, starts it again
//! - [`Client`] is the platform: the operator, or a project with its key
//! - [`Receiver`] is a customer's server: it answers as it is told and remembers what it got
//! - [`Gate`] stops a call of AWS, so that its caller can be killed there
//! - [`Viewer`] is a dashboard: it watches a project's stream
//! - [`Queues`] looks into SQS, as an operator would
//! - [`eventually`] waits for a condition
//! - [`soak`] is the long run, behind a command of its own; so is [`attack`], a hostile project
//! - [`processes`] tells which processes are there
//!
//! Tests share a stack where they can, so each makes a project of its own and looks at nothing
//! else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test that can't go on says why and panics"
)]

pub mod attack;
mod binary;
mod client;
mod emulator;
mod gate;
pub mod processes;
mod queues;
mod receiver;
pub mod soak;
mod stack;
mod viewer;
mod wait;
mod watchdog;

pub use binary::{refused, workspace};
pub use client::{Answer, Attempt, Client, Delivery, Endpoint, Event, Message};
pub use gate::{Gate, Moment, Stop};
pub use queues::Queues;
pub use receiver::{RawReceiver, Receiver, Reply, Request, Then};
pub use stack::Stack;
pub use viewer::Viewer;
pub use wait::{PATIENCE, eventually};
