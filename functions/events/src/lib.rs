//! The `events` function: accepts events and enqueues their deliveries.
//!
//! Read [`accept`] for the story, [`input`] for what may be posted, [`audience`] for who gets it,
//! [`identity`] and [`repeat`] for requests that are made again.
//!
//! # Pitfalls
//!
//! The 202 promises a delivery to every recipient of the event, so the caller gets it only when the
//! log has the event and the queue has its messages. Who repeats a request can't know whether its
//! messages were sent.

use std::{sync::Arc, time::Duration};

use api::{
    Routes,
    auth::{Authenticates, Authenticator},
    judge::TargetRules,
};
use domain::model::Catalogue;
use runtime::{
    aws::SdkConfig,
    settings::{Settings, SettingsError},
};
use store::{
    Table,
    attempt_reader::AttemptReader,
    budgets::Budgets,
    delivery_rows::DeliveryRows,
    events::{EventReader, EventWriter},
    idempotency::IdempotencyKeys,
    project_config::ProjectConfigs,
    publish::Publisher,
    queue::Queue,
    topics::TopicStore,
    usage::UsageStore,
};
use utoipa_axum::routes;

mod accept;
mod audience;
mod handlers;
mod identity;
mod input;
#[doc(hidden)]
pub mod outside;
mod repeat;
mod test_event;

/// All that the handlers need.
#[derive(Debug)]
pub struct App {
    authenticator: Authenticator,
    projects: ProjectConfigs,
    topics: TopicStore,
    publisher: Publisher,
    log: EventWriter,
    events: EventReader,
    attempts: AttemptReader,
    rows: DeliveryRows,
    keys: IdempotencyKeys,
    catalogue: Catalogue,
    targets: TargetRules,
    retention_days: u32,
    /// When a delivery that may be on its way is looked at again.
    confirm_after: Duration,
    budgets: Budgets,
    usage: UsageStore,
}

impl App {
    /// With the settings that the template gives.
    pub fn new(aws: &SdkConfig, settings: &Settings) -> Result<Self, SettingsError> {
        let dynamodb = aws_sdk_dynamodb::Client::new(aws);
        let config = Table::new(dynamodb.clone(), settings.text("CONFIG_TABLE")?);
        let log = Table::new(dynamodb.clone(), settings.text("LOG_TABLE")?);
        let state = Table::new(dynamodb, settings.text("STATE_TABLE")?);
        let retention_days = settings.parsed("EVENT_RETENTION_DAYS")?;
        let deliveries =
            Queue::new(aws_sdk_sqs::Client::new(aws), settings.text("DELIVERIES_QUEUE_URL")?);
        let writer = EventWriter::new(log.clone(), retention_days);
        let budgets = Budgets::new(config.clone(), state.clone());
        Ok(Self {
            authenticator: Authenticator::new(config.clone()).charging(budgets.clone()),
            topics: TopicStore::new(config.clone()),
            projects: ProjectConfigs::new(config),
            publisher: Publisher::new(writer.clone(), deliveries),
            log: writer,
            events: EventReader::new(log.clone()),
            attempts: AttemptReader::new(log.clone()),
            usage: UsageStore::new(state.clone()),
            rows: DeliveryRows::new(state),
            keys: IdempotencyKeys::new(log),
            catalogue: settings.parsed("TOPICS")?,
            targets: TargetRules::from_settings(settings)?,
            retention_days,
            confirm_after: Duration::from_secs(settings.parsed("CONFIRM_AFTER_SECONDS")?),
            budgets,
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
        .routes(routes!(handlers::one))
        .routes(routes!(handlers::many))
        .routes(routes!(test_event::send))
}
