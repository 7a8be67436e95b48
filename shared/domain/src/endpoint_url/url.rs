//! [`EndpointUrl`]: a URL that requests may go to.
//!
//! The URL is parsed once, by the `url` crate, which also parses it for the HTTP client, and the
//! parsed host is judged: every spelling of an address (`0x7f.1`, `2130706433`, `127。0。0。1`) is the
//! same [`Host`] by then.
//!
//! # Pitfalls
//!
//! The parser forgives a lot (`https:\\host`, `https:host`, tabs inside of names). What it would
//! forgive is refused here, so that the text a customer reads back can't mean one host to them and
//! another to us.

use std::{
    fmt,
    hash::{Hash, Hasher},
};

use http::Uri;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use url::{Host, Url};
use utoipa::openapi::SchemaFormat;

use crate::{
    endpoint_url::{
        error::{MAX_URL_LENGTH, TargetError},
        own_host::OwnHost,
        policy::TargetPolicy,
    },
    schema::{described, text},
};

/// A URL that a [`TargetPolicy`] has allowed. Displays and serialises as the customer wrote it,
/// without white space around.
///
/// Equal when the same request would be sent: `https://example.com` equals
/// `https://EXAMPLE.com:443/`.
///
/// Deserialising is for our own tables, which don't know the deployment's policy: it applies the
/// most lenient one, so that an endpoint of a local stack can be read back.
/// The HTTP client (`egress`) judges by its own policy before it sends.
#[derive(Clone)]
pub struct EndpointUrl {
    written: Box<str>,
    url: Url,
}

impl EndpointUrl {
    /// Parses and judges a URL.
    pub fn parse(text: &str, policy: TargetPolicy) -> Result<Self, TargetError> {
        let text = text.trim();
        judge_text(text)?;
        let url = Url::parse(text).map_err(|error| TargetError::Malformed(error.to_string()))?;
        policy.judge_scheme(url.scheme())?;
        judge_authority(text, &url)?;
        if url.fragment().is_some() {
            return Err(TargetError::Fragment);
        }
        if url.port() == Some(0) {
            return Err(TargetError::PortZero);
        }
        let host = url.host().ok_or(TargetError::InvalidName)?;
        policy.judge_host(&host)?;
        judge_as_request_target(&url)?;
        Ok(Self { written: text.into(), url })
    }

    /// Refuses a URL of this service itself.
    pub fn refuse_own_host(&self, own: &[OwnHost]) -> Result<(), TargetError> {
        if own.iter().any(|host| host.is_target_of(&self.url)) {
            Err(TargetError::OwnHost)
        } else {
            Ok(())
        }
    }

    /// The URL as the customer wrote it, trimmed.
    pub fn as_written(&self) -> &str {
        &self.written
    }

    /// The URL in its one normal spelling, for comparing and for deriving ids.
    pub fn normalised(&self) -> &str {
        self.url.as_str()
    }

    /// The host that requests go to: for limits per host.
    pub fn host(&self) -> Option<Host<&str>> {
        self.url.host()
    }

    /// The URL as the HTTP client takes it.
    pub fn into_url(self) -> Url {
        self.url
    }
}

fn judge_text(text: &str) -> Result<(), TargetError> {
    if text.is_empty() {
        return Err(TargetError::Empty);
    }
    if text.chars().count() > MAX_URL_LENGTH {
        return Err(TargetError::TooLong);
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
        return Err(TargetError::ForbiddenCharacter);
    }
    Ok(())
}

/// Reads the authority as written: the parser forgets an empty `@`, and makes up for missing or
/// surplus slashes.
fn judge_authority(text: &str, url: &Url) -> Result<(), TargetError> {
    let authority = text
        .get(url.scheme().len()..)
        .and_then(|rest| rest.strip_prefix("://"))
        .and_then(|rest| rest.split(['/', '?', '#']).next())
        .filter(|authority| !authority.is_empty())
        .ok_or_else(|| TargetError::Malformed("no host after ://".to_owned()))?;
    let credentials =
        authority.contains('@') || !url.username().is_empty() || url.password().is_some();
    if credentials { Err(TargetError::Credentials) } else { Ok(()) }
}

/// What can't be written in a request line can't be sent.
fn judge_as_request_target(url: &Url) -> Result<(), TargetError> {
    if url.as_str().len() > MAX_URL_LENGTH {
        return Err(TargetError::TooLong);
    }
    Uri::try_from(url.as_str()).map(drop).map_err(|error| TargetError::Malformed(error.to_string()))
}

impl fmt::Display for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// Scheme and host only: paths and queries hold tokens, and `Debug` ends in logs.
impl fmt::Debug for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.url.host_str().unwrap_or_default();
        write!(f, "EndpointUrl({}://{host}/…)", self.url.scheme())
    }
}

impl PartialEq for EndpointUrl {
    fn eq(&self, other: &Self) -> bool {
        self.url == other.url
    }
}

impl Eq for EndpointUrl {}

impl Hash for EndpointUrl {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.url.hash(state);
    }
}

impl Serialize for EndpointUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.written)
    }
}

described!(
    EndpointUrl,
    text(
        "Where requests go: `https` to a public address, without credentials and fragment.",
        "https://example.com/webhooks"
    )
    .format(Some(SchemaFormat::Custom("uri".to_owned())))
    .max_length(Some(MAX_URL_LENGTH))
);

impl<'de> Deserialize<'de> for EndpointUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text, TargetPolicy::Local).map_err(de::Error::custom)
    }
}
