//! The `stream` function: a project's events live, as server-sent events (WHATWG HTML, "Server-sent
//! events").
//!
//! Read [`open`] for what may be asked, [`viewer`] for the story of a connection, [`sse`] for its
//! bytes, and [`store::feed`] for why a viewer that comes back misses nothing. One
//! invocation is one viewer: the function answers with a stream, behind a function URL, as an HTTP
//! API waits for whole answers.
//!
//! # Pitfalls
//!
//! Lambda lets a stream run on, and bills it, when its viewer has gone (its guide, "Response
//! streaming"). So a stream ends by itself after a few minutes (`STREAM_SECONDS`), and viewers come
//! back with `Last-Event-ID`.

use std::{sync::Arc, time::Duration};

use api::{
    Routes,
    auth::{Authenticates, Authenticator},
};
use runtime::{
    aws::SdkConfig,
    settings::{Settings, SettingsError},
};
use store::{Table, budgets::Budgets, feed::Feed, viewers::ViewerPlaces};
use utoipa_axum::routes;

mod open;
mod recent;
mod sse;
mod viewer;

/// All that a stream needs.
#[derive(Debug)]
pub struct App {
    authenticator: Authenticator,
    budgets: Budgets,
    places: ViewerPlaces,
    feed: Feed,
    /// How long a stream lasts at most.
    life: Duration,
}

impl App {
    /// With the settings that the template gives.
    pub fn new(aws: &SdkConfig, settings: &Settings) -> Result<Self, SettingsError> {
        let dynamodb = aws_sdk_dynamodb::Client::new(aws);
        let config = Table::new(dynamodb.clone(), settings.text("CONFIG_TABLE")?);
        let state = Table::new(dynamodb.clone(), settings.text("STATE_TABLE")?);
        let budgets = Budgets::new(config.clone(), state.clone());
        Ok(Self {
            authenticator: Authenticator::new(config).charging(budgets.clone()),
            budgets,
            places: ViewerPlaces::new(state),
            feed: Feed::new(Table::new(dynamodb, settings.text("LOG_TABLE")?)),
            life: Duration::from_secs(settings.parsed("STREAM_SECONDS")?),
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
    Routes::default().routes(routes!(open::open))
}
