use std::time::SystemTime;

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use sha2::Sha256;

pub fn verify(secret: &str, headers: &HeaderMap, body: &[u8]) -> bool {
    let header =
        headers.get("acme-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (t, signatures) = header.split_once(',').unwrap_or_default();
    let timestamp = t.strip_prefix("t=").unwrap_or_default();
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return false };
    let mac = mac.chain_update(format!("{timestamp}.")).chain_update(body);
    let mut tags = signatures
        .split(',')
        .filter_map(|signature| hex::decode(signature.strip_prefix("v1=")?).ok());
    let now = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |now| now.as_secs());
    tags.any(|tag| mac.clone().verify_slice(&tag).is_ok())
        && timestamp.parse().is_ok_and(|sent: u64| sent.abs_diff(now) <= 300)
}
