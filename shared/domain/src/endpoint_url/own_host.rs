//! The hosts that this service itself answers on, which it must not send to.
//!
//! # Pitfalls
//!
//! A deployed service owns its host on every port, while a local stack owns one port of a loopback
//! address that the developer's receiver also lives on. So the port is part of it when it is given.

use std::str::FromStr;

use url::{Host, Url};

use crate::endpoint_url::names;

/// A host of this service: `hooks.example.com` (any port) or `127.0.0.1:8080` (that port only).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnHost {
    host: Host,
    port: Option<u16>,
}

/// The text is no `host` or `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a host or host:port")]
pub struct NotAHost(String);

impl FromStr for OwnHost {
    type Err = NotAHost;

    fn from_str(text: &str) -> Result<Self, NotAHost> {
        let refused = || NotAHost(text.to_owned());
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                (host, Some(port.parse().map_err(|_| refused())?))
            }
            _ => (text, None),
        };
        let host = Host::parse(host).map_err(|_| refused())?;
        Ok(Self { host: canonical(host), port })
    }
}

impl OwnHost {
    pub(crate) fn is_target_of(&self, url: &Url) -> bool {
        let same_port = self.port.is_none() || self.port == url.port_or_known_default();
        same_port && url.host().is_some_and(|host| canonical(host.to_owned()) == self.host)
    }
}

fn canonical(host: Host) -> Host {
    match host {
        Host::Domain(name) => Host::Domain(names::without_root(&name).to_ascii_lowercase()),
        address => address,
    }
}
