//! `POST /webhooks/endpoints/{id}/test`: one event to one endpoint, whatever it subscribes to, so
//! that its owner sees it arrive.
//!
//! It is logged, signed and delivered like any other, but tried only once: who tests is looking,
//! and tests again.

use std::sync::Arc;

use api::{ApiError, EventView, auth::Caller, parse_json, read_json};
use axum::{
    Json,
    extract::{Path, Request, State},
};
use domain::{
    budget::Cost,
    id::{EndpointId, EventId},
    message::{Message, Recipient},
    model::{
        Catalogue, CatalogueEntry, Event, Origin, Scope, Status, Subscription, Target, Topic,
        Trigger, event::LoggedEvent,
    },
    time::Timestamp,
};
use http::StatusCode;
use runtime::clock;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{
    App,
    input::{MAX_EVENT_BYTES, payload},
};

/// What to send as a test.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TestEvent, example = json!({"kind": "task.succeeded"}))]
pub(crate) struct TestRequest {
    /// Any topic of the catalogue. By default, the first that the endpoint subscribes to.
    #[serde(default)]
    kind: Option<Topic>,
    /// The payload. By default, the topic's example.
    #[serde(default)]
    #[schema(value_type = Value)]
    data: Option<Box<RawValue>>,
}

/// Send a test event to an endpoint
///
/// Sent whatever the endpoint subscribes to. Posthaste logs, signs and delivers it like any other
/// event, but tries only once. The body is optional.
#[utoipa::path(
    post, path = "/webhooks/endpoints/{id}/test", tag = "Endpoints", operation_id = "testEndpoint",
    params(("id" = EndpointId, Path)),
    request_body = Option<TestRequest>,
    responses(
        (status = 202, body = EventView, description = "The event. Its delivery is queued"),
        (status = 409, description = "The endpoint is not active"),
    ),
    security(("projectKey" = ["endpoints"])),
)]
pub(crate) async fn send(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<(StatusCode, Json<EventView>), ApiError> {
    let access = caller.access(&[Scope::Endpoints])?;
    let body = read_json(request, MAX_EVENT_BYTES).await?;
    let wanted: TestRequest =
        if body.is_empty() { TestRequest::default() } else { parse_json(&body)? };
    let project = app.projects.load(access).await?;
    let id: Option<EndpointId> = id.parse().ok();
    let endpoint = project
        .endpoints
        .iter()
        .find(|endpoint| Some(endpoint.id) == id)
        .ok_or_else(|| ApiError::not_found("endpoint"))?;
    if endpoint.status != Status::Active {
        return Err(ApiError::conflict("the endpoint is not active; activate it first"));
    }

    let now = clock::now();
    let catalogue = app.catalogue.with(app.topics.all(access).await?);
    let event = event(wanted, endpoint, &catalogue, now)?;
    let target =
        Target { test: true, ..Target::new(endpoint.id, endpoint.url.clone(), Origin::Endpoint) };
    let logged =
        LoggedEvent { event, targets: vec![target.clone()], missed: Vec::new(), accepted_at: now };
    let brand = project.project.as_ref().and_then(|project| project.brand.clone());
    let first = Message::first(
        access.project(),
        brand,
        &logged.event,
        &Recipient { target, via: None },
        now,
    );
    let message = Message { trigger: Trigger::Test, ..first };
    app.budgets.charge(access, Cost::of_deliveries(1, message.event.data.get().len()), now).await?;
    let (events, deliveries) = (std::slice::from_ref(&logged), std::iter::once(message));
    app.publisher.publish(access, events, deliveries, clock::now).await?;
    app.usage.note(access, now).await;
    Ok((StatusCode::ACCEPTED, Json(logged.event.into())))
}

fn event(
    wanted: TestRequest,
    endpoint: &Subscription,
    catalogue: &Catalogue,
    now: Timestamp,
) -> Result<Event, ApiError> {
    let subscribed = || {
        catalogue
            .entries()
            .find(|entry| endpoint.wants(&entry.name))
            .or_else(|| catalogue.entries().next())
    };
    let entry = match wanted.kind {
        Some(kind) => catalogue
            .get(&kind)
            .ok_or_else(|| ApiError::validation("kind", format!("no such topic: `{kind}`")))?,
        None => subscribed()
            .ok_or_else(|| ApiError::validation("kind", "is required: there are no topics"))?,
    };
    let misfit = |data: &RawValue| {
        let fits = endpoint.body.map_or(Ok(()), |body| body.check(data));
        fits.map_err(|misfit| ApiError::validation("data", misfit.to_string()))
    };
    let data = match wanted.data {
        Some(data) => payload(&data)?,
        None => fitting_example(&entry, endpoint)?,
    };
    misfit(&data)?;
    Ok(Event {
        id: EventId::new(now, rand::random()),
        kind: entry.name,
        data,
        created_at: now.seconds(),
        user_id: None,
        worker_id: None,
        webhook_url: None,
        metadata: None,
    })
}

/// The topic's example; for a shape that wants a named resource in the data, under its name.
fn fitting_example(
    entry: &CatalogueEntry,
    endpoint: &Subscription,
) -> Result<Box<RawValue>, ApiError> {
    let raw = |text| RawValue::from_string(text).map_err(|_| ApiError::unavailable());
    let example = raw(entry.example())?;
    if endpoint.body.is_none_or(|body| body.check(&example).is_ok()) {
        return Ok(example);
    }
    let topic = entry.name.to_string();
    let name = topic.split('.').next().unwrap_or_default();
    raw(format!(r#"{{"{name}":{example}}}"#))
}
