//! The binary as a user runs it: its failures, and the parts that need no functions.

mod aws_only;
mod failures;
mod listen;
mod posthaste;
