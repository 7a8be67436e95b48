use aws_lc_rs::hmac;
use http::HeaderMap;

pub fn verify(secret: &str, headers: &HeaderMap, body: &[u8]) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = headers.get("acme-signature").and_then(|value| hex::decode(value).ok()).unwrap_or_default();
    hmac::verify(&key, body, &tag).is_ok()
}
