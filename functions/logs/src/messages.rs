//! Messages: events with the state of their deliveries.

use std::sync::Arc;

use api::{And, ApiError, ListParams, TimeRange, auth::Caller, listed, page_request};
use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use domain::{
    delivery_row::DeliveryRow,
    id::{EndpointId, EventId},
    model::{Origin, Scope, Selector, Target, attempt::DeliveryStatus, event::LoggedEvent},
};
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
    /// Filter by the endpoint that a message goes to, or that has missed it.
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
    let matching = |logged| app.matching(access, &filter, logged);
    let page = match filter.status {
        Some(DeliveryStatus::Failed) => {
            app.failures.page(access, &app.events, &request, now, matching).await?
        }
        _ => app.events.messages(access, &request, now, matching).await?,
    };
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
    let followed = app.follow(access, logged).await?;
    Ok(Json(app.view(access, followed).await?))
}

/// An event, and the rows of its deliveries.
pub(crate) struct Followed {
    /// With all that it went to: what a recovery has brought it to is named by rows only.
    pub(crate) logged: LoggedEvent,
    pub(crate) rows: Vec<DeliveryRow>,
}

impl App {
    /// An event of the log with the rows of its deliveries.
    pub(crate) async fn follow(
        &self,
        access: Access,
        mut logged: LoggedEvent,
    ) -> Result<Followed, StoreError> {
        let rows = self.rows.of_event(access, logged.event.id).await?;
        for row in &rows {
            if !logged.targets.iter().any(|target| target.endpoint == row.endpoint) {
                let endpoint = self.endpoints.get(access, row.endpoint).await?;
                let url = endpoint.map(|endpoint| endpoint.url.to_string()).unwrap_or_default();
                logged.targets.push(Target::new(row.endpoint, url, Origin::Endpoint));
            }
        }
        // A recovery or a resend has brought it there since.
        logged.missed.retain(|missed| !rows.iter().any(|row| row.endpoint == missed.endpoint));
        Ok(Followed { logged, rows })
    }

    /// A message with the state of its deliveries.
    async fn view(
        &self,
        access: Access,
        Followed { logged, rows }: Followed,
    ) -> Result<MessageView, StoreError> {
        let found = self.attempts.of_event(access, &logged, &rows).await?;
        let deliveries = found.iter().map(|(target, attempts)| {
            let row = rows.iter().find(|row| row.endpoint == target.endpoint);
            let status = row.map_or_else(|| DeliveryStatus::of(attempts), DeliveryRow::status);
            DeliveryView::of(target, attempts, status)
        });
        let deliveries = deliveries.collect();
        Ok(MessageView::of(logged.event, deliveries, &logged.missed))
    }

    async fn matching(
        &self,
        access: Access,
        filter: &MessageFilter,
        logged: LoggedEvent,
    ) -> Result<Option<MessageView>, StoreError> {
        if filter.kind.as_ref().is_some_and(|kind| !kind.matches(&logged.event.kind)) {
            return Ok(None);
        }
        let mut followed = self.follow(access, logged).await?;
        if let Some(endpoint) = filter.endpoint_id {
            let LoggedEvent { targets, missed, .. } = &mut followed.logged;
            targets.retain(|target| target.endpoint == endpoint);
            missed.retain(|missed| missed.endpoint == endpoint);
            if targets.is_empty() && missed.is_empty() {
                return Ok(None);
            }
        }
        let message = self.view(access, followed).await?;
        let wanted = filter.status.is_none_or(|status| {
            message.deliveries.iter().any(|delivery| delivery.status == status)
        });
        Ok(wanted.then_some(message))
    }
}
