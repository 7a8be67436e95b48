//! An automation as the API shows it.

use domain::{
    endpoint_url::EndpointUrl,
    id::AutomationId,
    model::{Automation, Topic, automation::WorkflowStep},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::input::{AutomationStatus, EVENT, WEBHOOK};

/// Requests that an event of a topic triggers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Automation)]
pub(crate) struct AutomationView {
    pub(super) id: AutomationId,
    #[schema(pattern = "^automation$", example = "automation")]
    object: &'static str,
    #[schema(required, example = "Publish")]
    name: Option<String>,
    trigger: TriggerView,
    workflow: Vec<StepView>,
    status: AutomationStatus,
    /// Unix seconds.
    #[schema(example = 1_767_225_600)]
    created_at: u64,
    /// Unix seconds.
    #[schema(example = 1_767_225_600)]
    updated_at: u64,
}

/// What triggers an automation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AutomationTrigger)]
struct TriggerView {
    #[schema(pattern = "^event$", example = "event")]
    kind: &'static str,
    event: Topic,
}

/// A step of a workflow.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AutomationStep)]
struct StepView {
    #[schema(pattern = "^webhook$", example = "webhook")]
    kind: &'static str,
    url: EndpointUrl,
    /// The name of the step within the workflow.
    #[serde(rename = "ref")]
    #[schema(example = "publish")]
    name: String,
}

impl From<Automation> for AutomationView {
    fn from(automation: Automation) -> Self {
        let step = |step: WorkflowStep| StepView { kind: WEBHOOK, url: step.url, name: step.name };
        Self {
            id: automation.id,
            object: "automation",
            name: automation.name,
            trigger: TriggerView { kind: EVENT, event: automation.trigger },
            workflow: automation.workflow.into_iter().map(step).collect(),
            status: if automation.active {
                AutomationStatus::Active
            } else {
                AutomationStatus::Paused
            },
            created_at: automation.created_at.seconds(),
            updated_at: automation.updated_at.seconds(),
        }
    }
}
