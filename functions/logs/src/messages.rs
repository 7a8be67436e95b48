//! Messages: events with the state of their deliveries.

use std::sync::Arc;

use api::{ApiError, ListParams, auth::Caller, listed, page_request};
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
use store::StoreError;

use crate::{
    App,
    view::{DeliveryView, MessageView},
};

const STATUSES: [(&str, DeliveryStatus); 4] = [
    ("pending", DeliveryStatus::Pending),
    ("succeeded", DeliveryStatus::Succeeded),
    ("failed", DeliveryStatus::Failed),
    ("parked", DeliveryStatus::Parked),
];

/// Which messages a list shows.
struct Filter {
    kind: Option<Selector>,
    /// Messages with a delivery in this state.
    status: Option<DeliveryStatus>,
    /// Messages to this endpoint.
    endpoint: Option<EndpointId>,
}

/// List messages
///
/// A message is an event with the state of its deliveries.
#[utoipa::path(
    get, path = "/webhooks/messages", tag = "Messages", operation_id = "listMessages",
    params(
        ListParams,
        ("kind" = Option<Selector>, Query, description = "Only of these topics"),
        ("status" = Option<DeliveryStatus>, Query,
            description = "Only with a delivery in this state"),
        ("endpoint_id" = Option<EndpointId>, Query, description = "Only to this endpoint"),
        ("since" = Option<u64>, Query,
            description = "Unix seconds: only from then on",
            maximum = 99_999_999_999_i64),
        ("until" = Option<u64>, Query,
            description = "Unix seconds: only before then",
            maximum = 99_999_999_999_i64),
    ),
    responses((status = 200, body = [MessageView], description = "A page of messages")),
    security(("projectKey" = ["read"]))
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, ApiError> {
    let access = caller.access(&[Scope::Read])?;
    let (request, params) =
        page_request::<EventId>(uri.query(), &["kind", "status", "endpoint_id", "since", "until"])?;
    let filter = Filter {
        kind: params.value("kind")?,
        status: params.one_of("status", &STATUSES)?,
        endpoint: params.value("endpoint_id")?,
    };
    let now = clock::now();
    let page =
        app.events.list(access, &request, now, |logged| app.matching(&filter, logged, now)).await?;
    Ok(listed(uri.path(), &params, &request, &page, |message| message.event.id.to_string()))
}

/// Read a message
#[utoipa::path(
    get, path = "/webhooks/messages/{id}", tag = "Messages", operation_id = "getMessage",
    params(("id" = EventId, Path)),
    responses((status = 200, body = MessageView, description = "The message")),
    security(("projectKey" = ["read"]))
)]
pub(crate) async fn read(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<MessageView>, ApiError> {
    let access = caller.access(&[Scope::Read])?;
    let logged = app.find(access, &id, "message").await?;
    Ok(Json(app.message(logged).await?))
}

impl App {
    /// An event with the state of its deliveries as of now.
    pub(crate) async fn message(&self, logged: LoggedEvent) -> Result<MessageView, ApiError> {
        Ok(self.with_deliveries(logged, clock::now()).await?)
    }

    async fn with_deliveries(
        &self,
        logged: LoggedEvent,
        now: Timestamp,
    ) -> Result<MessageView, StoreError> {
        let found = self.attempts.of_event(&logged, now).await?;
        let event = logged.event.id;
        let deliveries = try_join_all(found.into_iter().map(|(target, attempts)| async move {
            let status = match DeliveryStatus::of_target(event, &target, &attempts) {
                DeliveryStatus::Pending if self.parked.holds(target.endpoint, event).await? => {
                    DeliveryStatus::Parked
                }
                other => other,
            };
            Ok::<_, StoreError>(DeliveryView::of(&target, &attempts, status))
        }))
        .await?;
        Ok(MessageView::of(logged.event, deliveries))
    }

    async fn matching(
        &self,
        filter: &Filter,
        mut logged: LoggedEvent,
        now: Timestamp,
    ) -> Result<Option<MessageView>, StoreError> {
        if filter.kind.as_ref().is_some_and(|kind| !kind.matches(&logged.event.kind)) {
            return Ok(None);
        }
        if let Some(endpoint) = filter.endpoint {
            logged.targets.retain(|target| target.endpoint == endpoint);
            if logged.targets.is_empty() {
                return Ok(None);
            }
        }
        let message = self.with_deliveries(logged, now).await?;
        let wanted = filter.status.is_none_or(|status| {
            message.deliveries.iter().any(|delivery| delivery.status == status)
        });
        Ok(wanted.then_some(message))
    }
}
