//! How strict to be about targets: as deployed, or as on a developer's own machine.
//!
//! # Pitfalls
//!
//! The local policy is no "allow all". It adds plain `http` and this machine itself, and nothing
//! else, so that private networks and cloud metadata stay out of reach of a stack that someone
//! exposes by mistake.

use std::{net::IpAddr, str::FromStr};

use url::Host;

use crate::endpoint_url::{address::is_global, error::TargetError, names};

/// Which targets are allowed. Read from the environment variable `TARGET_POLICY`: `strict` or
/// `local`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TargetPolicy {
    /// HTTPS to public hosts only.
    #[default]
    Strict,
    /// Also plain `http`, and loopback: `127.0.0.0/8`, `::1`, `localhost`.
    Local,
}

/// The text names no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the target policy must be `strict` or `local`, not `{0}`")]
pub struct UnknownPolicy(String);

impl FromStr for TargetPolicy {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, UnknownPolicy> {
        match text {
            "strict" => Ok(Self::Strict),
            "local" => Ok(Self::Local),
            other => Err(UnknownPolicy(other.to_owned())),
        }
    }
}

impl TargetPolicy {
    /// Whether connections to this address are allowed.
    #[must_use]
    pub fn allows_address(self, address: IpAddr) -> bool {
        is_global(address) || (self == Self::Local && address.is_loopback())
    }

    pub(crate) fn judge_scheme(self, scheme: &str) -> Result<(), TargetError> {
        match (self, scheme) {
            (_, "https") | (Self::Local, "http") => Ok(()),
            (Self::Strict, _) => Err(TargetError::NotHttps),
            (Self::Local, _) => Err(TargetError::NotHttp),
        }
    }

    pub(crate) fn judge_host(self, host: &Host<&str>) -> Result<(), TargetError> {
        match *host {
            Host::Ipv4(address) => self.judge_address(address.into()),
            Host::Ipv6(address) => self.judge_address(address.into()),
            Host::Domain(name)
                if self == Self::Local && names::without_root(name) == "localhost" =>
            {
                Ok(())
            }
            Host::Domain(name) => names::judge(name),
        }
    }

    fn judge_address(self, address: IpAddr) -> Result<(), TargetError> {
        if self.allows_address(address) { Ok(()) } else { Err(TargetError::AddressNotPublic) }
    }
}
