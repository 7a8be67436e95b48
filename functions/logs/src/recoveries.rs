//! Recoveries: all failed or missed deliveries of an endpoint in a time range, again.
//!
//! A request only writes the recovery's row, by which `jobs` finds it. While it runs, a second
//! request for one returns it.

use std::{sync::Arc, time::Duration};

use api::{
    ApiError, Body, ListParams, NoFilter,
    auth::{Caller, SendsEvents},
    listed, page_request,
};
use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use domain::{
    id::{EndpointId, RecoveryId},
    model::{Endpoint, Scope, Status},
    recovery::{Recovery, State as Progress},
    time::Timestamp,
};
use http::{StatusCode, Uri};
use runtime::clock;
use serde::{Deserialize, Serialize};
use store::{Access, recoveries::Turn};
use utoipa::ToSchema;

use crate::App;

/// For how long a request that knew the endpoint as it was before may still be accepting an event:
/// the timeout of `events` in the template, and a second.
const ACCEPTING: Duration = Duration::from_secs(16);

/// The time range whose failed and missed events the endpoint gets again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Recover)]
pub(crate) struct RecoveryRequest {
    /// Unix seconds: events from this time on.
    #[schema(example = 1_767_225_600)]
    since: u64,
    /// Unix seconds: events before this time. Now if absent or null.
    #[serde(default)]
    #[schema(example = json!(null))]
    until: Option<u64>,
    /// Whether to count only, without sending.
    #[serde(default)]
    #[schema(example = true)]
    dry_run: bool,
    /// Whether to send again what has succeeded, too: if the receiver has lost it.
    #[serde(default)]
    #[schema(example = false)]
    include_succeeded: bool,
}

/// A recovery of an endpoint's failed and missed deliveries, and its progress.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Recovery)]
pub(crate) struct RecoveryView {
    id: RecoveryId,
    #[schema(pattern = "^recovery$", example = "recovery")]
    object: &'static str,
    endpoint_id: EndpointId,
    /// `stopped` means that it ended early.
    #[schema(value_type = String, pattern = "^(running|done|stopped)$", example = "done")]
    status: Progress,
    /// Whether the recovery only counts.
    dry_run: bool,
    /// Whether the recovery sends again what has succeeded, too.
    include_succeeded: bool,
    /// Unix seconds.
    #[schema(example = 1_767_225_600)]
    since: u64,
    /// Unix seconds.
    #[schema(example = 1_767_229_200)]
    until: u64,
    /// Events examined so far.
    #[schema(example = 1_000)]
    examined: u64,
    /// Failed deliveries found.
    #[schema(example = 12)]
    failed: u64,
    /// Events found that the endpoint never got.
    #[schema(example = 3)]
    missed: u64,
    /// Deliveries found that had succeeded, if these are sent again.
    #[schema(example = 0)]
    succeeded: u64,
    /// Deliveries queued.
    #[schema(example = 15)]
    enqueued: u64,
    /// Why the recovery stopped before it had examined all events.
    #[schema(required, example = json!(null))]
    stopped_because: Option<String>,
    /// Unix seconds.
    #[schema(example = 1_767_229_200)]
    created_at: u64,
    /// Unix seconds.
    #[schema(required, example = 1_767_229_260)]
    finished_at: Option<u64>,
}

impl From<Recovery> for RecoveryView {
    fn from(recovery: Recovery) -> Self {
        Self {
            id: recovery.id,
            object: "recovery",
            endpoint_id: recovery.endpoint,
            status: recovery.state,
            dry_run: recovery.dry_run,
            include_succeeded: recovery.include_succeeded,
            since: recovery.since.seconds(),
            until: recovery.until.seconds(),
            examined: recovery.found.examined,
            failed: recovery.found.failed,
            missed: recovery.found.missed,
            succeeded: recovery.found.succeeded,
            enqueued: recovery.found.enqueued,
            stopped_because: recovery.stopped_because,
            created_at: recovery.created_at.seconds(),
            finished_at: recovery.finished_at.map(Timestamp::seconds),
        }
    }
}

/// Recover an endpoint
///
/// Sends every delivery of a time range again that failed or was missed, including events from when
/// the endpoint was paused, disabled or not yet subscribed; with `include_succeeded`, every other
/// one too. Of topics that the endpoint subscribes to. Begins 16 seconds after the endpoint's last
/// change at the earliest. Safe to call twice.
#[utoipa::path(
    post, path = "/webhooks/endpoints/{id}/recover", tag = "Endpoints",
    operation_id = "recoverEndpoint",
    params(("id" = EndpointId, Path)),
    request_body = RecoveryRequest,
    responses(
        (status = 202, body = RecoveryView, description = "The recovery has started"),
        (status = 200, body = RecoveryView, description = "The recovery is already running"),
        (
            status = 409,
            description = "The endpoint is not active, or another recovery is running: of another \
                time range, or of other deliveries",
        ),
    ),
    security(("projectKey" = ["events"])),
)]
pub(crate) async fn recover(
    State(app): State<Arc<App>>,
    SendsEvents(access): SendsEvents,
    Path(id): Path<String>,
    Body(wanted): Body<RecoveryRequest>,
) -> Result<(StatusCode, Json<RecoveryView>), ApiError> {
    let endpoint = app.endpoint(access, &id).await?;
    let now = clock::now();
    let (since, until) = range(&wanted, app.retention_days, now)?;
    if endpoint.status != Status::Active && !wanted.dry_run {
        return Err(ApiError::conflict(
            "the endpoint is not active; nothing could be delivered to it, but a `dry_run` counts",
        ));
    }
    let id = RecoveryId::new(now, rand::random());
    let recovery = Recovery {
        dry_run: wanted.dry_run,
        include_succeeded: wanted.include_succeeded,
        ..Recovery::new(id, &endpoint, since, until, now)
    };
    let due_at = now.max(endpoint.updated_at + ACCEPTING);
    match app.recoveries.begin(recovery, due_at, now).await? {
        Turn::Taken(recovery) => Ok((StatusCode::ACCEPTED, Json(recovery.into()))),
        // Without `until`, "up to now" is what the running one does too.
        Turn::Held(held)
            if held.since == since
                && held.include_succeeded == wanted.include_succeeded
                && wanted.until.is_none_or(|_| held.until == until) =>
        {
            Ok((StatusCode::OK, Json(held.into())))
        }
        Turn::Held(held) => Err(ApiError::conflict(format!(
            "the recovery {} is running for this endpoint, with another range or \
             `include_succeeded`",
            held.id
        ))),
    }
}

/// Read a recovery
#[utoipa::path(
    get, path = "/webhooks/endpoints/{id}/recoveries/{recovery_id}", tag = "Endpoints",
    operation_id = "getRecovery",
    params(("id" = EndpointId, Path), ("recovery_id" = RecoveryId, Path)),
    responses((status = 200, body = RecoveryView, description = "The recovery")),
    security(("projectKey" = ["read"])),
)]
pub(crate) async fn read(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((id, recovery)): Path<(String, String)>,
) -> Result<Json<RecoveryView>, ApiError> {
    let access = caller.access(&[Scope::Read])?;
    let not_found = || ApiError::not_found("recovery");
    let (id, recovery) =
        (id.parse().map_err(|_| not_found())?, recovery.parse().map_err(|_| not_found())?);
    let found = app.recoveries.get(access, id, recovery, clock::now()).await?;
    found.map(|recovery| Json(recovery.into())).ok_or_else(not_found)
}

/// List the recoveries of an endpoint
#[utoipa::path(
    get, path = "/webhooks/endpoints/{id}/recoveries", tag = "Endpoints",
    operation_id = "listRecoveries",
    params(("id" = EndpointId, Path), ListParams),
    responses((status = 200, body = [RecoveryView], description = "A page of recoveries")),
    security(("projectKey" = ["read"])),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let access = caller.access(&[Scope::Read])?;
    let (request, params, NoFilter {}) = page_request::<RecoveryId, _>(uri.query())?;
    let endpoint = app.endpoint(access, &id).await?;
    let page =
        app.recoveries.list(&endpoint, &request, clock::now()).await?.map(RecoveryView::from);
    Ok(listed(uri.path(), &params, &request, &page, |recovery| recovery.id.to_string()))
}

impl App {
    async fn endpoint(&self, access: Access, id: &str) -> Result<Endpoint, ApiError> {
        let not_found = || ApiError::not_found("endpoint");
        let id = id.parse().map_err(|_| not_found())?;
        self.endpoints.get(access, id).await?.ok_or_else(not_found)
    }
}

/// The range, if the log holds it.
fn range(
    wanted: &RecoveryRequest,
    retention_days: u32,
    now: Timestamp,
) -> Result<(Timestamp, Timestamp), ApiError> {
    let since = Timestamp::from_seconds(wanted.since);
    let until = wanted.until.map_or(now, Timestamp::from_seconds);
    let oldest = now.seconds().saturating_sub(u64::from(retention_days) * 86_400);
    if until > now {
        return Err(ApiError::validation("until", "must be Unix seconds, and not in the future"));
    }
    if since >= until {
        return Err(ApiError::validation(
            "since",
            "must be Unix seconds before `until`, which is now by default",
        ));
    }
    if wanted.since < oldest {
        let message = format!(
            "events are kept for {retention_days} days: must be {oldest} (Unix seconds) or later"
        );
        return Err(ApiError::validation("since", message));
    }
    Ok((since, until))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_ends_by_now_and_begins_where_the_log_does() {
        let now = Timestamp::from_seconds(30 * 86_400 + 1_000);
        let wanted = |since, until| RecoveryRequest {
            since,
            until,
            dry_run: false,
            include_succeeded: false,
        };
        let of = |since, until| range(&wanted(since, until), 30, now);
        assert_eq!(of(1_000, None).unwrap(), (Timestamp::from_seconds(1_000), now));
        assert_eq!(of(1_000, Some(1_001)).unwrap().1, Timestamp::from_seconds(1_001));
        for (since, until) in [
            (999, None),
            (1_000, Some(1_000)),
            (2_000, Some(1_500)),
            (u64::MAX, None),
            (1_000, Some(u64::MAX)),
        ] {
            assert_eq!(of(since, until).unwrap_err().status(), 400, "{since} {until:?}");
        }
    }
}
