//! Lambda on one machine: the Runtime API to real function binaries, and the processes behind it.
//!
//! - [`Pool`]: one per function; hands invocations to instances, starts and replaces them
//! - [`instance`]: one process and its life
//! - [`api`]: the HTTP side that a process talks to
//! - [`logs`]: where its output goes
//!
//! An instance takes one invocation at a time, as on AWS. A function that works only because two
//! requests share a process would fail when deployed.

pub mod api;
pub mod environment;
mod error;
pub mod instance;
pub mod logs;
pub mod pool;
mod spec;

pub use api::{Pieces, RuntimeApi};
pub use error::InvokeError;
pub use logs::LogSink;
pub use pool::Pool;
pub use spec::FunctionSpec;
