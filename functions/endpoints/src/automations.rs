//! Automations: create, list, read, change, delete.

use std::{collections::HashSet, sync::Arc};

use api::{
    ApiError, Body, Field, ListParams,
    auth::{Caller, ManagesEndpoints},
    given, listed, page_request, rewrite,
};
use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use domain::{
    body_schema,
    endpoint_url::EndpointUrl,
    id::AutomationId,
    model::{
        Automation, Scope, Topic,
        automation::{MAX_REF, MAX_STEPS, WorkflowStep},
        project::MAX_NAME,
    },
};
use http::{HeaderMap, StatusCode, Uri};
use runtime::clock;
use serde::{Deserialize, Serialize};
use store::Access;
use utoipa::{IntoParams, ToSchema};

use crate::{
    App,
    handlers::Answer,
    input::{Rules, not_null},
    view::Deleted,
};

/// The most automations of a project: accepting an event knows all of them.
const MAX_AUTOMATIONS: usize = 50;

/// Which automations a list shows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AutomationFilter {
    /// Filter by state.
    status: Option<AutomationStatus>,
    /// Filter by topic: automations that it triggers.
    event: Option<Topic>,
}

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
enum AutomationStatus {
    Active,
    Paused,
}

/// Requests that an event of a topic triggers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Automation)]
pub(crate) struct AutomationView {
    id: AutomationId,
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

/// The one kind of trigger, and of step.
const EVENT: &str = "event";
const WEBHOOK: &str = "webhook";

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

/// Create an automation
///
/// When an event of the topic is posted, Posthaste sends its data to the URL of each step, signed
/// with the project's secret.
#[utoipa::path(
    post, path = "/automations", tag = "Automations", operation_id = "createAutomation",
    request_body = NewAutomation,
    responses(
        (status = 201, body = AutomationView, description = "The automation"),
        (status = 409, description = "The project has 50 automations"),
    ),
    security(("projectKey" = ["endpoints"])),
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    ManagesEndpoints(access): ManagesEndpoints,
    headers: HeaderMap,
    Body(input): Body<AutomationInput>,
) -> Result<(StatusCode, Json<AutomationView>), ApiError> {
    let project = app.projects.load(access).await?;
    if project.automations.len() >= MAX_AUTOMATIONS {
        return Err(ApiError::conflict(format!(
            "a project has at most {MAX_AUTOMATIONS} automations"
        )));
    }
    let rules = app.rules(&project, &headers);
    let now = clock::now();
    let automation = Automation {
        id: AutomationId::new(now, rand::random()),
        project: access.project(),
        name: input.name.flatten().map(checked_name).transpose()?,
        trigger: checked_trigger(
            &input.trigger.flatten().ok_or_else(|| required("trigger"))?,
            &rules,
        )?,
        workflow: checked_workflow(
            input.workflow.flatten().ok_or_else(|| required("workflow"))?,
            &rules,
        )?,
        active: named(input.status, "status")? != Some(AutomationStatus::Paused),
        created_at: now,
        updated_at: now,
        revision: 1,
    };
    app.automations.create(access, &automation).await?;
    Ok((StatusCode::CREATED, Json(automation.into())))
}

/// List automations
#[utoipa::path(
    get, path = "/automations", tag = "Automations", operation_id = "listAutomations",
    params(ListParams, AutomationFilter),
    responses((status = 200, body = [AutomationView], description = "A page of automations")),
    security(("projectKey" = ["read"]), ("projectKey" = ["endpoints"])),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, ApiError> {
    let access = caller.access(&[Scope::Read, Scope::Endpoints])?;
    let (request, params, filter) = page_request::<AutomationId, AutomationFilter>(uri.query())?;
    let wanted = |automation: &Automation| {
        filter.status.is_none_or(|status| (status == AutomationStatus::Active) == automation.active)
            && filter.event.as_ref().is_none_or(|topic| *topic == automation.trigger)
    };
    let page = app
        .automations
        .list(access, &request, clock::now(), wanted)
        .await?
        .map(AutomationView::from);
    Ok(listed(uri.path(), &params, &request, &page, |view| view.id.to_string()))
}

/// Read an automation
#[utoipa::path(
    get, path = "/automations/{id}", tag = "Automations", operation_id = "getAutomation",
    params(("id" = AutomationId, Path)),
    responses((status = 200, body = AutomationView, description = "The automation")),
    security(("projectKey" = ["read"]), ("projectKey" = ["endpoints"])),
)]
pub(crate) async fn read(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<AutomationView> {
    let access = caller.access(&[Scope::Read, Scope::Endpoints])?;
    Ok(Json(app.automation(access, &id).await?.into()))
}

/// Change an automation
///
/// Omitted fields are unchanged; `name: null` removes the name.
#[utoipa::path(
    patch, path = "/automations/{id}", tag = "Automations", operation_id = "changeAutomation",
    params(("id" = AutomationId, Path)),
    request_body = AutomationChanges,
    responses(
        (status = 200, body = AutomationView, description = "The automation"),
        (status = 409, description = "Modified concurrently: read it again and retry"),
    ),
    security(("projectKey" = ["endpoints"])),
)]
pub(crate) async fn change(
    State(app): State<Arc<App>>,
    ManagesEndpoints(access): ManagesEndpoints,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(input): Body<AutomationInput>,
) -> Answer<AutomationView> {
    let rules = app.rules(&*app.projects.load(access).await?, &headers);
    let name = input.name.map(|name| name.map(checked_name).transpose()).transpose()?;
    let trigger = named(input.trigger, "trigger")?
        .map(|trigger| checked_trigger(&trigger, &rules))
        .transpose()?;
    let workflow = named(input.workflow, "workflow")?
        .map(|workflow| checked_workflow(workflow, &rules))
        .transpose()?;
    let status = named(input.status, "status")?;
    let changed = rewrite(|| async {
        let old = app.automation(access, &id).await?;
        let new = Automation {
            name: name.clone().unwrap_or(old.name),
            trigger: trigger.clone().unwrap_or(old.trigger),
            workflow: workflow.clone().unwrap_or(old.workflow),
            active: status.map_or(old.active, |status| status == AutomationStatus::Active),
            updated_at: clock::now(),
            ..old
        };
        app.automations.replace(access, &new).await?;
        Ok(new)
    })
    .await?;
    Ok(Json(changed.into()))
}

/// Delete an automation
#[utoipa::path(
    delete, path = "/automations/{id}", tag = "Automations", operation_id = "deleteAutomation",
    params(("id" = AutomationId, Path)),
    responses((status = 200, body = Deleted, description = "Deleted")),
    security(("projectKey" = ["endpoints"])),
)]
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Deleted> {
    let access = caller.access(&[Scope::Endpoints])?;
    let id = id.parse().map_err(|_| no_such_automation())?;
    if app.automations.delete(access, id).await? {
        Ok(Json(Deleted::YES))
    } else {
        Err(no_such_automation())
    }
}

impl App {
    async fn automation(&self, access: Access, id: &str) -> Result<Automation, ApiError> {
        let id = id.parse().map_err(|_| no_such_automation())?;
        self.automations.get(access, id).await?.ok_or_else(no_such_automation)
    }
}

fn no_such_automation() -> ApiError {
    ApiError::not_found("automation")
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
