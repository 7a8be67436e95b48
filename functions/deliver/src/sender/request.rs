//! What is sent: body, headers, signatures.
//!
//! The body is serialised once, and these bytes are signed and sent.

use std::time::Duration;

use bytes::Bytes;
use domain::{
    message::Message,
    model::Endpoint,
    signing::{Signing, Vault, VaultError},
    time::Timestamp,
};
use egress::SignedRequest;
use http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE};

/// Why a request can't be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    /// The event doesn't have what the endpoint's body shape needs; the endpoint was changed after
    /// the event was accepted.
    #[error("the event can't have the body shape `{}`", .0.name())]
    Shape(domain::shape::BodyShape),
    /// The endpoint's secret can't be opened. Ours to mend, so it isn't held against the receiver.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A header that HTTP doesn't take.
    #[error("the header `{0}` can't be sent")]
    Header(String),
}

/// The request of one attempt, signed as of `now`. `brand` is the deployment's, for projects
/// without their own.
pub(crate) fn build(
    endpoint: &Endpoint,
    message: &Message,
    brand: &str,
    vault: &Vault,
    timeout: Duration,
    now: Timestamp,
) -> Result<SignedRequest, RequestError> {
    let body = endpoint
        .body
        .build(&message.event, message.project)
        .map_err(|_| RequestError::Shape(endpoint.body))?;
    let mut headers = HeaderMap::new();
    endpoint.headers.write_to(&mut headers);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(endpoint.body.content_type()));
    let request = Signing {
        secrets: &endpoint.live_secrets(now, vault)?,
        brand: message.brand.as_deref().unwrap_or(brand),
        id: &message.event.id.to_string(),
        timestamp: now.seconds(),
        body: &body,
    };
    for (name, value) in endpoint.signatures.iter().flat_map(|style| style.headers(&request)) {
        let unsendable = || RequestError::Header(name.clone());
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unsendable())?;
        headers.insert(header, HeaderValue::from_str(&value).map_err(|_| unsendable())?);
    }
    Ok(SignedRequest {
        url: endpoint.url.as_written().to_owned(),
        headers,
        body: Bytes::from(body),
        timeout,
    })
}
