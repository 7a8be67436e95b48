//! Work that goes on for longer than an invocation: a step of it is a message on the retries queue, beside the deliveries.
//!
//! Easy to get wrong: a queue may hand out a message twice. Whoever does a step looks at the row that the job is about: it says which step is next, so
//! that a step that comes again does nothing, or nothing new.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    id::{EndpointId, ProjectId, RecoveryId},
    message::MessageError,
};

/// The version that jobs are written as, in one count with [`crate::message::VERSION`]: code of before there were any leaves them to newer code.
pub const VERSION: u32 = 3;

/// A job that hasn't moved for so long stands still: somebody must look at it.
pub const STALLS_AFTER: Duration = Duration::from_mins(15);
/// The log line of a job that stands still. The template counts these lines, for an alarm.
pub const STALLED: &str = "a job has not moved for 15 minutes";

/// A step of some work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    /// Look after a receiver that keeps failing.
    Circuit(CircuitStep),
    /// Go on with a recovery.
    Recovery(RecoveryStep),
}

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

#[derive(Serialize, Deserialize)]
struct Envelope {
    v: u32,
    job: Job,
}

impl Job {
    /// The text that goes on the queue.
    pub fn encode(&self) -> Result<String, MessageError> {
        Ok(serde_json::to_string(&Envelope { v: VERSION, job: self.clone() })?)
    }

    /// Reads what came from the queue; none if it is something else, a delivery or one that newer code has written.
    pub fn decode(text: &str) -> Option<Self> {
        let Envelope { v, job } = serde_json::from_str(text).ok()?;
        (v == VERSION).then_some(job)
    }

    /// The endpoint that it is about: jobs of one endpoint are a group on the queue.
    pub fn endpoint(&self) -> EndpointId {
        match self {
            Self::Circuit(step) => step.endpoint,
            Self::Recovery(step) => step.endpoint,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    fn job() -> Job {
        let (project, endpoint) = (ProjectId::new(Timestamp::from_seconds(1), 1), EndpointId::new(Timestamp::from_seconds(1), 1));
        Job::Circuit(CircuitStep { project, endpoint, opening: "1".to_owned(), step: 7 })
    }

    #[test]
    fn a_job_comes_off_the_queue_as_it_went_on() {
        let text = job().encode().unwrap();
        assert_eq!(Job::decode(&text), Some(job()));
        assert_eq!(Job::decode("{}"), None);
        assert_eq!(Job::decode(&text.replacen("\"v\":3", "\"v\":4", 1)), None);
    }
}
