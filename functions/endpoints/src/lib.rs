//! The `endpoints` function: what a project owns that events go to: endpoints, workers' webhooks,
//! automations; its topics, its secret.
//!
//! Read [`input`] for what may be asked, [`handlers`] for what is done, [`view`] for what is
//! answered. The secret, which is in the answer to a creation and to `GET …/secret`, and nowhere
//! else.

use std::sync::Arc;

use api::{
    Routes,
    auth::{Authenticates, Authenticator},
    judge::TargetRules,
};
use domain::{model::Catalogue, schedule::Schedule, signing::Vault};
use runtime::{
    aws::SdkConfig,
    settings::{Settings, SettingsError},
    start::StartError,
};
use store::{
    Table, attempt_reader::AttemptReader, automations::AutomationStore, budgets::Budgets,
    endpoints::EndpointStore, health::HealthStore, project_config::ProjectConfigs,
    secrets::ProjectSecrets, secrets_key::KeyCheck, topics::TopicStore,
};
use utoipa_axum::routes;

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
    projects: ProjectConfigs,
    topics: TopicStore,
    automations: AutomationStore,
    project_secrets: ProjectSecrets,
    catalogue: Catalogue,
    defaults: Defaults,
    targets: TargetRules,
    vault: Vault,
    key_check: KeyCheck,
}

impl App {
    /// With the settings that the template gives.
    pub fn new(aws: &SdkConfig, settings: &Settings) -> Result<Self, SettingsError> {
        let dynamodb = aws_sdk_dynamodb::Client::new(aws);
        let config = Table::new(dynamodb.clone(), settings.text("CONFIG_TABLE")?);
        let log = Table::new(dynamodb.clone(), settings.text("LOG_TABLE")?);
        let state = Table::new(dynamodb, settings.text("STATE_TABLE")?);
        let budgets = Budgets::new(config.clone(), state.clone());
        Ok(Self {
            authenticator: Authenticator::new(config.clone()).charging(budgets),
            endpoints: EndpointStore::new(config.clone()),
            health: HealthStore::new(state),
            attempts: AttemptReader::new(log),
            projects: ProjectConfigs::new(config.clone()),
            topics: TopicStore::new(config.clone()),
            automations: AutomationStore::new(config.clone()),
            key_check: KeyCheck::new(config.clone()),
            project_secrets: ProjectSecrets::new(config),
            catalogue: settings.parsed("TOPICS")?,
            defaults: Defaults {
                timeout_seconds: settings.parsed("DEFAULT_TIMEOUT_SECONDS")?,
                schedule: settings.parsed("DEFAULT_RETRY_SCHEDULE")?,
            },
            targets: TargetRules::from_settings(settings)?,
            vault: settings.parsed("SECRETS_KEY")?,
        })
    }
}

impl App {
    /// As [`Self::new`], for a function that writes secrets: refuses a secrets key that does not
    /// belong to the table.
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
pub fn routes() -> Routes<Arc<App>> {
    Routes::default()
        .routes(routes!(handlers::create, handlers::list))
        .routes(routes!(handlers::read, handlers::change, handlers::replace, handlers::remove))
        .routes(routes!(secrets::read))
        .routes(routes!(secrets::rotate))
        .routes(routes!(project_secret::read))
        .routes(routes!(project_secret::rotate))
        .routes(routes!(automations::create, automations::list))
        .routes(routes!(automations::read, automations::change, automations::remove))
        .routes(routes!(workers::read, workers::write, workers::remove))
        .routes(routes!(workers::regenerate_token))
        .routes(routes!(topics::list))
        .routes(routes!(topics::read, topics::write, topics::remove))
}
