//! The SQS pollers: what Lambda's event source mappings do between a queue and a function.
//!
//! - [`event`]: messages as the event that a function gets
//! - [`batch`]: which messages a function's answer calls done
//! - `source`: the loop around both
//!
//! A message is deleted only after the function has answered for it. Whatever happens before (a
//! crash, a timeout, a kill) leaves it in the queue, to reappear at its visibility timeout.

pub mod batch;
pub mod event;
mod source;

pub use source::{Poller, Polls, concurrency};
