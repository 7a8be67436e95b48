use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use sha2::Sha256;

pub fn verify(secret: &str, headers: &HeaderMap, body: &[u8]) -> bool {
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return false };
    let tag =
        headers.get("acme-signature").and_then(|value| hex::decode(value).ok()).unwrap_or_default();
    mac.chain_update(body).verify_slice(&tag).is_ok()
}
