//! The `digest` style: `<Brand>-Signature: <hex>`, over the body alone.
//!
//! # Pitfalls
//!
//! The key is the secret's text as shown, prefix and all. There is room for one signature only, so
//! the oldest live secret signs alone until its overlap ends: a new secret is known only to those
//! who have read the answer to the rotation, and its receiver has the overlap to learn it.

use super::{Signing, Style, hmac};

/// The style; see the module.
pub(super) const STYLE: Style = Style { name: "digest", decodes_secret: false, headers };

fn headers(request: &Signing<'_>) -> Vec<(String, String)> {
    let sign = |secret: &super::Secret| {
        hex::encode(hmac::sign(secret.reveal().as_bytes(), &[request.body]))
    };
    request
        .secrets
        .last()
        .map(|secret| (format!("{}-Signature", request.brand), sign(secret)))
        .into_iter()
        .collect()
}
