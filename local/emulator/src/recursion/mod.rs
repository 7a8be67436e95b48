//! Lambda's recursion detection: a chain of messages that keeps invoking a function is stopped.
//!
//! - [`trace`]: the trace header, which carries how often a chain has invoked which function
//! - [`rule`]: which messages of a batch may invoke a function
//!
//! How it goes round: the Runtime API gives an invocation its trace, the function's SDK sends it
//! along as `x-amzn-trace-id`, SQS keeps it as a message's `AWSTraceHeader`, and the poller reads
//! it there. What comes in by HTTP begins a new chain.

pub mod rule;
pub mod trace;

pub use rule::{Guard, MOST, Sorted};
pub use trace::Trace;
