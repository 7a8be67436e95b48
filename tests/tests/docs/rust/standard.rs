use std::time::SystemTime;

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::HeaderMap;

pub fn verify(secret: &str, headers: &HeaderMap, body: &[u8]) -> bool {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let timestamp = header("webhook-timestamp");
    let Ok(key) = STANDARD.decode(secret.strip_prefix("whsec_").unwrap_or(secret)) else { return false };
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let signed = [format!("{}.{timestamp}.", header("webhook-id")).as_bytes(), body].concat();
    let mut tags = header("webhook-signature").split(' ').filter_map(|signature| STANDARD.decode(signature.strip_prefix("v1,")?).ok());
    let now = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |now| now.as_secs());
    tags.any(|tag| hmac::verify(&key, &signed, &tag).is_ok()) && timestamp.parse().is_ok_and(|sent: u64| sent.abs_diff(now) <= 300)
}
