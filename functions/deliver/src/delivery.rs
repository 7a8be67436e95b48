//! One message: what the log says of it, the request, and what is to become of it.

use std::time::Duration;

use shared::{
    delivery::{FIRST, Step, decide},
    health::Health,
    id::{AttemptId, EndpointId, EventId},
    message::Message,
    model::{Attempt, Endpoint, Outcome, Status, Trigger},
    store::deliveries::Receivers,
    time::Timestamp,
    work,
};

use crate::{
    App,
    hosts::Hosts,
    incoming::{Record, Source},
    rate::{self, Permission},
    request::{self, RequestError},
    verdict::Verdict,
};

/// Time that is kept at the end of an invocation for writing down what happened.
pub(crate) const RESERVE: Duration = Duration::from_secs(8);
/// What is to become of a message.
#[derive(Clone, Debug)]
pub(crate) enum Fate {
    /// It is done with.
    Drop,
    /// It is to come again after so long, on the retries queue.
    Again(Duration),
    /// As it was rewritten, it is to come again after so long, as a new message on the retries queue.
    Move(Duration),
    /// It stays on its queue, hidden for so long, as nothing could be done for it.
    Hide(Duration),
    /// It goes to the dead-letter queue.
    Dead,
    /// It waits in the log table until its receiver is well again.
    Park(Box<Message>),
    /// It stays on its queue until its visibility timeout ends.
    Keep,
}

/// A message after its handling: what to record, and its fate.
#[derive(Debug)]
pub(crate) struct Handled {
    pub(crate) id: String,
    pub(crate) receipt: String,
    pub(crate) body: String,
    pub(crate) source: Source,
    /// The delivery, unless the message is none.
    pub(crate) delivery: Option<(EventId, EndpointId)>,
    pub(crate) attempt: Option<Attempt>,
    /// Whether that says something of the receiver.
    pub(crate) judges: bool,
    /// The endpoint said that it is gone.
    pub(crate) gone: Option<Endpoint>,
    pub(crate) fate: Fate,
}

impl Handled {
    /// A message that nothing has happened with.
    pub(crate) fn kept(record: &Record) -> Self {
        Self {
            id: record.id.clone(),
            receipt: record.receipt.clone(),
            body: record.body.clone(),
            source: record.source,
            delivery: None,
            attempt: None,
            judges: false,
            gone: None,
            fate: Fate::Keep,
        }
    }

    /// A message that comes again as another. It was received, so it can be written.
    fn moved(self, message: &Message, wait: Duration) -> Self {
        match work::encode(message) {
            Ok(body) => Self { body, fate: Fate::Move(wait), ..self },
            Err(error) => {
                tracing::error!(%error, "could not write a message again");
                Self { fate: Fate::Keep, ..self }
            }
        }
    }

    /// A message that comes again soon, as nothing could be done for it now.
    pub(crate) fn postponed(record: &Record) -> Self {
        Self { fate: Fate::Hide(record.pause()), ..Self::kept(record) }
    }
}

/// Handles one delivery. Never fails: whatever happens is a fate.
pub(crate) async fn handle(
    app: &App,
    record: &Record,
    message: Message,
    receivers: &Receivers,
    hosts: &Hosts,
    deadline: Timestamp,
) -> Handled {
    let mut handled = Handled { delivery: Some((message.event.id, message.endpoint)), ..Handled::kept(record) };
    let pause = record.pause();
    // A resend is by somebody who wants to see: its first attempt goes out, and a test always does. A recovery's many are no different from the rest.
    let parkable = match message.trigger {
        Trigger::Scheduled | Trigger::Probe => true,
        Trigger::Manual => record.source == Source::Retries || message.round.is_some_and(|round| round.is_of_recovery()),
        Trigger::Test => false,
    };
    if parkable && receivers.health.get(&message.endpoint).is_some_and(Health::is_open) {
        return Handled { fate: Fate::Park(Box::new(message)), ..handled };
    }
    let step = if record.may_be_known(&message) {
        match app.attempts.of(message.endpoint, message.event.id).await {
            Ok(attempts) => decide(&attempts, message.round, app.now()),
            Err(error) => {
                tracing::error!(event = %message.event.id, %error, "could not read how a delivery stands");
                return Handled { fate: Fate::Hide(pause), ..handled };
            }
        }
    } else {
        FIRST
    };
    let (number, turn) = match step {
        Step::Drop => return Handled { fate: Fate::Drop, ..handled },
        Step::Wait(wait) => return Handled { fate: Fate::Again(wait), ..handled },
        Step::Send { number, turn } => (number, turn),
    };

    let endpoint = match receivers.endpoints.get(&message.endpoint) {
        Some(Ok(endpoint)) => Some(endpoint),
        None => None,
        Some(Err(error)) => {
            tracing::error!(endpoint = %message.endpoint, %error, "an endpoint's row can't be read; its deliveries stay on the queue");
            return handled;
        }
    };
    match rate::permit(app, endpoint, &message, number).await {
        Ok(Permission::Now) => {}
        Ok(Permission::Later(message, wait)) => return handled.moved(&message, wait),
        Err(error) => {
            tracing::error!(endpoint = %message.endpoint, %error, "could not tell when an endpoint takes the next delivery");
            return Handled { fate: Fate::Hide(pause), ..handled };
        }
    }
    let started = app.now();
    let Some(verdict) = exchange(app, endpoint, &message, hosts, deadline).await else {
        return Handled { fate: Fate::Hide(pause), ..handled };
    };
    handled.fate = match fate(app, endpoint, &verdict, turn) {
        // Who tests is looking, and tests again.
        _ if message.trigger == Trigger::Test => Fate::Drop,
        // A wait that SQS would not see the end of: given up now, while there is a message to keep.
        Fate::Again(wait) if record.source == Source::Retries && app.now() + wait > record.last_moment => Fate::Dead,
        fate => fate,
    };
    handled.gone = endpoint.filter(|_| verdict.is_gone()).cloned();
    handled.judges = verdict.judges;
    handled.attempt = Some(attempt(&message, endpoint, verdict, number, (started, app.now()), &handled.fate));
    handled
}

/// Makes the request. None when there was no time for it, or the fault was ours.
pub(crate) async fn exchange(
    app: &App,
    endpoint: Option<&Endpoint>,
    message: &Message,
    hosts: &Hosts,
    deadline: Timestamp,
) -> Option<Verdict> {
    let endpoint = match endpoint {
        None => return Some(Verdict::refused("the endpoint was deleted")),
        Some(endpoint) if endpoint.status == Status::Paused => return Some(Verdict::refused("the endpoint is paused")),
        Some(endpoint) if endpoint.status == Status::Disabled => return Some(Verdict::refused("the endpoint is disabled")),
        Some(endpoint) => endpoint,
    };
    let timeout = Duration::from_secs(endpoint.timeout_seconds.unwrap_or(app.timeout_seconds).into());
    let _place = hosts.enter(&endpoint.url).await;
    // Signed only now: the timestamp is that of the request, not of the wait for it.
    let now = app.now();
    if deadline.since(now) < timeout + RESERVE {
        return None;
    }
    match request::build(endpoint, message, &app.brand, &app.vault, timeout, now) {
        Ok(request) => Verdict::of(app.client.send(request).await),
        Err(RequestError::Vault(error)) => {
            tracing::error!(endpoint = %endpoint.id, %error, "could not sign a request");
            None
        }
        Err(error) => Some(Verdict::refused(&error.to_string())),
    }
}

/// Succeeded, to come again by the schedule, or given up.
fn fate(app: &App, endpoint: Option<&Endpoint>, verdict: &Verdict, turn: usize) -> Fate {
    match endpoint {
        _ if verdict.outcome == Outcome::Succeeded => Fate::Drop,
        // Nobody can ever want it again.
        None => Fate::Drop,
        Some(endpoint) if endpoint.status == Status::Disabled || verdict.is_gone() => Fate::Dead,
        Some(endpoint) => {
            let schedule = endpoint.retry_schedule.as_ref().unwrap_or(&app.schedule);
            schedule.wait_at_least(turn, rand::random(), verdict.retry_after).map_or(Fate::Dead, Fate::Again)
        }
    }
}

fn attempt(
    message: &Message,
    endpoint: Option<&Endpoint>,
    verdict: Verdict,
    number: u32,
    (started, ended): (Timestamp, Timestamp),
    fate: &Fate,
) -> Attempt {
    let next = if let Fate::Again(wait) = fate { Some(ended + *wait) } else { None };
    let url = endpoint.map(|endpoint| endpoint.url.to_string()).unwrap_or_default();
    verdict.attempt(AttemptId::of(&message.event.id, started, rand::random()), message, url, number, started, next)
}
