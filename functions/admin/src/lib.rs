//! The `admin` function: projects and their keys, for the operator alone; the API's own document; and the answer to routes that don't exist.
//!
//! Easy to get wrong: a key is in the answer to its creation, and nowhere else ever again.

use std::sync::Arc;

use axum::routing::{delete, get, patch, post};
use shared::{
    auth::{Authenticates, Authenticator},
    http::Route,
    settings::{SdkConfig, Settings, SettingsError},
    signing::Vault,
    store::{
        Table,
        keys::KeyStore,
        projects::{ProjectReader, ProjectStore},
        secrets::ProjectSecrets,
    },
};

mod document;
mod keys;
mod projects;

/// All that the handlers need.
#[derive(Debug)]
pub struct App {
    authenticator: Authenticator,
    projects: ProjectStore,
    project: ProjectReader,
    keys: KeyStore,
    secrets: ProjectSecrets,
    vault: Vault,
    brand: String,
}

impl App {
    /// With the settings that the template gives.
    pub fn new(aws: &SdkConfig, settings: &Settings) -> Result<Self, SettingsError> {
        let dynamodb = aws_sdk_dynamodb::Client::new(aws);
        let config = Table::new(dynamodb, settings.text("CONFIG_TABLE")?);
        Ok(Self {
            authenticator: Authenticator::from_settings(settings, config.clone())?,
            projects: ProjectStore::new(config.clone()),
            project: ProjectReader::new(config.clone()),
            keys: KeyStore::new(config.clone()),
            secrets: ProjectSecrets::new(config),
            vault: settings.parsed("SECRETS_KEY")?,
            brand: settings.text("BRAND")?.to_owned(),
        })
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
    ]
}

/// What the API's document says of these routes (see `openapi/`).
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
))]
pub struct Described;
