//! What every function needs to run: its settings, the clock, AWS clients, logs, and how it starts.

pub mod aws;
pub mod clock;
pub mod deadline;
pub mod settings;
pub mod start;
