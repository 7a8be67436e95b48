//! The `endpoints` function: a project's endpoints and topics.
//!
//! Read [`input`] for what may be asked, [`handlers`] for what is done, [`view`] for what is answered. Easy to get wrong: the secret, which is in the
//! answer to a creation and to `GET …/secret`, and nowhere else.

use std::sync::Arc;

use axum::routing::{delete, get, patch, post, put};
use shared::{
    auth::{Authenticates, Authenticator},
    http::Route,
    model::Catalogue,
    schedule::Schedule,
    settings::{SdkConfig, Settings, SettingsError},
    signing::Vault,
    store::{
        Table,
        endpoints::{EndpointStore, ProjectViews},
        topics::TopicStore,
    },
    target::{OwnHost, TargetPolicy},
};

mod handlers;
mod input;
mod secrets;
mod topics;
mod view;

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
    projects: ProjectViews,
    topics: TopicStore,
    catalogue: Catalogue,
    defaults: Defaults,
    policy: TargetPolicy,
    own_host: Option<OwnHost>,
    vault: Vault,
}

impl App {
    /// With the settings that the template gives.
    pub fn new(aws: &SdkConfig, settings: &Settings) -> Result<Self, SettingsError> {
        let dynamodb = aws_sdk_dynamodb::Client::new(aws);
        let config = Table::new(dynamodb, settings.text("CONFIG_TABLE")?);
        Ok(Self {
            authenticator: Authenticator::from_settings(settings, config.clone())?,
            endpoints: EndpointStore::new(config.clone()),
            projects: ProjectViews::new(config.clone()),
            topics: TopicStore::new(config),
            catalogue: settings.parsed("TOPICS")?,
            defaults: Defaults {
                timeout_seconds: settings.parsed("DEFAULT_TIMEOUT_SECONDS")?,
                schedule: settings.parsed("DEFAULT_RETRY_SCHEDULE")?,
            },
            policy: settings.parsed("TARGET_POLICY")?,
            own_host: settings.optional("OWN_HOST")?,
            vault: settings.parsed("SECRETS_KEY")?,
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
        route("POST", "/webhooks/endpoints", post(handlers::create)),
        route("GET", "/webhooks/endpoints", get(handlers::list)),
        route("GET", "/webhooks/endpoints/{id}", get(handlers::read)),
        route("PATCH", "/webhooks/endpoints/{id}", patch(handlers::change)),
        route("PUT", "/webhooks/endpoints/{id}", put(handlers::replace)),
        route("DELETE", "/webhooks/endpoints/{id}", delete(handlers::remove)),
        route("GET", "/webhooks/endpoints/{id}/secret", get(secrets::read)),
        route("POST", "/webhooks/endpoints/{id}/secret/rotate", post(secrets::rotate)),
        route("GET", "/webhooks/topics", get(topics::list)),
        route("GET", "/webhooks/topics/{name}", get(topics::read)),
        route("PUT", "/webhooks/topics/{name}", put(topics::write)),
        route("DELETE", "/webhooks/topics/{name}", delete(topics::remove)),
    ]
}
