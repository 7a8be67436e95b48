//! The story of an event's acceptance: who wants it, the log, the queue; then the 202.

use api::ApiError;
use domain::{
    budget::Cost,
    id::EventId,
    message::{Message, Recipient},
    model::{Event, event::LoggedEvent},
    time::Timestamp,
};
use futures::{StreamExt, TryStreamExt, stream};
use runtime::clock;
use store::Access;

use crate::{
    App,
    audience::Audience,
    identity::{Identity, refuse_other},
    input::Draft,
    repeat::repeat,
};

/// The most deliveries of one batch: 200 calls of SQS, eight at a time.
const MAX_DELIVERIES: usize = 2_000;
/// Events that are written at a time, each in a call of its own.
const CONCURRENCY: usize = 16;

/// A request's events, which are well-formed.
pub(crate) struct Request {
    pub(crate) drafts: Vec<Draft>,
    /// Its `Idempotency-Key`.
    pub(crate) key: Option<String>,
    /// When it came.
    pub(crate) now: Timestamp,
}

/// Accepts all events or none. When this returns events, each of their deliveries is on the queue,
/// or has left a trace, or has a row.
///
/// `judged` is what the project's rules say of the events. They change, and so do limits: a request
/// that they refuse now gets its answer all the same if it was accepted before.
pub(crate) async fn accept(
    app: &App,
    access: Access,
    Request { drafts, key, now }: Request,
    audience: &Audience,
    judged: Result<(), ApiError>,
) -> Result<Vec<Event>, ApiError> {
    let recipients: Vec<_> = drafts.iter().map(|draft| audience.recipients(draft)).collect();
    let allowed = match judged.and_then(|()| check_fan_out(&recipients)) {
        Ok(()) => {
            let charged = app.budgets.charge(access, cost(&drafts, &recipients), now).await;
            charged.map_err(ApiError::from)
        }
        refused => refused,
    };
    let identity = Identity::of(app, access, &drafts, key, now)?;
    if let Err(refusal) = allowed {
        let found = identity.known().await?.ok_or(refusal)?;
        repeat(app, access, audience, &found.iter().collect::<Vec<_>>(), now).await?;
        return Ok(found.into_iter().map(|logged| logged.event).collect());
    }

    let mut plan = identity.plan().await?;
    let planned = drafts.iter().zip(plan.ids).zip(recipients).map(|((draft, id), recipients)| {
        match plan.found.remove(&id) {
            Some(logged) => Entry { logged, recipients: None },
            None => Entry {
                logged: logged(draft, id, plan.accepted_at, &recipients, audience),
                recipients: Some(recipients),
            },
        }
    });
    let planned: Vec<_> = planned.collect();
    let entries = if plan.is_random {
        app.log.record(access, planned.iter().map(|entry| &entry.logged), clock::now).await?;
        planned
    } else {
        let adding = adding(app, access, &drafts, planned);
        stream::iter(adding).buffered(CONCURRENCY).try_collect::<Vec<_>>().await?
    };
    let sending = app.publisher.send(messages(access, audience, &entries, now));
    tokio::join!(sending, app.usage.note(access, now)).0?;
    let there = entries.iter().filter(|entry| entry.recipients.is_none());
    let there: Vec<_> = there.map(|entry| &entry.logged).collect();
    repeat(app, access, audience, &there, now).await?;
    Ok(entries.into_iter().map(|entry| entry.logged.event).collect())
}

/// One of the request's events, as the log has it, or will have it.
struct Entry {
    logged: LoggedEvent,
    /// Who gets it from this request; `None` if the log had it before.
    recipients: Option<Vec<Recipient>>,
}

/// The writes of events that may be in the log.
fn adding<'a>(
    app: &'a App,
    access: Access,
    drafts: &'a [Draft],
    planned: Vec<Entry>,
) -> impl Iterator<Item = impl Future<Output = Result<Entry, ApiError>>> {
    drafts.iter().zip(planned).map(move |(draft, entry)| add(app, access, draft, entry))
}

/// Writes an event unless the log has it.
async fn add(app: &App, access: Access, draft: &Draft, entry: Entry) -> Result<Entry, ApiError> {
    if entry.recipients.is_none() {
        return Ok(entry);
    }
    match app.log.add(access, &entry.logged, clock::now).await? {
        None => Ok(entry),
        Some(there) => {
            refuse_other(draft, &there)?;
            Ok(Entry { logged: there, recipients: None })
        }
    }
}

/// The first messages of events that this request has written, made only as they are sent: together
/// they may be larger than memory.
fn messages(
    access: Access,
    audience: &Audience,
    entries: &[Entry],
    now: Timestamp,
) -> impl Iterator<Item = Message> {
    let (project, brand) = (access.project(), audience.brand());
    entries.iter().flat_map(move |Entry { logged, recipients }| {
        let brand = brand.clone();
        recipients.iter().flatten().map(move |recipient| {
            Message::first(project, brand.clone(), &logged.event, recipient, now)
        })
    })
}

/// The event as the log will have it, with everybody who gets it, or would have.
fn logged(
    draft: &Draft,
    id: EventId,
    accepted_at: Timestamp,
    recipients: &[Recipient],
    audience: &Audience,
) -> LoggedEvent {
    let missed = audience.missed(draft);
    let Draft { kind, data, user_id, worker_id, webhook_url, metadata, created_at, .. } =
        draft.clone();
    let created_at = created_at.unwrap_or(accepted_at.seconds());
    let event = Event { id, kind, data, created_at, user_id, worker_id, webhook_url, metadata };
    let targets = recipients.iter().map(|recipient| recipient.target.clone()).collect();
    LoggedEvent { event, targets, missed, accepted_at }
}

/// What accepting events costs their project. One that nobody wants is written all the same.
fn cost(drafts: &[Draft], recipients: &[Vec<Recipient>]) -> Cost {
    let each = drafts.iter().zip(recipients).map(|(draft, recipients)| {
        let metadata = draft.metadata.as_ref().map_or(0, |metadata| metadata.get().len());
        Cost::of_deliveries(recipients.len().max(1), draft.data.get().len() + metadata)
    });
    each.sum()
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
