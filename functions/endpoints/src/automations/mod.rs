//! Automations: create, list, read, change, delete.

use std::sync::Arc;

use api::{
    ApiError, Body, ListParams,
    auth::{Caller, ManagesEndpoints},
    listed, page_request, rewrite,
};
use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use domain::{
    id::AutomationId,
    model::{Automation, Scope, Topic},
};
use http::{HeaderMap, StatusCode, Uri};
use runtime::clock;
use serde::Deserialize;
use store::Access;
use utoipa::IntoParams;

use crate::{App, handlers::Answer, view::Deleted};

mod input;
mod view;

use input::{AutomationChanges, AutomationInput, AutomationStatus, NewAutomation};
use view::AutomationView;

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
    let automation = input.into_new(access.project(), &rules, clock::now())?;
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
    let changes = input.into_changes(&rules)?;
    let automation = rewrite(|| async {
        let old = app.automation(access, &id).await?;
        let new = changes.clone().of(old, clock::now());
        app.automations.replace(access, &new).await?;
        Ok(new)
    })
    .await?;
    Ok(Json(automation.into()))
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
