//! Messages and attempts as the API shows them.

use serde::Serialize;
use shared::{
    http::EventView,
    id::{AttemptId, EndpointId, EventId},
    model::{Attempt, Event, Outcome, Target, Topic, Trigger, attempt::DeliveryStatus},
};

/// An event with the state of its deliveries.
#[derive(Debug, Serialize)]
pub(crate) struct MessageView {
    #[serde(flatten)]
    pub(crate) event: EventView,
    pub(crate) deliveries: Vec<DeliveryView>,
}

/// One event's way to one endpoint.
#[derive(Debug, Serialize)]
pub(crate) struct DeliveryView {
    endpoint_id: EndpointId,
    url: String,
    pub(crate) status: DeliveryStatus,
    attempts: usize,
    last_attempt_at: Option<u64>,
    next_attempt_at: Option<u64>,
}

/// One attempt.
#[derive(Debug, Serialize)]
pub(crate) struct AttemptView {
    pub(crate) id: AttemptId,
    object: &'static str,
    message_id: EventId,
    endpoint_id: EndpointId,
    kind: Topic,
    url: String,
    number: u32,
    trigger: Trigger,
    outcome: Outcome,
    response_status: Option<u16>,
    response_body: Option<String>,
    error: Option<String>,
    duration_ms: u64,
    created_at: u64,
    next_attempt_at: Option<u64>,
}

impl MessageView {
    /// An event with what is known of its deliveries.
    pub(crate) fn of(event: Event, deliveries: Vec<DeliveryView>) -> Self {
        Self { event: EventView::from(event).as_message(), deliveries }
    }
}

impl DeliveryView {
    /// As its attempts tell; the status is known better by whoever knows what is parked.
    pub(crate) fn of(target: &Target, attempts: &[Attempt], status: DeliveryStatus) -> Self {
        let last = attempts.iter().max_by_key(|attempt| (attempt.number, attempt.created_at));
        let next = last.and_then(|attempt| attempt.next_attempt_at).filter(|_| status == DeliveryStatus::Pending);
        Self {
            endpoint_id: target.endpoint,
            url: last.map(|attempt| &attempt.url).filter(|url| !url.is_empty()).unwrap_or(&target.url).clone(),
            status,
            attempts: attempts.len(),
            last_attempt_at: last.map(|attempt| attempt.created_at.seconds()),
            next_attempt_at: next.map(shared::time::Timestamp::seconds),
        }
    }
}

impl From<Attempt> for AttemptView {
    fn from(attempt: Attempt) -> Self {
        Self {
            id: attempt.id,
            object: "attempt",
            message_id: attempt.event,
            endpoint_id: attempt.endpoint,
            kind: attempt.kind,
            url: attempt.url,
            number: attempt.number,
            // To its readers a probe is an attempt that Posthaste made by itself.
            trigger: if attempt.trigger == Trigger::Probe { Trigger::Scheduled } else { attempt.trigger },
            outcome: attempt.outcome,
            response_status: attempt.response_status,
            response_body: attempt.response_body,
            error: attempt.error,
            duration_ms: attempt.duration_ms,
            created_at: attempt.created_at.seconds(),
            next_attempt_at: attempt.next_attempt_at.map(shared::time::Timestamp::seconds),
        }
    }
}
