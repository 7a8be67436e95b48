//! The `endpoints` function: what a project owns that events go to: endpoints, workers' webhooks,
//! automations; its topics, its secret.
//!
//! Read [`input`] for what may be asked, [`handlers`] for what is done, [`view`] for what is
//! answered. Easy to get wrong: the secret, which is in the answer to a creation and to `GET
//! …/secret`, and nowhere else.

use std::sync::Arc;

use api::{
    Route,
    auth::{Authenticates, Authenticator},
    judge::Targets,
};
use axum::routing::{delete, get, patch, post, put};
use domain::{model::Catalogue, schedule::Schedule, signing::Vault};
use runtime::{
    aws::SdkConfig,
    settings::{Settings, SettingsError},
    start::StartError,
};
use store::{
    Table,
    attempts::AttemptReader,
    automations::AutomationStore,
    endpoints::{EndpointStore, ProjectViews},
    health::HealthStore,
    secrets::ProjectSecrets,
    secrets_key::KeyCheck,
    topics::TopicStore,
};

mod automations;
mod handlers;
mod input;
mod project_secret;
mod secrets;
mod topics;
mod view;
mod workers;

/// What a deployment decides for endpoints that don't decide it themselves.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// Seconds that a receiver is given.
    pub timeout_seconds: u8,
    /// Waits between attempts.
    pub schedule: Schedule,
}

/// All that the handlers need.
#[derive(Debug)]
pub struct App {
    authenticator: Authenticator,
    endpoints: EndpointStore,
    health: HealthStore,
    attempts: AttemptReader,
    projects: ProjectViews,
    topics: TopicStore,
    automations: AutomationStore,
    project_secrets: ProjectSecrets,
    catalogue: Catalogue,
    defaults: Defaults,
    targets: Targets,
    vault: Vault,
    key_check: KeyCheck,
}

impl App {
    /// With the settings that the template gives.
    pub fn new(aws: &SdkConfig, settings: &Settings) -> Result<Self, SettingsError> {
        let dynamodb = aws_sdk_dynamodb::Client::new(aws);
        let config = Table::new(dynamodb.clone(), settings.text("CONFIG_TABLE")?);
        let log = Table::new(dynamodb, settings.text("LOG_TABLE")?);
        Ok(Self {
            authenticator: Authenticator::new(config.clone()),
            endpoints: EndpointStore::new(config.clone()),
            health: HealthStore::new(log.clone()),
            attempts: AttemptReader::new(log),
            projects: ProjectViews::new(config.clone()),
            topics: TopicStore::new(config.clone()),
            automations: AutomationStore::new(config.clone()),
            key_check: KeyCheck::new(config.clone()),
            project_secrets: ProjectSecrets::new(config),
            catalogue: settings.parsed("TOPICS")?,
            defaults: Defaults {
                timeout_seconds: settings.parsed("DEFAULT_TIMEOUT_SECONDS")?,
                schedule: settings.parsed("DEFAULT_RETRY_SCHEDULE")?,
            },
            targets: Targets::from_settings(settings)?,
            vault: settings.parsed("SECRETS_KEY")?,
        })
    }
}

impl App {
    /// As [`Self::new`], for who is to write secrets: only with the key that belongs to the table.
    pub async fn start(aws: &SdkConfig, settings: &Settings) -> Result<Self, StartError> {
        let app = Self::new(aws, settings)?;
        app.key_check.verify_or_mark(&app.vault, rand::random()).await?;
        Ok(app)
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
        route("POST", "/webhooks/endpoints", post(handlers::create)),
        route("GET", "/webhooks/endpoints", get(handlers::list)),
        route("GET", "/webhooks/endpoints/{id}", get(handlers::read)),
        route("PATCH", "/webhooks/endpoints/{id}", patch(handlers::change)),
        route("PUT", "/webhooks/endpoints/{id}", put(handlers::replace)),
        route("DELETE", "/webhooks/endpoints/{id}", delete(handlers::remove)),
        route("GET", "/webhooks/endpoints/{id}/secret", get(secrets::read)),
        route("POST", "/webhooks/endpoints/{id}/secret/rotate", post(secrets::rotate)),
        route("GET", "/webhooks/secret", get(project_secret::read)),
        route("POST", "/webhooks/secret/rotate", post(project_secret::rotate)),
        route("POST", "/automations", post(automations::create)),
        route("GET", "/automations", get(automations::list)),
        route("GET", "/automations/{id}", get(automations::read)),
        route("PATCH", "/automations/{id}", patch(automations::change)),
        route("DELETE", "/automations/{id}", delete(automations::remove)),
        route("GET", "/api/workers/{id}/webhook", get(workers::read)),
        route("PUT", "/api/workers/{id}/webhook", put(workers::write)),
        route("DELETE", "/api/workers/{id}/webhook", delete(workers::remove)),
        route(
            "POST",
            "/api/workers/{id}/webhook/regenerate-token",
            post(workers::regenerate_token),
        ),
        route("GET", "/webhooks/topics", get(topics::list)),
        route("GET", "/webhooks/topics/{name}", get(topics::read)),
        route("PUT", "/webhooks/topics/{name}", put(topics::write)),
        route("DELETE", "/webhooks/topics/{name}", delete(topics::remove)),
    ]
}

/// What the API's document says of these routes (see `tests/tests/document`).
#[derive(Debug, utoipa::OpenApi)]
#[openapi(paths(
    handlers::create,
    handlers::list,
    handlers::read,
    handlers::change,
    handlers::replace,
    handlers::remove,
    secrets::read,
    secrets::rotate,
    project_secret::read,
    project_secret::rotate,
    automations::create,
    automations::list,
    automations::read,
    automations::change,
    automations::remove,
    workers::read,
    workers::write,
    workers::remove,
    workers::regenerate_token,
    topics::list,
    topics::read,
    topics::write,
    topics::remove,
))]
pub struct Described;
