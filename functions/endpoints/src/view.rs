//! What a caller sees of an endpoint.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;
use shared::{
    health::Health,
    id::EndpointId,
    model::{CatalogueEntry, Endpoint, Selector, Status, Topic},
    schedule::Schedule,
    shape::BodyShape,
    signing::SignatureStyle,
    target::EndpointUrl,
    time::Timestamp,
};

use crate::Defaults;

/// What stands for a header's value that the caller may not see.
const HIDDEN: &str = "***";

/// An endpoint in an answer. No `Debug`: it may hold a secret.
#[derive(Serialize)]
pub(crate) struct EndpointView {
    pub(crate) id: EndpointId,
    object: &'static str,
    name: Option<String>,
    url: EndpointUrl,
    topics: Vec<Selector>,
    status: Status,
    disabled_reason: Option<String>,
    health: HealthView,
    description: Option<String>,
    metadata: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    signatures: Vec<SignatureStyle>,
    body: BodyShape,
    timeout_seconds: u8,
    retry_schedule: Schedule,
    created_at: u64,
    updated_at: u64,
    /// Only in the answer to a creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<String>,
}

impl EndpointView {
    /// Without its secret and, unless `manages`, the values of its headers, which are often credentials; with the deployment's defaults where it has none of its own.
    pub(crate) fn of(endpoint: Endpoint, health: Option<&Health>, defaults: &Defaults, manages: bool) -> Self {
        let shown = |value: &str| if manages { value.to_owned() } else { HIDDEN.to_owned() };
        Self {
            id: endpoint.id,
            object: "webhook_endpoint",
            name: endpoint.name,
            url: endpoint.url,
            topics: endpoint.topics,
            status: endpoint.status,
            disabled_reason: endpoint.disabled_reason,
            health: HealthView::of(health, Timestamp::now()),
            description: endpoint.description,
            metadata: endpoint.metadata,
            headers: endpoint.headers.iter().map(|(name, value)| (name.to_owned(), shown(value))).collect(),
            signatures: endpoint.signatures,
            body: endpoint.body,
            timeout_seconds: endpoint.timeout_seconds.unwrap_or(defaults.timeout_seconds),
            retry_schedule: endpoint.retry_schedule.unwrap_or_else(|| defaults.schedule.clone()),
            created_at: endpoint.created_at.seconds(),
            updated_at: endpoint.updated_at.seconds(),
            secret: None,
        }
    }
}

/// How an endpoint is doing.
#[derive(Debug, Serialize)]
struct HealthView {
    /// `healthy` or `failing`: many failures in a row, or an hour of nothing else.
    state: &'static str,
    /// Failures since the last success.
    consecutive_failures: u64,
    /// The first of them, in Unix seconds.
    failing_since: Option<u64>,
    last_failure_at: Option<u64>,
    /// In lists the last success that ended failures; of one endpoint also a later one.
    last_success_at: Option<u64>,
    /// Whether deliveries are parked until a probe succeeds.
    parking: bool,
}

impl EndpointView {
    /// A success that the endpoint's health may not know of, as it notes only those that end failures.
    pub(crate) fn note_success(&mut self, at: Option<Timestamp>) {
        self.health.last_success_at = self.health.last_success_at.max(at.map(Timestamp::seconds));
    }
}

impl HealthView {
    /// An endpoint of which there is no health has never failed.
    fn of(health: Option<&Health>, now: Timestamp) -> Self {
        let seconds = |time: fn(&Health) -> Option<Timestamp>| health.and_then(time).map(Timestamp::seconds);
        Self {
            state: if health.is_some_and(|health| health.is_failing(now)) { "failing" } else { "healthy" },
            consecutive_failures: health.map_or(0, |health| health.failures),
            failing_since: seconds(|health| health.failing_since),
            last_failure_at: seconds(|health| health.last_failure_at),
            last_success_at: seconds(|health| health.last_success_at),
            parking: health.is_some_and(Health::is_open),
        }
    }
}

/// A secret in an answer. No `Debug`.
#[derive(Serialize)]
pub(crate) struct SecretView {
    pub(crate) secret: String,
}

/// What a rotation answers. No `Debug`.
#[derive(Serialize)]
pub(crate) struct RotatedView {
    pub(crate) secret: String,
    /// Unix seconds until which the previous secret signs too.
    pub(crate) previous_expires_at: u64,
}

/// What a deletion answers.
#[derive(Debug, Serialize)]
pub(crate) struct Deleted {
    success: bool,
}

impl Deleted {
    /// It is gone.
    pub(crate) const YES: Self = Self { success: true };
}

/// A topic in an answer.
#[derive(Debug, Serialize)]
pub(crate) struct TopicView {
    pub(crate) name: Topic,
    object: &'static str,
    description: String,
    /// What a test of an endpoint sends.
    example: Option<Box<RawValue>>,
}

impl From<CatalogueEntry> for TopicView {
    fn from(entry: CatalogueEntry) -> Self {
        let example = RawValue::from_string(entry.example()).ok();
        Self { name: entry.name, object: "topic", description: entry.description, example }
    }
}
