//! The `admin` function: projects and their keys, for the operator alone; the API's own document;
//! and the answer to routes that don't exist.
//!
//! Easy to get wrong: a key is in the answer to its creation, and nowhere else ever again.

use std::sync::Arc;

use api::{
    Route,
    auth::{Authenticates, Authenticator},
};
use axum::routing::{delete, get, patch, post};
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

/// The routes that this function serves, beside `$default`.
pub fn routes() -> Vec<Route<Arc<App>>> {
    let route = |method, path, handler| Route { method, path, handler };
    vec![
        route("GET", "/openapi.json", get(document::read)),
        route("POST", "/projects", post(projects::create)),
        route("GET", "/projects", get(projects::list)),
        route("GET", "/projects/{id}", get(projects::read)),
        route("PATCH", "/projects/{id}", patch(projects::change)),
        route("POST", "/projects/{id}/keys", post(keys::create)),
        route("GET", "/projects/{id}/keys", get(keys::list)),
        route("DELETE", "/projects/{id}/keys/{key_id}", delete(keys::revoke)),
        route("POST", "/operator-keys", post(operator_keys::create)),
        route("GET", "/operator-keys", get(operator_keys::list)),
        route("DELETE", "/operator-keys/{id}", delete(operator_keys::revoke)),
    ]
}

/// What the API's document says of these routes (see `tests/tests/document`).
#[derive(Debug, utoipa::OpenApi)]
#[openapi(paths(
    document::read,
    projects::create,
    projects::list,
    projects::read,
    projects::change,
    keys::create,
    keys::list,
    keys::revoke,
    operator_keys::create,
    operator_keys::list,
    operator_keys::revoke,
))]
pub struct Described;
