use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::HeaderMap;

pub fn verify(secret: &str, headers: &HeaderMap) -> bool {
    headers.get("x-acme-token").is_some_and(|token| verify_slices_are_equal(token.as_bytes(), secret.as_bytes()).is_ok())
}
