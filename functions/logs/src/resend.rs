//! `POST /webhooks/messages/{id}/resend`: the same event again, to one endpoint or to all of its.

use std::{sync::Arc, time::Duration};

use api::{ApiError, auth::Caller, parse_json, read_json};
use axum::{
    Json,
    extract::{Path, Request, State},
};
use domain::{
    budget::Cost,
    delivery_row::DeliveryRow,
    id::{EndpointId, EventId, RoundId},
    message::{Message, Recipient},
    model::{Scope, Trigger, event::LoggedEvent},
    time::Timestamp,
};
use futures::future::try_join_all;
use http::StatusCode;
use runtime::clock;
use serde::{Deserialize, Serialize};
use store::{Access, queue::QueueEntry};
use utoipa::ToSchema;

use crate::{App, messages::Followed};

/// The largest body of a resend, in bytes.
const MAX_BODY: usize = 4_096;

/// The endpoints to resend a message to.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Resend)]
pub(crate) struct ResendRequest {
    /// The endpoint to resend to: any of the project's. All endpoints of the message if absent or
    /// null.
    #[serde(default)]
    endpoint_id: Option<EndpointId>,
}

// No more than a key that may not read could have sent.
/// The result of a resend.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Resent {
    id: EventId,
    #[schema(pattern = "^message$", example = "message")]
    object: &'static str,
    /// The endpoints that get the message again.
    endpoint_ids: Vec<EndpointId>,
}

/// Send a message again
///
/// To an endpoint, also one that it did not go to; or to all of its endpoints that are active. Each
/// delivery starts its schedule again. The body is optional.
#[utoipa::path(
    post, path = "/webhooks/messages/{id}/resend", tag = "Messages", operation_id = "resendMessage",
    params(("id" = EventId, Path)),
    request_body = Option<ResendRequest>,
    responses(
        (status = 202, body = Resent, description = "The deliveries are queued"),
        (status = 409, description = "None of the message's endpoints is active"),
    ),
    security(("projectKey" = ["events"])),
)]
pub(crate) async fn resend(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<(StatusCode, Json<Resent>), ApiError> {
    let access = caller.access(&[Scope::Events])?;
    let body = read_json(request, MAX_BODY).await?;
    let wanted = if body.is_empty() { ResendRequest::default() } else { parse_json(&body)? };
    let logged = app.find(access, &id, "message").await?;
    let Followed { logged, rows } = app.follow(access, logged).await?;
    let project = app.projects.get(access.project()).await?;
    let recipients = app.recipients(access, project.as_ref(), &logged, wanted.endpoint_id).await?;

    let now = clock::now();
    let cost = Cost::of_deliveries(recipients.len(), logged.event.data.get().len());
    app.budgets.charge(access, cost, now).await?;
    let brand = project.and_then(|project| project.brand);
    let begun = try_join_all(recipients.iter().map(|recipient| {
        let row = rows.iter().find(|row| row.endpoint == recipient.target.endpoint);
        let message = message(access, recipient, &logged, brand.clone(), now);
        begin(&app, access, &logged, message, row)
    }));
    app.retries.send(begun.await?.into_iter().flatten().map(Ok::<_, ApiError>)).await?;
    app.usage.add(access, cost, now).await;
    let endpoint_ids = recipients.into_iter().map(|recipient| recipient.target.endpoint).collect();
    Ok((
        StatusCode::ACCEPTED,
        Json(Resent { id: logged.event.id, object: "message", endpoint_ids }),
    ))
}

/// First the row. The message that acts for it, unless a later resend has it.
async fn begin(
    app: &App,
    access: Access,
    logged: &LoggedEvent,
    message: Message,
    there: Option<&DeliveryRow>,
) -> Result<Option<QueueEntry>, ApiError> {
    let history = match there {
        Some(row) => row.history.clone(),
        None => app.attempts.history(access, logged, message.endpoint).await?,
    };
    let row = DeliveryRow::resend(&message, &history, rand::random::<u32>().into());
    let begun = app.rows.begin_again(row, there.cloned()).await?;
    let entry = |row: DeliveryRow| QueueEntry::again(&row.again(false), Duration::ZERO);
    Ok(begun.map(entry).transpose()?)
}

fn message(
    access: Access,
    recipient: &Recipient,
    logged: &LoggedEvent,
    brand: Option<String>,
    now: Timestamp,
) -> Message {
    let first = Message::first(access.project(), brand, &logged.event, recipient, now);
    let round = Some(RoundId::new(now, rand::random()));
    Message { trigger: Trigger::Manual, round, ..first }
}
