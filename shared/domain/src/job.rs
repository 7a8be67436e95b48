//! Work that takes longer than an invocation. Each step is a message on the retries queue, beside
//! the deliveries.
//!
//! A queue may deliver a message twice. Each step first reads the row of the job, which names the
//! next step, so that a repeated step does nothing, or nothing new.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{EndpointId, ProjectId, RecoveryId};

/// A job that has not advanced for this long is stalled: the operator must look into it.
pub const STALLS_AFTER: Duration = Duration::from_mins(15);
/// The log line of a job that stands still. The template counts these lines, for an alarm.
pub const STALLED: &str = "a job has not moved for 15 minutes";

/// What is next for an endpoint's circuit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CircuitStep {
    /// Whose endpoint it is.
    pub project: ProjectId,
    /// The endpoint, or implicit endpoint.
    pub endpoint: EndpointId,
    /// Which opening of the circuit this belongs to: only one is looked after.
    pub opening: String,
    /// Which step it is, from 0.
    pub step: u64,
}

/// What is next for a recovery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryStep {
    /// Whose endpoint it is.
    pub project: ProjectId,
    /// The endpoint.
    pub endpoint: EndpointId,
    /// The recovery.
    pub recovery: RecoveryId,
    /// Which step it is, from 0.
    pub step: u64,
}
