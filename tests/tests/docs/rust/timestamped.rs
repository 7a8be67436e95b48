use std::time::SystemTime;

use aws_lc_rs::hmac;
use http::HeaderMap;

pub fn verify(secret: &str, headers: &HeaderMap, body: &[u8]) -> bool {
    let header = headers.get("acme-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (t, signatures) = header.split_once(',').unwrap_or_default();
    let timestamp = t.strip_prefix("t=").unwrap_or_default();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signed = [format!("{timestamp}.").as_bytes(), body].concat();
    let mut tags = signatures.split(',').filter_map(|signature| hex::decode(signature.strip_prefix("v1=")?).ok());
    let now = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |now| now.as_secs());
    tags.any(|tag| hmac::verify(&key, &signed, &tag).is_ok()) && timestamp.parse().is_ok_and(|sent: u64| sent.abs_diff(now) <= 300)
}
