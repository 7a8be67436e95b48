//! What a caller sees of an endpoint.

use std::collections::BTreeMap;

use domain::{
    endpoint_url::EndpointUrl,
    health::Health,
    id::EndpointId,
    model::{CatalogueEntry, Endpoint, Selector, Status, Topic},
    schedule::Schedule,
    shape::BodyShape,
    signing::SignatureStyle,
    time::Timestamp,
};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::Defaults;

/// What stands for a header's value that the caller may not see.
const HIDDEN: &str = "***";

// No `Debug`: it may hold a secret.
/// A URL that subscribes to events of some topics.
#[derive(Serialize, ToSchema)]
#[schema(as = Endpoint)]
pub(crate) struct EndpointView {
    pub(crate) id: EndpointId,
    #[schema(pattern = "^webhook_endpoint$", example = "webhook_endpoint")]
    object: &'static str,
    #[schema(required, example = "Billing")]
    name: Option<String>,
    url: EndpointUrl,
    /// An event is sent to the endpoint if one of these matches its topic.
    topics: Vec<Selector>,
    status: Status,
    /// Why Posthaste disabled it.
    #[schema(required, example = json!(null))]
    disabled_reason: Option<String>,
    health: HealthView,
    #[schema(required, example = "Records completed tasks")]
    description: Option<String>,
    /// Your own key-value pairs.
    #[schema(example = json!({"team": "billing"}))]
    metadata: BTreeMap<String, String>,
    /// Headers to add to each request. A key without the scope `endpoints` reads `***` in place of
    /// their values.
    #[schema(example = json!({"x-tenant": "acme"}))]
    headers: BTreeMap<String, String>,
    /// How requests are signed. Use several at once while a receiver migrates.
    signatures: Vec<SignatureStyle>,
    body: BodyShape,
    /// Seconds that the receiver has for the whole exchange.
    #[schema(minimum = 1, maximum = 30, example = 5)]
    timeout_seconds: u8,
    retry_schedule: Schedule,
    /// The most deliveries a second; null for no limit.
    #[schema(required, minimum = 1, maximum = 500, example = json!(null))]
    rate_limit: Option<u16>,
    /// Unix seconds.
    #[schema(example = 1_767_225_600)]
    created_at: u64,
    /// Unix seconds.
    #[schema(example = 1_767_225_600)]
    updated_at: u64,
    /// Only in the response to a creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    pub(crate) secret: Option<String>,
}

impl EndpointView {
    /// Without its secret and, unless `manages`, the values of its headers, which are often
    /// credentials; with the deployment's defaults where it has none of its own.
    pub(crate) fn of(
        endpoint: Endpoint,
        health: Option<&Health>,
        defaults: &Defaults,
        manages: bool,
    ) -> Self {
        let shown = |value: &str| if manages { value.to_owned() } else { HIDDEN.to_owned() };
        Self {
            id: endpoint.id,
            object: "webhook_endpoint",
            name: endpoint.name,
            url: endpoint.url,
            topics: endpoint.topics,
            status: endpoint.status,
            disabled_reason: endpoint.disabled_reason,
            health: HealthView::of(health),
            description: endpoint.description,
            metadata: endpoint.metadata,
            headers: endpoint
                .headers
                .iter()
                .map(|(name, value)| (name.to_owned(), shown(value)))
                .collect(),
            signatures: endpoint.signatures,
            body: endpoint.body,
            timeout_seconds: endpoint.timeout_seconds.unwrap_or(defaults.timeout_seconds),
            rate_limit: endpoint.rate_limit,
            retry_schedule: endpoint.retry_schedule.unwrap_or_else(|| defaults.schedule.clone()),
            created_at: endpoint.created_at.seconds(),
            updated_at: endpoint.updated_at.seconds(),
            secret: None,
        }
    }
}

/// The health of an endpoint.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Health)]
struct HealthView {
    /// `healthy`, or `failing`: many failures in a row, or an hour of failures only.
    #[schema(pattern = "^(healthy|failing)$", example = "healthy")]
    state: &'static str,
    /// Failures since the last success.
    #[schema(example = 0)]
    consecutive_failures: u64,
    /// The first of these failures, in Unix seconds.
    #[schema(required, example = json!(null))]
    failing_since: Option<u64>,
    /// Unix seconds.
    #[schema(required, example = json!(null))]
    last_failure_at: Option<u64>,
    /// Unix seconds. In lists, the last success that ended a series of failures; when one endpoint
    /// is read, the last success of all.
    #[schema(required, example = json!(null))]
    last_success_at: Option<u64>,
    /// Whether deliveries are parked until a probe succeeds.
    #[schema(example = false)]
    parking: bool,
}

impl EndpointView {
    /// A success that the endpoint's health may not know of, as it notes only those that end
    /// failures.
    pub(crate) fn note_success(&mut self, at: Option<Timestamp>) {
        self.health.last_success_at = self.health.last_success_at.max(at.map(Timestamp::seconds));
    }
}

impl HealthView {
    /// An endpoint of which there is no health has never failed.
    fn of(health: Option<&Health>) -> Self {
        let seconds =
            |time: fn(&Health) -> Option<Timestamp>| health.and_then(time).map(Timestamp::seconds);
        Self {
            state: if health.is_some_and(Health::is_failing) { "failing" } else { "healthy" },
            consecutive_failures: health.map_or(0, |health| health.failures),
            failing_since: seconds(|health| health.failing_since),
            last_failure_at: seconds(|health| health.last_failure_at),
            last_success_at: seconds(|health| health.last_success_at),
            parking: health.is_some_and(Health::is_open),
        }
    }
}

// No `Debug`.
/// A secret.
#[derive(Serialize, ToSchema)]
#[schema(as = Secret)]
pub(crate) struct SecretView {
    /// The secret that signs requests.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    pub(crate) secret: String,
}

// No `Debug`.
/// The response to a rotation.
#[derive(Serialize, ToSchema)]
#[schema(as = RotatedSecret)]
pub(crate) struct RotatedView {
    /// The new secret.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    pub(crate) secret: String,
    /// Unix seconds until which the previous secret signs too.
    #[schema(example = 1_767_312_000)]
    pub(crate) previous_expires_at: u64,
}

/// The response to a deletion.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Deleted {
    #[schema(example = true)]
    success: bool,
}

impl Deleted {
    /// It is gone.
    pub(crate) const YES: Self = Self { success: true };
}

/// A topic: one kind of events.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TopicEntry)]
pub(crate) struct TopicView {
    pub(crate) name: Topic,
    #[schema(pattern = "^topic$", example = "topic")]
    object: &'static str,
    /// What the topic means, for the developers who subscribe to it.
    #[schema(example = "A task succeeded")]
    description: String,
    /// The payload of a test of an endpoint: any JSON.
    #[schema(value_type = Value, example = json!({"id": "task_example", "object": "task",
        "status": "succeeded"}))]
    example: Option<Box<RawValue>>,
}

impl From<CatalogueEntry> for TopicView {
    fn from(entry: CatalogueEntry) -> Self {
        let example = RawValue::from_string(entry.example()).ok();
        Self { name: entry.name, object: "topic", description: entry.description, example }
    }
}
