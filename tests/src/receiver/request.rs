//! What a receiver got.

use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::Value as Json;

/// A request.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its method.
    pub method: Method,
    /// Its path, with the query.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// When it came.
    pub arrived: Instant,
    /// The status that it was answered with, unless the caller left before; `None` if the receiver
    /// hung up.
    pub answer: Option<u16>,
}

impl Request {
    /// A header's text; a panic if it isn't there.
    pub fn header(&self, name: &str) -> &str {
        let value = self
            .headers
            .get(name)
            .unwrap_or_else(|| panic!("the request has no {name}: {:?}", self.headers));
        value.to_str().expect("a header of text")
    }

    /// `webhook-id`: the same on every attempt.
    pub fn webhook_id(&self) -> String {
        self.header("webhook-id").to_owned()
    }

    /// `webhook-timestamp`, in Unix seconds.
    pub fn timestamp(&self) -> u64 {
        self.header("webhook-timestamp").parse().expect("a number of seconds")
    }

    /// The body's text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("JSON is UTF-8")
    }

    /// The body as JSON.
    pub fn json(&self) -> Json {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    /// Verifies it as a receiver would, with the stock libraries of Standard Webhooks and of Svix.
    pub fn verify(&self, secret: &str) {
        let standard = standardwebhooks::Webhook::new(secret)
            .expect("the standardwebhooks library takes the secret");
        standard
            .verify(&self.body, &self.headers)
            .expect("the standardwebhooks library verifies the request");
        let svix = svix::webhooks::Webhook::new(secret).expect("the svix library takes the secret");
        svix.verify(&self.body, &self.headers).expect("the svix library verifies the request");
    }
}
