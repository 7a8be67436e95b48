//! What is sent: body, headers, signatures.
//!
//! Easy to get wrong: the body is serialised once, and these bytes are signed and sent.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE};
use serde::Serialize;
use serde_json::value::RawValue;
use shared::{
    id::EventId,
    model::{BodyShape, Endpoint, Event, SignatureStyle, Topic},
    signing::standard,
    target::Outgoing,
    time::Timestamp,
};

/// The default body.
#[derive(Serialize)]
struct EventBody<'a> {
    id: EventId,
    object: &'static str,
    kind: &'a Topic,
    data: &'a RawValue,
    created_at: u64,
}

/// The request of one attempt, signed as of `now`.
pub(crate) fn build(endpoint: &Endpoint, event: &Event, timeout: Duration, now: Timestamp) -> Result<Outgoing, serde_json::Error> {
    let body = Bytes::from(body(endpoint.body, event)?);
    let mut headers = HeaderMap::new();
    endpoint.headers.write_to(&mut headers);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for style in &endpoint.signatures {
        sign(*style, endpoint, &event.id.to_string(), now.seconds(), &body, &mut headers);
    }
    Ok(Outgoing { url: endpoint.url.as_written().to_owned(), headers, body, timeout })
}

fn body(shape: BodyShape, event: &Event) -> Result<Vec<u8>, serde_json::Error> {
    match shape {
        BodyShape::Event => serde_json::to_vec(&EventBody {
            id: event.id,
            object: "event",
            kind: &event.kind,
            data: &event.data,
            created_at: event.created_at,
        }),
    }
}

fn sign(style: SignatureStyle, endpoint: &Endpoint, id: &str, timestamp: u64, body: &[u8], headers: &mut HeaderMap) {
    match style {
        SignatureStyle::Standard => {
            let signature = standard::sign([&endpoint.secret], id, timestamp, body);
            for (name, value) in [(standard::ID, id), (standard::TIMESTAMP, &timestamp.to_string()), (standard::SIGNATURE, &signature)] {
                // Ids, numbers and base64 are always header values.
                if let Ok(value) = HeaderValue::from_str(value) {
                    headers.insert(HeaderName::from_static(name), value);
                }
            }
        }
    }
}
