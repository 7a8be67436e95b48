//! The API's resources, as far as tests look at them.

use serde::Deserialize;
use serde_json::value::RawValue;

/// An endpoint.
#[derive(Debug, Clone, Deserialize)]
pub struct Endpoint {
    /// `we_…`
    pub id: String,
    /// Where requests go.
    pub url: String,
    /// Topic selectors.
    pub topics: Vec<String>,
    /// `active`, `paused` or `disabled`.
    pub status: String,
    /// Why it was disabled.
    pub disabled_reason: Option<String>,
    /// Only in the answer to a creation.
    #[serde(default)]
    pub secret: Option<String>,
}

impl Endpoint {
    /// The secret that its creation has shown.
    pub fn secret(&self) -> &str {
        self.secret.as_deref().expect("the answer to a creation holds the secret")
    }
}

/// An event.
#[derive(Debug, Clone, Deserialize)]
pub struct Event {
    /// `evt_…`
    pub id: String,
    /// Its topic.
    pub kind: String,
    /// The very bytes.
    pub data: Box<RawValue>,
    /// Unix seconds.
    pub created_at: u64,
}

/// An event with the state of its deliveries.
#[derive(Debug, Clone, Deserialize)]
pub struct Message {
    /// The event's id.
    pub id: String,
    /// Its topic.
    pub kind: String,
    /// One per endpoint that wanted it.
    pub deliveries: Vec<Delivery>,
}

/// One event's way to one endpoint.
#[derive(Debug, Clone, Deserialize)]
pub struct Delivery {
    /// `we_…`
    pub endpoint_id: String,
    /// Where requests go.
    pub url: String,
    /// `pending`, `succeeded` or `failed`.
    pub status: String,
    /// How many were made.
    pub attempts: usize,
    /// Unix seconds.
    pub last_attempt_at: Option<u64>,
    /// Unix seconds.
    pub next_attempt_at: Option<u64>,
}

/// One request, and what came back.
#[derive(Debug, Clone, Deserialize)]
pub struct Attempt {
    /// `atm_…`
    pub id: String,
    /// The event's id.
    pub message_id: String,
    /// `we_…`
    pub endpoint_id: String,
    /// Where the request went.
    pub url: String,
    /// From 1.
    pub number: u32,
    /// `scheduled` or `manual`.
    pub trigger: String,
    /// `succeeded`, `http_error`, `unreachable`, `timeout` or `refused`.
    pub outcome: String,
    /// HTTP status, if there was an answer.
    pub response_status: Option<u16>,
    /// The first bytes of the answer.
    pub response_body: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// Of the whole exchange.
    pub duration_ms: u64,
    /// Unix seconds.
    pub created_at: u64,
    /// Unix seconds.
    pub next_attempt_at: Option<u64>,
}
