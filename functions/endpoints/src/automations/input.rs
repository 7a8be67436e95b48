//! What a caller may say of an automation, and its checks.

use std::collections::HashSet;

use api::{ApiError, Field, given};
use domain::{
    body_schema,
    endpoint_url::EndpointUrl,
    id::{AutomationId, ProjectId},
    model::{
        Automation, Topic,
        automation::{MAX_REF, MAX_STEPS, WorkflowStep},
        project::MAX_NAME,
    },
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::input::{Rules, not_null};

/// The body of a creation or change. Fields that only Posthaste sets are taken and left alone, so
/// that what was read can be put back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AutomationInput {
    /// Display name. `null` removes it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 200)]
    name: Field<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = TriggerInput, required = false)]
    trigger: Field<TriggerInput>,
    /// The requests to send.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Vec<StepInput>, required = false, min_items = 1, max_items = 5)]
    workflow: Field<Vec<StepInput>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = AutomationStatus, required = false)]
    status: Field<AutomationStatus>,
    /// Ignored; accepted so that a response can be sent back.
    #[serde(default, rename = "id")]
    #[schema(value_type = Value)]
    _id: serde::de::IgnoredAny,
    /// Ignored; accepted so that a response can be sent back.
    #[serde(default, rename = "object")]
    #[schema(value_type = Value)]
    _object: serde::de::IgnoredAny,
    /// Ignored; accepted so that a response can be sent back.
    #[serde(default, rename = "created_at")]
    #[schema(value_type = Value)]
    _created_at: serde::de::IgnoredAny,
    /// Ignored; accepted so that a response can be sent back.
    #[serde(default, rename = "updated_at")]
    #[schema(value_type = Value)]
    _updated_at: serde::de::IgnoredAny,
}

body_schema! {
    /// A new automation.
    NewAutomation: AutomationInput, requires ["trigger", "workflow"], without [], like {
        "name": "Publish", "trigger": {"kind": "event", "event": "media.created"},
        "workflow": [{"kind": "webhook", "url": "https://example.com/media", "ref": "publish"}]
    }
}
body_schema! {
    /// The fields of an automation to change. Omitted fields are unchanged.
    AutomationChanges: AutomationInput, requires [], without [], like {"status": "paused"}
}

/// What triggers an automation.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewAutomationTrigger)]
struct TriggerInput {
    #[schema(pattern = "^event$", example = "event")]
    kind: String,
    #[schema(value_type = Topic)]
    event: String,
}

/// A step of a workflow: a request to a URL.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewAutomationStep)]
struct StepInput {
    #[schema(pattern = "^webhook$", example = "webhook")]
    kind: String,
    #[schema(value_type = EndpointUrl)]
    url: String,
    /// The name of the step within the workflow. By default its position: `step-1`.
    #[serde(default, rename = "ref")]
    #[schema(min_length = 1, max_length = 64, example = "publish")]
    name: Option<String>,
}

/// Whether an automation is active.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AutomationStatus)]
pub(super) enum AutomationStatus {
    Active,
    Paused,
}

/// The one kind of trigger, and of step.
pub(super) const EVENT: &str = "event";
pub(super) const WEBHOOK: &str = "webhook";

impl AutomationInput {
    /// The automation that a creation asks for.
    pub(super) fn into_new(
        self,
        project: ProjectId,
        rules: &Rules,
        now: Timestamp,
    ) -> Result<Automation, ApiError> {
        let trigger = self.trigger.flatten().ok_or_else(|| required("trigger"))?;
        let workflow = self.workflow.flatten().ok_or_else(|| required("workflow"))?;
        Ok(Automation {
            id: AutomationId::new(now, rand::random()),
            project,
            name: self.name.flatten().map(checked_name).transpose()?,
            trigger: checked_trigger(&trigger, rules)?,
            workflow: checked_workflow(workflow, rules)?,
            active: named(self.status, "status")? != Some(AutomationStatus::Paused),
            created_at: now,
            updated_at: now,
            revision: 1,
        })
    }

    /// What a change asks for.
    pub(super) fn into_changes(self, rules: &Rules) -> Result<CheckedChanges, ApiError> {
        let trigger = named(self.trigger, "trigger")?;
        let workflow = named(self.workflow, "workflow")?;
        Ok(CheckedChanges {
            name: self.name.map(|name| name.map(checked_name).transpose()).transpose()?,
            trigger: trigger.map(|trigger| checked_trigger(&trigger, rules)).transpose()?,
            workflow: workflow.map(|workflow| checked_workflow(workflow, rules)).transpose()?,
            active: named(self.status, "status")?.map(|status| status == AutomationStatus::Active),
        })
    }
}

/// The fields of an automation that a request changes, checked.
#[derive(Clone)]
pub(super) struct CheckedChanges {
    name: Field<String>,
    trigger: Option<Topic>,
    workflow: Option<Vec<WorkflowStep>>,
    active: Option<bool>,
}

impl CheckedChanges {
    /// The automation with the changes.
    pub(super) fn of(self, old: Automation, now: Timestamp) -> Automation {
        Automation {
            name: self.name.unwrap_or(old.name),
            trigger: self.trigger.unwrap_or(old.trigger),
            workflow: self.workflow.unwrap_or(old.workflow),
            active: self.active.unwrap_or(old.active),
            updated_at: now,
            ..old
        }
    }
}

/// What a request names of something that an automation always has.
fn named<T>(field: Field<T>, name: &str) -> Result<Option<T>, ApiError> {
    field.map(|value| value.ok_or_else(|| not_null(name))).transpose()
}

fn required(field: &str) -> ApiError {
    ApiError::validation(field, "is required")
}

fn checked_name(name: String) -> Result<String, ApiError> {
    if name.chars().count() > MAX_NAME {
        return Err(ApiError::validation("name", format!("must be at most {MAX_NAME} characters")));
    }
    Ok(name)
}

fn checked_trigger(trigger: &TriggerInput, rules: &Rules) -> Result<Topic, ApiError> {
    if trigger.kind != EVENT {
        return Err(ApiError::validation("trigger.kind", "must be `event`"));
    }
    let topic: Topic = trigger
        .event
        .parse()
        .map_err(|error| ApiError::validation("trigger.event", format!("{error}")))?;
    if topic.is_system() || !rules.catalogue.knows(&topic) {
        return Err(ApiError::validation(
            "trigger.event",
            format!("no such topic: `{topic}`; GET /webhooks/topics lists them"),
        ));
    }
    Ok(topic)
}

/// Each step has a name of its own within the workflow; one without gets its place.
fn checked_workflow(steps: Vec<StepInput>, rules: &Rules) -> Result<Vec<WorkflowStep>, ApiError> {
    if steps.is_empty() || steps.len() > MAX_STEPS {
        return Err(ApiError::validation("workflow", format!("must have 1 to {MAX_STEPS} steps")));
    }
    let mut names = HashSet::new();
    let mut checked = Vec::with_capacity(steps.len());
    for (place, step) in steps.into_iter().enumerate() {
        let refused = |field: &str, message: String| {
            ApiError::validation(format!("workflow[{place}].{field}"), message)
        };
        if step.kind != WEBHOOK {
            return Err(refused("kind", "must be `webhook`".to_owned()));
        }
        let name = step.name.unwrap_or_else(|| format!("step-{}", place + 1));
        if name.is_empty() || name.chars().count() > MAX_REF {
            return Err(refused("ref", format!("must be 1 to {MAX_REF} characters")));
        }
        if !names.insert(name.clone()) {
            return Err(refused(
                "ref",
                format!("`{name}` is duplicated; each step needs its own name"),
            ));
        }
        let url = rules.judge.url(&step.url).map_err(|error| refused("url", error.to_string()))?;
        checked.push(WorkflowStep { name, url });
    }
    Ok(checked)
}
