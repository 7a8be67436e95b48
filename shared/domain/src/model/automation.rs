//! An automation: when an event of a topic happens in the project, its resource goes to some URLs,
//! without any endpoint.

use serde::{Deserialize, Serialize};

use super::topic::Topic;
use crate::{
    endpoint_url::EndpointUrl,
    id::{AutomationId, EndpointId, ProjectId},
    time::Timestamp,
};

/// The most steps of an automation.
pub const MAX_STEPS: usize = 5;
/// The longest `ref` of a step, in characters.
pub const MAX_REF: usize = 64;

/// A trigger and what it sets off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Automation {
    /// Its id.
    pub id: AutomationId,
    /// Who owns it.
    pub project: ProjectId,
    /// Its name, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The topic that sets it off.
    pub trigger: Topic,
    /// The requests to send.
    pub workflow: Vec<WorkflowStep>,
    /// Whether it is on.
    pub active: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Counts its changes, so that two at once can't undo each other.
    pub revision: u64,
}

/// One webhook of a workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowStep {
    /// The name of the step within the workflow.
    #[serde(rename = "ref")]
    pub name: String,
    /// Where it goes.
    pub url: EndpointUrl,
}

impl Automation {
    /// Whether an event of this topic sets it off.
    pub fn wants(&self, topic: &Topic) -> bool {
        self.active && self.trigger == *topic
    }

    /// The implicit endpoint of one of its steps. Two steps may have one URL, so the step's name is
    /// part of it.
    pub fn endpoint_of(&self, step: &WorkflowStep) -> EndpointId {
        EndpointId::derived(&[
            &self.project.to_string(),
            &self.id.to_string(),
            &step.name,
            step.url.normalised(),
        ])
    }
}
