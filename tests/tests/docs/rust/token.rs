use http::HeaderMap;
use subtle::ConstantTimeEq;

pub fn verify(secret: &str, headers: &HeaderMap) -> bool {
    headers
        .get("x-acme-token")
        .is_some_and(|token| token.as_bytes().ct_eq(secret.as_bytes()).into())
}
