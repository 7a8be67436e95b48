//! The `events` function: accepts events and enqueues their deliveries.
//!
//! Read [`accept`] for the story, [`input`] for what may be posted, [`audience`] for who gets it,
//! [`claims`] and [`taken`] for idempotency.
//!
//! # Pitfalls
//!
//! The 202 promises a delivery to every recipient of the event, so the caller gets it only when the
//! log has the event and the queue has its messages.

use std::sync::Arc;

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
    events::{EventReader, EventWriter},
    leases::Leases,
    project_config::ProjectConfigs,
    publish::Publisher,
    queue::Queue,
    topics::TopicStore,
};
use utoipa_axum::routes;

mod accept;
mod audience;
mod claims;
mod handlers;
mod input;
mod limit;
#[doc(hidden)]
pub mod outside;
mod taken;
mod test_event;

/// All that the handlers need.
#[derive(Debug)]
pub struct App {
    authenticator: Authenticator,
    projects: ProjectConfigs,
    topics: TopicStore,
    publisher: Publisher,
    events: EventReader,
    leases: Leases,
    catalogue: Catalogue,
    targets: TargetRules,
    retention_days: u32,
    limit: limit::EventLimit,
}

impl App {
    /// With the settings that the template gives.
    pub fn new(aws: &SdkConfig, settings: &Settings) -> Result<Self, SettingsError> {
        let dynamodb = aws_sdk_dynamodb::Client::new(aws);
        let config = Table::new(dynamodb.clone(), settings.text("CONFIG_TABLE")?);
        let log = Table::new(dynamodb, settings.text("LOG_TABLE")?);
        let retention_days = settings.parsed("EVENT_RETENTION_DAYS")?;
        let deliveries =
            Queue::new(aws_sdk_sqs::Client::new(aws), settings.text("DELIVERIES_QUEUE_URL")?);
        Ok(Self {
            authenticator: Authenticator::new(config.clone()),
            topics: TopicStore::new(config.clone()),
            projects: ProjectConfigs::new(config),
            publisher: Publisher::new(EventWriter::new(log.clone(), retention_days), deliveries),
            events: EventReader::new(log.clone()),
            leases: Leases::new(log),
            catalogue: settings.parsed("TOPICS")?,
            targets: TargetRules::from_settings(settings)?,
            retention_days,
            limit: limit::EventLimit::new(settings.parsed("EVENTS_PER_SECOND")?),
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
