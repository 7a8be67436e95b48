//! Sending one request.
//!
//! [`request`] builds and signs it, [`hosts`] bounds how many go to one host at a time, [`verdict`]
//! judges what came back.

mod hosts;
mod request;
mod verdict;

use std::{sync::Arc, time::Duration};

use domain::{
    message::Message,
    model::{Endpoint, Status},
    signing::Vault,
    time::Timestamp,
};
use egress::DeliveryClient;
use runtime::{clock::Clock, settings::Settings};

pub(crate) use hosts::Hosts;
use request::RequestError;
pub(crate) use verdict::Verdict;

use crate::{RESERVE, StartError};

/// Sends requests.
pub(crate) struct Sender {
    client: DeliveryClient,
    /// For endpoints without a timeout of their own.
    timeout_seconds: u8,
    /// For projects without a brand of their own.
    brand: String,
    vault: Arc<Vault>,
    clock: Clock,
}

/// Nothing was sent: there was no time left, or the fault is on this side. Try again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotSent;

impl Sender {
    pub(crate) fn new(
        settings: &Settings,
        vault: Arc<Vault>,
        clock: Clock,
    ) -> Result<Self, StartError> {
        Ok(Self {
            client: DeliveryClient::new(settings.parsed("TARGET_POLICY")?)?,
            timeout_seconds: settings.parsed("DEFAULT_TIMEOUT_SECONDS")?,
            brand: settings.text("BRAND")?.to_owned(),
            vault,
            clock,
        })
    }

    /// Sends a delivery to its endpoint, if that is there and active, and if the receiver can
    /// answer [`RESERVE`] before `deadline`.
    pub(crate) async fn send(
        &self,
        endpoint: Option<&Endpoint>,
        message: &Message,
        hosts: &Hosts,
        deadline: Timestamp,
    ) -> Result<Verdict, NotSent> {
        let endpoint = match endpoint {
            None => return Ok(Verdict::refused("the endpoint was deleted")),
            Some(Endpoint { status: Status::Paused, .. }) => {
                return Ok(Verdict::refused("the endpoint is paused"));
            }
            Some(Endpoint { status: Status::Disabled, .. }) => {
                return Ok(Verdict::refused("the endpoint is disabled"));
            }
            Some(endpoint) => endpoint,
        };
        let seconds = endpoint.timeout_seconds.unwrap_or(self.timeout_seconds);
        let timeout = Duration::from_secs(seconds.into());
        let _place = hosts.enter(&endpoint.url).await;
        // Signed only now: the timestamp is that of the request, not of the wait for it.
        let now = self.clock.now();
        if deadline.since(now) < timeout + RESERVE {
            return Err(NotSent);
        }
        match request::build(endpoint, message, &self.brand, &self.vault, timeout, now) {
            Ok(request) => Verdict::of(self.client.send(request).await).ok_or(NotSent),
            Err(RequestError::Vault(error)) => {
                tracing::error!(%error, "could not sign a request");
                Err(NotSent)
            }
            Err(error) => Ok(Verdict::refused(&error.to_string())),
        }
    }
}
