//! The `logs` function: did you send it, what did my server say, send it again.
//!
//! # Pitfalls
//!
//! Attempts are stored by endpoint, not by project, so they are read only through an endpoint or an
//! event that was itself found in the caller's project.

use std::sync::Arc;

use api::{
    Routes,
    auth::{Authenticates, Authenticator},
};
use runtime::{
    aws::SdkConfig,
    settings::{Settings, SettingsError},
};
use store::{
    Table,
    attempt_reader::AttemptReader,
    automations::AutomationStore,
    budgets::Budgets,
    delivery_rows::DeliveryRows,
    endpoints::EndpointStore,
    events::EventReader,
    failures::FailureList,
    projects::ProjectReader,
    queue::Queue,
    recoveries::RecoveryStore,
    usage::{UsageReader, UsageStore},
};
use utoipa_axum::routes;

mod attempts;
mod events;
mod executions;
mod messages;
mod recipients;
mod recoveries;
mod resend;
mod usage;
mod view;

/// All that the handlers need.
#[derive(Debug)]
pub struct App {
    authenticator: Authenticator,
    budgets: Budgets,
    projects: ProjectReader,
    endpoints: EndpointStore,
    automations: AutomationStore,
    events: EventReader,
    attempts: AttemptReader,
    rows: DeliveryRows,
    failures: FailureList,
    recoveries: RecoveryStore,
    usage: UsageStore,
    hours: UsageReader,
    retries: Queue,
    retention_days: u32,
}

impl App {
    /// With the settings that the template gives.
    pub fn new(aws: &SdkConfig, settings: &Settings) -> Result<Self, SettingsError> {
        let (dynamodb, sqs) = (aws_sdk_dynamodb::Client::new(aws), aws_sdk_sqs::Client::new(aws));
        let config = Table::new(dynamodb.clone(), settings.text("CONFIG_TABLE")?);
        let log = Table::new(dynamodb.clone(), settings.text("LOG_TABLE")?);
        let state = Table::new(dynamodb, settings.text("STATE_TABLE")?);
        let budgets = Budgets::new(config.clone(), state.clone());
        Ok(Self {
            authenticator: Authenticator::new(config.clone()).charging(budgets.clone()),
            budgets,
            projects: ProjectReader::new(config.clone()),
            endpoints: EndpointStore::new(config.clone()),
            automations: AutomationStore::new(config),
            usage: UsageStore::new(state.clone()),
            hours: UsageReader::new(state.clone(), log.clone()),
            events: EventReader::new(log.clone()),
            attempts: AttemptReader::new(log.clone()),
            rows: DeliveryRows::new(state.clone()),
            failures: FailureList::new(state.clone()),
            recoveries: RecoveryStore::new(state),
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
pub fn routes() -> Routes<Arc<App>> {
    Routes::default()
        .routes(routes!(events::list))
        .routes(routes!(events::read))
        .routes(routes!(messages::list))
        .routes(routes!(messages::read))
        .routes(routes!(resend::resend))
        .routes(routes!(attempts::list))
        .routes(routes!(executions::list))
        .routes(routes!(attempts::of_endpoint))
        .routes(routes!(recoveries::recover))
        .routes(routes!(recoveries::list))
        .routes(routes!(recoveries::read))
        .routes(routes!(usage::read))
}
