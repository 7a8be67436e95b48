//! Messages and attempts as the API shows them.

use api::EventView;
use domain::{
    id::{AttemptId, EndpointId, EventId},
    model::{
        Attempt, Event, Outcome, Status, Target, Topic, Trigger, attempt::DeliveryStatus,
        event::Missed,
    },
};
use serde::Serialize;
use utoipa::ToSchema;

/// An event with the state of its deliveries.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Message)]
pub(crate) struct MessageView {
    #[serde(flatten)]
    pub(crate) event: EventView,
    pub(crate) deliveries: Vec<DeliveryView>,
    /// Endpoints that subscribe to its topic, and did not get it. At most 100 of them.
    missed: Vec<MissedView>,
}

/// An endpoint that did not get an event. `recover` or `resend` sends it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Missed)]
struct MissedView {
    endpoint_id: EndpointId,
    /// What the endpoint was when the event was accepted.
    #[schema(value_type = String, pattern = "^(paused|disabled)$", example = "paused")]
    because: Status,
}

/// One event on its way to one endpoint.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub(crate) struct DeliveryView {
    endpoint_id: EndpointId,
    #[schema(example = "https://example.com/webhooks")]
    url: String,
    pub(crate) status: DeliveryStatus,
    /// How many attempts were made.
    #[schema(example = 1)]
    attempts: usize,
    /// Unix seconds.
    #[schema(required, example = 1_767_225_600)]
    last_attempt_at: Option<u64>,
    /// Unix seconds; null if no attempt is due.
    #[schema(required, example = json!(null))]
    next_attempt_at: Option<u64>,
}

/// One request of a delivery, and the receiver's answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Attempt)]
pub(crate) struct AttemptView {
    pub(crate) id: AttemptId,
    #[schema(pattern = "^attempt$", example = "attempt")]
    object: &'static str,
    message_id: EventId,
    endpoint_id: EndpointId,
    kind: Topic,
    #[schema(example = "https://example.com/webhooks")]
    url: String,
    /// The number of the attempt within its delivery, from 1.
    #[schema(example = 1)]
    number: u32,
    trigger: Trigger,
    outcome: Outcome,
    /// The HTTP status of the receiver's answer, if it answered.
    #[schema(required, example = 200)]
    response_status: Option<u16>,
    /// The first KiB of the body of the receiver's answer.
    #[schema(required, example = "ok")]
    response_body: Option<String>,
    /// What went wrong, in plain text.
    #[schema(required, example = json!(null))]
    error: Option<String>,
    /// Milliseconds from the request to the end of the answer.
    #[schema(example = 87)]
    duration_ms: u64,
    /// Unix seconds.
    #[schema(example = 1_767_225_600)]
    created_at: u64,
    /// Unix seconds; null after a success and after the last attempt.
    #[schema(required, example = json!(null))]
    next_attempt_at: Option<u64>,
}

impl MessageView {
    /// An event with what is known of its deliveries.
    pub(crate) fn of(event: Event, deliveries: Vec<DeliveryView>, missed: &[Missed]) -> Self {
        let missed = missed
            .iter()
            .map(|missed| MissedView { endpoint_id: missed.endpoint, because: missed.because });
        Self { event: EventView::from(event).as_message(), deliveries, missed: missed.collect() }
    }
}

impl DeliveryView {
    /// From its attempts. `status` is passed in, because attempts alone cannot tell a parked
    /// delivery from a pending one.
    pub(crate) fn of(target: &Target, attempts: &[Attempt], status: DeliveryStatus) -> Self {
        let last = attempts.iter().max_by_key(|attempt| (attempt.number, attempt.created_at));
        let next = last
            .and_then(|attempt| attempt.next_attempt_at)
            .filter(|_| status == DeliveryStatus::Pending);
        Self {
            endpoint_id: target.endpoint,
            url: last
                .map(|attempt| &attempt.url)
                .filter(|url| !url.is_empty())
                .unwrap_or(&target.url)
                .clone(),
            status,
            attempts: attempts.len(),
            last_attempt_at: last.map(|attempt| attempt.created_at.seconds()),
            next_attempt_at: next.map(domain::time::Timestamp::seconds),
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
            trigger: if attempt.trigger == Trigger::Probe {
                Trigger::Scheduled
            } else {
                attempt.trigger
            },
            outcome: attempt.outcome,
            response_status: attempt.response_status,
            response_body: attempt.response_body,
            error: attempt.error,
            duration_ms: attempt.duration_ms,
            created_at: attempt.created_at.seconds(),
            next_attempt_at: attempt.next_attempt_at.map(domain::time::Timestamp::seconds),
        }
    }
}
