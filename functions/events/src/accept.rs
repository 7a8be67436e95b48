//! The story of an event's acceptance: who wants it, the log, the queue; then the 202.

use std::time::Duration;

use shared::{
    auth::Access,
    http::ApiError,
    message::{Message, VERSION},
    model::{Endpoint, Event, Target, Trigger, event::LoggedEvent},
    queue::Outgoing,
    store::endpoints::ProjectView,
    time::Timestamp,
};

use crate::{
    App,
    claims::{Claims, Planned, State},
    input::Draft,
};

/// The most deliveries of one batch: 200 calls of SQS, eight at a time.
const MAX_DELIVERIES: usize = 2_000;

/// Accepts all events or none. When this returns events, each of their deliveries is on the queue.
pub(crate) async fn accept(
    app: &App,
    access: Access,
    drafts: Vec<Draft>,
    project: &ProjectView,
    key: Option<String>,
    now: Timestamp,
) -> Result<Vec<Event>, ApiError> {
    check_fan_out(&drafts, &project.endpoints)?;
    let retention = Duration::from_secs(u64::from(app.retention_days) * 86_400);
    let (claims, planned) = Claims::take(&app.leases, access, &drafts, key, retention, now).await?;
    let logged: Vec<_> = drafts.into_iter().zip(&planned).map(|(draft, plan)| log_entry(draft, *plan, &project.endpoints)).collect();
    let to_do: Vec<_> = logged
        .iter()
        .zip(&planned)
        .filter(|(_, plan)| plan.state != State::Done)
        .map(|(event, plan)| (event.clone(), plan.state))
        .collect();

    match record_and_enqueue(app, access, project, to_do, now).await {
        Ok(()) => claims.finish().await,
        Err(error) => {
            claims.give_up().await;
            return Err(error);
        }
    }
    Ok(logged.into_iter().map(|entry| entry.event).collect())
}

/// The event as the log will have it, with everybody who wants it.
fn log_entry(draft: Draft, plan: Planned, endpoints: &[Endpoint]) -> LoggedEvent {
    let wanting = endpoints.iter().filter(|endpoint| endpoint.wants(&draft.kind));
    let targets = wanting.map(|endpoint| Target { endpoint: endpoint.id, url: endpoint.url.to_string() }).collect();
    let event = Event {
        id: plan.id,
        kind: draft.kind,
        data: draft.data,
        created_at: draft.created_at.unwrap_or(plan.accepted_at.seconds()),
        user_id: draft.user_id,
        worker_id: draft.worker_id,
        metadata: draft.metadata,
    };
    LoggedEvent { event, targets, accepted_at: plan.accepted_at }
}

/// First the log, then the queue: whatever is delivered can be found.
async fn record_and_enqueue(
    app: &App,
    access: Access,
    project: &ProjectView,
    entries: Vec<(LoggedEvent, State)>,
    now: Timestamp,
) -> Result<(), ApiError> {
    let (events, states): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
    match events.as_slice() {
        [] => return Ok(()),
        [event] => app.events.put(access, event).await?,
        events => app.events.put_all(access, events).await?,
    }
    let brand = project.project.as_ref().and_then(|project| project.brand.clone());
    let deliveries = events.into_iter().zip(states).flat_map(|(entry, state)| {
        let event = entry.event;
        entry.targets.into_iter().map(move |target| (event.clone(), state, target))
    });
    let messages = deliveries.map(move |(event, state, target)| {
        outgoing(&Message {
            v: VERSION,
            project: access.project(),
            endpoint: target.endpoint,
            event,
            enqueued_at: now,
            brand: brand.clone(),
            trigger: Trigger::Scheduled,
            round: None,
            recheck: state == State::Unsure,
        })
    });
    app.deliveries.send(messages).await
}

fn outgoing(message: &Message) -> Result<Outgoing, ApiError> {
    let body = message.encode().map_err(|error| {
        tracing::error!(%error, "could not encode a message");
        ApiError::unavailable()
    })?;
    Ok(Outgoing { body, group: Some(message.endpoint.to_string()), delay: Duration::ZERO })
}

/// Refuses a batch that means more deliveries than one request has the time to enqueue.
fn check_fan_out(drafts: &[Draft], endpoints: &[Endpoint]) -> Result<(), ApiError> {
    let wanted = |draft: &Draft| endpoints.iter().filter(|endpoint| endpoint.wants(&draft.kind)).count();
    let deliveries: usize = drafts.iter().map(wanted).sum();
    if drafts.len() > 1 && deliveries > MAX_DELIVERIES {
        let message = format!("mean {deliveries} deliveries, of at most {MAX_DELIVERIES} a request; send smaller batches");
        return Err(ApiError::too_large(Some("events"), message));
    }
    Ok(())
}
