//! The `timestamped` style: `<Brand>-Signature: t=<unix>,v1=<hex>`, one `v1=` per live secret, over
//! `t.body`. The scheme of Stripe, whose libraries verify it.
//!
//! The key is the secret's text as shown, prefix and all.

use super::{Signing, Style, hmac};

/// The style; see the module.
pub(super) const STYLE: Style = Style { name: "timestamped", decodes_secret: false, headers };

fn headers(request: &Signing<'_>) -> Vec<(String, String)> {
    let timestamp = request.timestamp.to_string();
    let signed: [&[u8]; 3] = [timestamp.as_bytes(), b".", request.body];
    let sign = |secret: &super::Secret| {
        format!(",v1={}", hex::encode(hmac::sign(secret.reveal().as_bytes(), &signed)))
    };
    let signatures: String = request.secrets.iter().map(sign).collect();
    vec![(format!("{}-Signature", request.brand), format!("t={timestamp}{signatures}"))]
}
