//! The story of an event's acceptance: who wants it, the log, the queue; then the 202.

use std::time::Duration;

use api::ApiError;
use domain::{
    message::{Message, Recipient},
    model::{Event, event::LoggedEvent},
    time::Timestamp,
};
use runtime::clock;
use store::{Access, publish::PublishError};

use crate::{
    App,
    audience::Audience,
    claims::{Claims, Planned, State},
    input::Draft,
    taken,
};

/// The most deliveries of one batch: 200 calls of SQS, eight at a time.
const MAX_DELIVERIES: usize = 2_000;

/// Accepts all events or none. When this returns events, each of their deliveries is on the queue.
pub(crate) async fn accept(
    app: &App,
    access: Access,
    drafts: Vec<Draft>,
    audience: &Audience,
    key: Option<String>,
    now: Timestamp,
) -> Result<Vec<Event>, ApiError> {
    let recipients: Vec<_> = drafts.iter().map(|draft| audience.recipients(draft)).collect();
    check_fan_out(&recipients)?;
    app.limit.take(access, drafts.len(), now)?;
    let retention = Duration::from_secs(u64::from(app.retention_days) * 86_400);
    let (claims, planned) = Claims::take(&app.leases, access, &drafts, key, retention, now).await?;
    if let Err(error) = taken::refuse(&app.events, access, &drafts, &planned, now).await {
        claims.abandon().await;
        return Err(error);
    }
    let events: Vec<_> =
        drafts.into_iter().zip(&planned).map(|(draft, plan)| event(draft, *plan)).collect();
    let to_do = events
        .iter()
        .cloned()
        .zip(recipients)
        .zip(planned)
        .filter(|(_, plan)| plan.state != State::Done);
    let to_do =
        to_do.map(|((event, recipients), plan)| Accepted { event, recipients, plan }).collect();

    match publish(app, access, audience.brand(), to_do, now).await {
        Ok(()) => claims.finish().await,
        Err(error) => {
            claims.give_up().await;
            return Err(error.into());
        }
    }
    Ok(events)
}

/// An event that is to be published.
struct Accepted {
    event: Event,
    recipients: Vec<Recipient>,
    plan: Planned,
}

fn event(draft: Draft, plan: Planned) -> Event {
    Event {
        id: plan.id,
        kind: draft.kind,
        data: draft.data,
        created_at: draft.created_at.unwrap_or(plan.accepted_at.seconds()),
        user_id: draft.user_id,
        worker_id: draft.worker_id,
        webhook_url: draft.webhook_url,
        metadata: draft.metadata,
    }
}

async fn publish(
    app: &App,
    access: Access,
    brand: Option<String>,
    accepted: Vec<Accepted>,
    now: Timestamp,
) -> Result<(), PublishError> {
    let logged: Vec<_> = accepted.iter().map(log_entry).collect();
    let messages = accepted.into_iter().flat_map(move |Accepted { event, recipients, plan }| {
        let brand = brand.clone();
        recipients.into_iter().map(move |recipient| {
            let first = Message::first(access.project(), brand.clone(), &event, &recipient, now);
            Message { recheck: plan.state == State::Unsure, ..first }
        })
    });
    app.publisher.publish(access, &logged, messages, clock::now).await
}

/// The event as the log will have it, with everybody who gets it.
fn log_entry(accepted: &Accepted) -> LoggedEvent {
    let targets = accepted.recipients.iter().map(|recipient| recipient.target.clone()).collect();
    LoggedEvent { event: accepted.event.clone(), targets, accepted_at: accepted.plan.accepted_at }
}

/// Refuses a batch that means more deliveries than one request has the time to enqueue.
fn check_fan_out(recipients: &[Vec<Recipient>]) -> Result<(), ApiError> {
    let deliveries: usize = recipients.iter().map(Vec::len).sum();
    if recipients.len() > 1 && deliveries > MAX_DELIVERIES {
        let message = format!(
            "would cause {deliveries} deliveries, and a request may cause at most \
                {MAX_DELIVERIES}; send smaller batches"
        );
        return Err(ApiError::too_large(Some("events"), message));
    }
    Ok(())
}
