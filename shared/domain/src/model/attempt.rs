//! An attempt: one HTTP request of a delivery, and what came back.

use serde::{Deserialize, Serialize};

use super::topic::Topic;
use crate::{
    id::{AttemptId, EndpointId, EventId, ProjectId, RoundId},
    schema::{described, word},
    time::Timestamp,
};

/// One request and its outcome, as the log holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its id.
    pub id: AttemptId,
    /// Whose event it is.
    pub project: ProjectId,
    /// The event that it carried.
    pub event: EventId,
    /// The endpoint that it went to.
    pub endpoint: EndpointId,
    /// The event's topic, for filters.
    pub kind: Topic,
    /// The URL that it went to.
    pub url: String,
    /// Which attempt of the delivery this was, from 1, over all rounds.
    pub number: u32,
    /// Which resend it belongs to; `None` for the delivery's own schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<RoundId>,
    /// Why it was made.
    pub trigger: Trigger,
    /// What happened.
    pub outcome: Outcome,
    /// The HTTP status of the receiver's answer, if it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_status: Option<u16>,
    /// The first KiB of the body of the receiver's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_body: Option<String>,
    /// What went wrong, in plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How long the exchange took, in milliseconds.
    pub duration_ms: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the next attempt is due; `None` after success and after the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Timestamp>,
}

/// Why an attempt was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// By the delivery's schedule.
    Scheduled,
    /// By a resend.
    Manual,
    /// By a test of the endpoint.
    Test,
    /// To find out whether a failing receiver has recovered. It does not count in the delivery's
    /// schedule.
    Probe,
}

// Without probes, which are scheduled attempts to their readers.
described!(
    Trigger,
    word(
        "Why an attempt was made: by the delivery's schedule, by a resend, or by a test of the \
            endpoint.",
        &["scheduled", "manual", "test"]
    )
);

/// The outcome of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A 2xx answer.
    Succeeded,
    /// Any other answer.
    HttpError,
    /// No answer: no such name, no connection, bad TLS, broken HTTP.
    Unreachable,
    /// Not done within the endpoint's timeout.
    Timeout,
    /// Not sent: the target is not allowed, or the endpoint doesn't take deliveries any more.
    Refused,
}

impl Outcome {
    /// Its name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::HttpError => "http_error",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Refused => "refused",
        }
    }
}

/// The state of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// Not delivered yet; more attempts will follow.
    Pending,
    /// Not delivered yet, and not tried until its receiver has recovered, its endpoint is not
    /// paused, and its project not suspended.
    Parked,
    /// Delivered.
    Succeeded,
    /// Given up.
    Failed,
}

impl DeliveryStatus {
    /// How a delivery stands by all of its attempts, in any order. One success makes it succeeded.
    /// Otherwise its last attempt says whether there is another to come: a resend that waits takes
    /// the place of the schedule before it.
    pub fn of(attempts: &[Attempt]) -> Self {
        if attempts.iter().any(|attempt| attempt.outcome == Outcome::Succeeded) {
            return Self::Succeeded;
        }
        match attempts.iter().max_by_key(|attempt| (attempt.number, attempt.created_at)) {
            Some(Attempt { next_attempt_at: None, .. }) => Self::Failed,
            _ => Self::Pending,
        }
    }
}
