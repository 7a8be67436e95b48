//! Conformance of the SQS stand-in: AWS's documented behaviour and error codes, seen through the
//! real AWS SDK over a real socket. One file per topic; [`support`] has the stand-in, a clock to
//! turn by hand, and words for what a test does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod dead_letters;
mod deleting;
mod long_polls;
mod model;
mod moves;
mod persistence;
mod queue_attributes;
mod queues;
mod receiving;
mod sending;
mod sending_batches;
mod support;
mod visibility;
