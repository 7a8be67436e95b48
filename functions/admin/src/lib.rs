//! The `admin` function: projects and their keys, for the operator alone; the API's own document;
//! and the answer to routes that don't exist.
//!
//! A key is in the answer to its creation, and nowhere else ever again.

use std::sync::Arc;

use api::{
    Routes,
    auth::{Authenticates, Authenticator},
};
use axum::middleware;
use domain::signing::Vault;
use runtime::{
    aws::SdkConfig,
    settings::{Settings, SettingsError},
    start::StartError,
};
use store::{
    Table,
    api_keys::KeyStore,
    operator_keys::OperatorKeyStore,
    projects::{ProjectReader, ProjectStore},
    secrets::ProjectSecrets,
    secrets_key::KeyCheck,
};
use utoipa_axum::routes;

mod command;
mod document;
mod keys;
mod operator_keys;
mod projects;

pub use command::{InvokeError, handle};

/// All that the handlers need.
#[derive(Debug)]
pub struct App {
    authenticator: Authenticator,
    projects: ProjectStore,
    project: ProjectReader,
    keys: KeyStore,
    operator_keys: OperatorKeyStore,
    secrets: ProjectSecrets,
    vault: Vault,
    key_check: KeyCheck,
    brand: String,
}

impl App {
    /// With the settings that the template gives.
    pub fn new(aws: &SdkConfig, settings: &Settings) -> Result<Self, SettingsError> {
        let dynamodb = aws_sdk_dynamodb::Client::new(aws);
        let config = Table::new(dynamodb, settings.text("CONFIG_TABLE")?);
        Ok(Self {
            authenticator: Authenticator::new(config.clone()),
            projects: ProjectStore::new(config.clone()),
            project: ProjectReader::new(config.clone()),
            keys: KeyStore::new(config.clone()),
            secrets: ProjectSecrets::new(config.clone()),
            key_check: KeyCheck::new(config.clone()),
            operator_keys: OperatorKeyStore::new(config),
            vault: settings.parsed("SECRETS_KEY")?,
            brand: settings.text("BRAND")?.to_owned(),
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

/// The routes that this function serves. `$default` brings it what API Gateway has no route for.
pub fn routes() -> Routes<Arc<App>> {
    Routes::default()
        .routes(routes!(document::read))
        .routes(routes!(projects::create, projects::list))
        .routes(routes!(projects::read, projects::change))
        .routes(routes!(keys::create, keys::list))
        .routes(routes!(keys::revoke))
        .routes(routes!(operator_keys::create, operator_keys::list))
        .routes(routes!(operator_keys::revoke))
        .layer(middleware::from_fn(api::refuse_default_route))
}
