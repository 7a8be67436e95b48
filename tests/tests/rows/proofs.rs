//! What a receiver verifies, without a library: by the words of each platform's guide.

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use serde_json::Value as Json;
use system_tests::Request;

/// `<Brand>-Signature: <hex HMAC-SHA256 of the body>`, keyed with the secret's text.
pub(crate) fn digest_is_of(request: &Request, header: &str, secret: &str) -> bool {
    request.header(header) == hmac(secret, &request.body)
}

/// `<Brand>-Signature: t=<timestamp>,v1=<signature>`, with one `v1=` per secret.
pub(crate) fn timestamped_is_of(request: &Request, header: &str, secret: &str) -> bool {
    let (t, signatures) =
        request.header(header).split_once(',').expect("a timestamp and signatures");
    let signed =
        [t.strip_prefix("t=").expect("a timestamp").as_bytes(), b".", &request.body].concat();
    let expected = format!("v1={}", hmac(secret, &signed));
    signatures.split(',').any(|signature| signature == expected)
}

/// The `svix-` headers, by Svix's own library.
pub(crate) fn svix_is_of(request: &Request, secret: &str) -> bool {
    svix::webhooks::Webhook::new(secret).unwrap().verify(&request.body, &request.headers).is_ok()
}

/// The `webhook-` headers, by the library of Standard Webhooks.
pub(crate) fn standard_is_of(request: &Request, secret: &str) -> bool {
    standardwebhooks::Webhook::new(secret).unwrap().verify(&request.body, &request.headers).is_ok()
}

fn hmac(secret: &str, text: &[u8]) -> String {
    hex::encode(sign(&Key::new(HMAC_SHA256, secret.as_bytes()), text))
}

/// The names of an object's members, sorted: what is there, and nothing else.
pub(crate) fn members(object: &Json) -> Vec<&str> {
    let mut names: Vec<_> =
        object.as_object().expect("an object").keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}
