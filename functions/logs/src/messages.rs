//! Messages: events with the state of their deliveries.

use std::sync::Arc;

use api::{And, ApiError, ListParams, TimeRange, auth::Caller, listed, page_request};
use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use domain::{
    id::{EndpointId, EventId},
    model::{Scope, Selector, attempt::DeliveryStatus, event::LoggedEvent},
    time::Timestamp,
};
use futures::future::try_join_all;
use http::Uri;
use runtime::clock;
use serde::Deserialize;
use store::{Access, StoreError};
use utoipa::IntoParams;

use crate::{
    App,
    view::{DeliveryView, MessageView},
};

/// Which messages a list shows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct MessageFilter {
    /// Filter by topic.
    kind: Option<Selector>,
    /// Filter by the state of a delivery: messages that have one in this state.
    status: Option<DeliveryStatus>,
    /// Filter by the endpoint that a message goes to.
    endpoint_id: Option<EndpointId>,
}

/// List messages
///
/// A message is an event with the state of its deliveries.
#[utoipa::path(
    get, path = "/webhooks/messages", tag = "Messages", operation_id = "listMessages",
    params(ListParams, MessageFilter, TimeRange),
    responses((status = 200, body = [MessageView], description = "A page of messages")),
    security(("projectKey" = ["read"])),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, ApiError> {
    let access = caller.access(&[Scope::Read])?;
    let (request, params, And(filter, times)) =
        page_request::<EventId, And<MessageFilter, TimeRange>>(uri.query())?;
    let request = times.of(request);
    let now = clock::now();
    let matching = |logged| app.matching(access, &filter, logged, now);
    let page = app.events.list(access, &request, now, matching).await?;
    Ok(listed(uri.path(), &params, &request, &page, |message| message.event.id.to_string()))
}

/// Read a message
#[utoipa::path(
    get, path = "/webhooks/messages/{id}", tag = "Messages", operation_id = "getMessage",
    params(("id" = EventId, Path)),
    responses((status = 200, body = MessageView, description = "The message")),
    security(("projectKey" = ["read"])),
)]
pub(crate) async fn read(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<MessageView>, ApiError> {
    let access = caller.access(&[Scope::Read])?;
    let logged = app.find(access, &id, "message").await?;
    Ok(Json(app.message(access, logged).await?))
}

impl App {
    /// An event with the state of its deliveries as of now.
    pub(crate) async fn message(
        &self,
        access: Access,
        logged: LoggedEvent,
    ) -> Result<MessageView, ApiError> {
        Ok(self.with_deliveries(access, logged, clock::now()).await?)
    }

    async fn with_deliveries(
        &self,
        access: Access,
        logged: LoggedEvent,
        now: Timestamp,
    ) -> Result<MessageView, StoreError> {
        let found = self.attempts.of_event(&logged, now).await?;
        let event = logged.event.id;
        let deliveries = try_join_all(found.into_iter().map(|(target, attempts)| async move {
            let status = match DeliveryStatus::of_target(event, &target, &attempts) {
                DeliveryStatus::Succeeded => DeliveryStatus::Succeeded,
                by_the_log => match self.rows.find(access, target.endpoint, event).await? {
                    Some(row) if row.is_parked() => DeliveryStatus::Parked,
                    Some(_) => DeliveryStatus::Pending,
                    None => by_the_log,
                },
            };
            Ok::<_, StoreError>(DeliveryView::of(&target, &attempts, status))
        }))
        .await?;
        Ok(MessageView::of(logged.event, deliveries))
    }

    async fn matching(
        &self,
        access: Access,
        filter: &MessageFilter,
        mut logged: LoggedEvent,
        now: Timestamp,
    ) -> Result<Option<MessageView>, StoreError> {
        if filter.kind.as_ref().is_some_and(|kind| !kind.matches(&logged.event.kind)) {
            return Ok(None);
        }
        if let Some(endpoint) = filter.endpoint_id {
            logged.targets.retain(|target| target.endpoint == endpoint);
            if logged.targets.is_empty() {
                return Ok(None);
            }
        }
        let message = self.with_deliveries(access, logged, now).await?;
        let wanted = filter.status.is_none_or(|status| {
            message.deliveries.iter().any(|delivery| delivery.status == status)
        });
        Ok(wanted.then_some(message))
    }
}
