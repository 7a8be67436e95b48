//! Background work: it takes longer than an invocation, and is done one step at a time.
//!
//! [`step`] is what all steps have in common. [`schedule`] opens circuits and sends their steps;
//! [`circuit`] does those steps: it looks after a receiver that is down. [`recovery`] does the
//! steps of recoveries.

mod circuit;
mod recovery;
mod schedule;
mod step;

pub(crate) use circuit::Circuits;
pub(crate) use recovery::Recoveries;
pub(crate) use schedule::CircuitSchedule;
pub(crate) use step::{StepError, StepQueue, settled};
