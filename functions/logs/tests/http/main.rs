//! The `logs` function as API Gateway meets it, on the stand-ins for AWS and with its own role.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod attempts;
mod budgets;
mod executions;
mod faults;
mod messages;
mod recipients;
mod recoveries;
mod resend;
mod support;
mod usage;
