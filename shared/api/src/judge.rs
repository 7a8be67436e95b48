//! A URL that a caller names, judged as of the request that names it.

use domain::endpoint_url::{EndpointUrl, OwnHost, TargetError, TargetPolicy};
use http::{HeaderMap, header::HOST};
use runtime::settings::{Settings, SettingsError};

/// What a function knows of where requests may go.
#[derive(Clone, Debug)]
pub struct TargetRules {
    policy: TargetPolicy,
    own_host: Option<OwnHost>,
}

/// The same within one request, which tells one more name of this service: the one that it was
/// reached by.
#[derive(Clone, Debug)]
pub struct TargetCheck {
    policy: TargetPolicy,
    own_hosts: Vec<OwnHost>,
}

impl TargetRules {
    /// By the settings `TARGET_POLICY` and `OWN_HOST`.
    pub fn from_settings(settings: &Settings) -> Result<Self, SettingsError> {
        Ok(Self {
            policy: settings.parsed("TARGET_POLICY")?,
            own_host: settings.optional("OWN_HOST")?,
        })
    }

    /// For a request with these headers.
    pub fn judge(&self, headers: &HeaderMap) -> TargetCheck {
        let asked = headers.get(HOST).and_then(|host| host.to_str().ok()?.parse().ok());
        TargetCheck {
            policy: self.policy,
            own_hosts: self.own_host.iter().cloned().chain(asked).collect(),
        }
    }
}

impl TargetCheck {
    /// The URL, if requests may go there.
    pub fn url(&self, text: &str) -> Result<EndpointUrl, TargetError> {
        let url = EndpointUrl::parse(text, self.policy)?;
        url.refuse_own_host(&self.own_hosts)?;
        Ok(url)
    }
}
