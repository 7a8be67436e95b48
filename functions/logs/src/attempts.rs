//! Attempts: of a message, of an endpoint.

use std::sync::Arc;

use api::{And, ApiError, ListParams, Params, TimeRange, auth::Caller, listed, page_request};
use axum::{
    extract::{Path, State},
    response::Response,
};
use domain::{
    id::{AttemptId, EndpointId, EventId},
    model::{Attempt, Outcome, Scope, Selector},
};
use http::Uri;
use runtime::clock;
use serde::Deserialize;
use store::{Access, Order, Page, PageRequest};
use utoipa::{IntoParams, ToSchema};

use crate::{App, messages::Followed, view::AttemptView};

/// Whether an attempt succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AttemptStatus {
    Succeeded,
    Failed,
}

/// Which attempts a list shows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AttemptFilter {
    /// Filter by topic.
    kind: Option<Selector>,
    /// Filter by outcome.
    outcome: Option<Outcome>,
    /// Filter by success: `failed` is every other outcome.
    #[param(inline)]
    status: Option<AttemptStatus>,
}

/// Whose attempts a list shows. One of the two is required.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AttemptsOf {
    /// The attempts of this message.
    #[param(value_type = Option<EventId>)]
    message_id: Option<String>,
    /// The attempts of this endpoint.
    endpoint_id: Option<EndpointId>,
}

type DeliveryFilter = And<AttemptFilter, TimeRange>;

impl AttemptFilter {
    fn wants(&self, attempt: &Attempt) -> bool {
        self.kind.as_ref().is_none_or(|kind| kind.matches(&attempt.kind))
            && self.outcome.is_none_or(|outcome| outcome == attempt.outcome)
            && self.status.is_none_or(|status| {
                (status == AttemptStatus::Succeeded) == (attempt.outcome == Outcome::Succeeded)
            })
    }
}

/// List attempts
///
/// Ordered by their own time.
#[utoipa::path(
    get, path = "/webhooks/delivery-attempts", tag = "Attempts", operation_id = "listAttempts",
    params(ListParams, AttemptsOf, AttemptFilter, TimeRange),
    responses((status = 200, body = [AttemptView], description = "A page of attempts")),
    security(("projectKey" = ["read"])),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, ApiError> {
    let access = caller.access(&[Scope::Read])?;
    let (request, params, And(of, And(filter, times))) =
        page_request::<AttemptId, And<AttemptsOf, DeliveryFilter>>(uri.query())?;
    let request = times.of(request);
    let page = match (of.message_id.as_deref(), of.endpoint_id) {
        (Some(message), endpoint) => {
            app.of_message(access, message, endpoint, &request, &filter).await?
        }
        (None, Some(endpoint)) => {
            app.check_owned(access, endpoint).await?;
            app.attempts
                .list(access, endpoint, &request, clock::now(), |attempt| filter.wants(attempt))
                .await?
        }
        (None, None) => {
            return Err(ApiError::validation(
                "message_id",
                "`message_id` or `endpoint_id` is required",
            ));
        }
    };
    Ok(answer(&uri, &params, &request, page))
}

/// List the attempts of an endpoint
///
/// Ordered by their own time. Attempts of a deleted endpoint can be read as long as the log keeps
/// them.
#[utoipa::path(
    get, path = "/webhooks/endpoints/{id}/deliveries", tag = "Attempts",
    operation_id = "listEndpointAttempts",
    params(("id" = EndpointId, Path), ListParams, AttemptFilter, TimeRange),
    responses((status = 200, body = [AttemptView], description = "A page of attempts")),
    security(("projectKey" = ["read"])),
)]
pub(crate) async fn of_endpoint(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let access = caller.access(&[Scope::Read])?;
    let (request, params, And(filter, times)) =
        page_request::<AttemptId, DeliveryFilter>(uri.query())?;
    let request = times.of(request);
    let id = id.parse().map_err(|_| ApiError::not_found("endpoint"))?;
    app.check_owned(access, id).await?;
    let page = app
        .attempts
        .list(access, id, &request, clock::now(), |attempt| filter.wants(attempt))
        .await?;
    Ok(answer(&uri, &params, &request, page))
}

fn answer(
    uri: &Uri,
    params: &Params,
    request: &PageRequest<AttemptId>,
    page: Page<Attempt>,
) -> Response {
    listed(uri.path(), params, request, &page.map(AttemptView::from), |attempt| {
        attempt.id.to_string()
    })
}

impl App {
    /// Whether it is an endpoint of the caller's project: one that is there, or that events of the
    /// project went to (a deleted one, a URL without an endpoint).
    async fn check_owned(&self, access: Access, id: EndpointId) -> Result<(), ApiError> {
        let is_known = self.endpoints.get(access, id).await?.is_some()
            || self.attempts.has_any(access, id).await?;
        is_known.then_some(()).ok_or_else(|| ApiError::not_found("endpoint"))
    }

    /// A page of a message's attempts, by their own time. They are few, so all are read and the
    /// page is cut from them.
    async fn of_message(
        &self,
        access: Access,
        message: &str,
        endpoint: Option<EndpointId>,
        request: &PageRequest<AttemptId>,
        filter: &AttemptFilter,
    ) -> Result<Page<Attempt>, ApiError> {
        let logged = self.find(access, message, "message").await?;
        let Followed { mut logged, rows } = self.follow(access, logged).await?;
        logged.targets.retain(|target| endpoint.is_none_or(|endpoint| endpoint == target.endpoint));
        let deliveries = self.attempts.of_event(access, &logged, &rows).await?;
        let attempts = deliveries
            .into_iter()
            .flat_map(|(_, attempts)| attempts)
            .filter(|attempt| filter.wants(attempt));
        Ok(cut(attempts.collect(), request))
    }
}

/// One page of attempts that are all there.
fn cut(mut attempts: Vec<Attempt>, request: &PageRequest<AttemptId>) -> Page<Attempt> {
    attempts.retain(|attempt| {
        request.since.is_none_or(|since| attempt.created_at >= since)
            && request.until.is_none_or(|until| attempt.created_at < until)
    });
    attempts.sort_by_key(|attempt| attempt.id);
    if request.order == Order::Desc {
        attempts.reverse();
    }
    let place = |id: AttemptId| attempts.iter().position(|attempt| attempt.id == id);
    let start = request.after.and_then(place).map_or(0, |place| place + 1);
    let end = request.before.and_then(place).unwrap_or(attempts.len());
    let (from, to) = if request.before.is_some() {
        (end.saturating_sub(request.limit), end)
    } else {
        (start, attempts.len().min(start + request.limit))
    };
    let has_more = if request.before.is_some() { from > 0 } else { to < attempts.len() };
    let items: Vec<_> = attempts.drain(from..to).collect();
    let last = if request.before.is_some() { items.first() } else { items.last() };
    Page { last_seen: last.map(|attempt| attempt.id.to_string()), has_more, items }
}
