//! Lambda's recursion detection: a chain of messages that keeps invoking a function is stopped.
//!
//! - [`trace`]: the trace header, which carries how often a chain has invoked which function
//! - [`rule`]: which messages of a batch may invoke a function
//!
//! How the trace travels: the Runtime API gives it to an invocation, the function's SDK sends it as
//! `x-amzn-trace-id`, SQS stores it as a message's `AWSTraceHeader`, and the poller reads it there.
//! A request by HTTP begins a new chain.

pub mod rule;
pub mod trace;

pub use rule::{Guard, MOST, Sorted};
pub use trace::Trace;
