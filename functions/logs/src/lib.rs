//! The `logs` function: did you send it, what did my server say, send it again.
//!
//! Easy to get wrong: isolation. Attempts are stored by endpoint, not by project, so they are read
//! only through an endpoint or an event that was itself found in the caller's project.

use std::sync::Arc;

use api::{
    Route,
    auth::{Authenticates, Authenticator},
};
use axum::routing::{get, post};
use runtime::{
    aws::SdkConfig,
    settings::{Settings, SettingsError},
};
use store::{
    Table, attempts::AttemptReader, automations::AutomationStore, endpoints::EndpointStore,
    events::EventReader, parked::ParkedStore, projects::ProjectReader, queue::Queue,
    recoveries::RecoveryStore,
};

mod attempts;
mod events;
mod executions;
mod messages;
mod recipients;
mod recoveries;
mod resend;
mod view;

/// All that the handlers need.
#[derive(Debug)]
pub struct App {
    authenticator: Authenticator,
    projects: ProjectReader,
    endpoints: EndpointStore,
    automations: AutomationStore,
    events: EventReader,
    attempts: AttemptReader,
    parked: ParkedStore,
    recoveries: RecoveryStore,
    deliveries: Queue,
    retries: Queue,
    retention_days: u32,
}

impl App {
    /// With the settings that the template gives.
    pub fn new(aws: &SdkConfig, settings: &Settings) -> Result<Self, SettingsError> {
        let (dynamodb, sqs) = (aws_sdk_dynamodb::Client::new(aws), aws_sdk_sqs::Client::new(aws));
        let config = Table::new(dynamodb.clone(), settings.text("CONFIG_TABLE")?);
        let log = Table::new(dynamodb, settings.text("LOG_TABLE")?);
        Ok(Self {
            authenticator: Authenticator::new(config.clone()),
            projects: ProjectReader::new(config.clone()),
            endpoints: EndpointStore::new(config.clone()),
            automations: AutomationStore::new(config),
            events: EventReader::new(log.clone()),
            attempts: AttemptReader::new(log.clone()),
            parked: ParkedStore::new(log.clone()),
            recoveries: RecoveryStore::new(log),
            deliveries: Queue::new(sqs.clone(), settings.text("DELIVERIES_QUEUE_URL")?),
            retries: Queue::new(sqs, settings.text("RETRIES_QUEUE_URL")?),
            retention_days: settings.parsed("EVENT_RETENTION_DAYS")?,
        })
    }
}

impl Authenticates for App {
    fn authenticator(&self) -> &Authenticator {
        &self.authenticator
    }
}

/// The routes that this function serves.
pub fn routes() -> Vec<Route<Arc<App>>> {
    let route = |method, path, handler| Route { method, path, handler };
    vec![
        route("GET", "/events", get(events::list)),
        route("GET", "/events/{id}", get(events::read)),
        route("GET", "/webhooks/messages", get(messages::list)),
        route("GET", "/webhooks/messages/{id}", get(messages::read)),
        route("POST", "/webhooks/messages/{id}/resend", post(resend::resend)),
        route("GET", "/webhooks/delivery-attempts", get(attempts::list)),
        route("GET", "/api/workers/{id}/webhook/executions", get(executions::list)),
        route("GET", "/webhooks/endpoints/{id}/deliveries", get(attempts::of_endpoint)),
        route("POST", "/webhooks/endpoints/{id}/recover", post(recoveries::recover)),
        route("GET", "/webhooks/endpoints/{id}/recoveries", get(recoveries::list)),
        route("GET", "/webhooks/endpoints/{id}/recoveries/{recovery_id}", get(recoveries::read)),
    ]
}

/// What the API's document says of these routes (see `tests/tests/document`).
#[derive(Debug, utoipa::OpenApi)]
#[openapi(paths(
    events::list,
    events::read,
    messages::list,
    messages::read,
    resend::resend,
    attempts::list,
    executions::list,
    attempts::of_endpoint,
    recoveries::recover,
    recoveries::list,
    recoveries::read,
))]
pub struct Described;
