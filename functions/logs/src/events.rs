//! Events: list, read.

use std::sync::Arc;

use api::{And, ApiError, EventView, ListParams, TimeRange, auth::Caller, listed, page_request};
use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use domain::{
    id::EventId,
    model::{Scope, Selector, event::LoggedEvent},
};
use http::Uri;
use runtime::clock;
use serde::Deserialize;
use store::Access;
use utoipa::IntoParams;

use crate::App;

/// Which events a list shows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventFilter {
    /// Filter by topic.
    kind: Option<Selector>,
}

/// List events
#[utoipa::path(
    get, path = "/events", tag = "Events", operation_id = "listEvents",
    params(ListParams, EventFilter, TimeRange),
    responses((status = 200, body = [EventView], description = "A page of events")),
    security(("projectKey" = ["read"])),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, ApiError> {
    let access = caller.access(&[Scope::Read])?;
    let (request, params, And(filter, times)) =
        page_request::<EventId, And<EventFilter, TimeRange>>(uri.query())?;
    let request = times.of(request);
    let wanted = |logged: &LoggedEvent| {
        filter.kind.as_ref().is_none_or(|kind| kind.matches(&logged.event.kind))
    };
    let view = |logged: LoggedEvent| {
        let view = wanted(&logged).then(|| EventView::from(logged.event));
        async move { Ok(view) }
    };
    let page = app.events.list(access, &request, clock::now(), view).await?;
    Ok(listed(uri.path(), &params, &request, &page, |event| event.id.to_string()))
}

/// Read an event
#[utoipa::path(
    get, path = "/events/{id}", tag = "Events", operation_id = "getEvent",
    params(("id" = EventId, Path)),
    responses((status = 200, body = EventView, description = "The event")),
    security(("projectKey" = ["read"])),
)]
pub(crate) async fn read(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<EventView>, ApiError> {
    let access = caller.access(&[Scope::Read])?;
    Ok(Json(app.find(access, &id, "event").await?.event.into()))
}

impl App {
    /// An event of the caller's project; `what` it is called where it isn't found.
    pub(crate) async fn find(
        &self,
        access: Access,
        id: &str,
        what: &str,
    ) -> Result<LoggedEvent, ApiError> {
        let id = id.parse().map_err(|_| ApiError::not_found(what))?;
        self.events.get(access, id, clock::now()).await?.ok_or_else(|| ApiError::not_found(what))
    }
}
