//! The `standard` style: Standard Webhooks 1.0.0.
//!
//! Signed is `id.timestamp.body`, with the secret's decoded bytes as key. Each attempt has a fresh
//! timestamp, so a retry is not mistaken for a replay.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{Secret, Signing, Style, hmac};

/// The style; see the module.
pub(super) const STYLE: Style = Style {
    name: "standard",
    decodes_secret: true,
    headers: |request| headers(request, [ID, TIMESTAMP, SIGNATURE]),
};

/// The header with the event's id: the same on every attempt.
pub const ID: &str = "webhook-id";
/// The header with the attempt's Unix seconds.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// The header with the signatures: `v1,<base64>`, separated by spaces.
pub const SIGNATURE: &str = "webhook-signature";
/// Seconds that a receiver's clock may differ (what the published libraries allow).
pub const TOLERANCE: u64 = 300;

/// The three headers, by the given names.
pub(super) fn headers(
    request: &Signing<'_>,
    [id, timestamp, signature]: [&str; 3],
) -> Vec<(String, String)> {
    let signatures = sign(request.secrets, request.id, request.timestamp, request.body);
    vec![
        (id.to_owned(), request.id.to_owned()),
        (timestamp.to_owned(), request.timestamp.to_string()),
        (signature.to_owned(), signatures),
    ]
}

/// The value of [`SIGNATURE`]: one signature per live secret.
pub fn sign<'a>(
    secrets: impl IntoIterator<Item = &'a Secret>,
    id: &str,
    timestamp: u64,
    body: &[u8],
) -> String {
    let timestamp = timestamp.to_string();
    let sign = |secret: &Secret| {
        format!(
            "v1,{}",
            STANDARD.encode(hmac::sign(&secret.decoded(), &signed(id, &timestamp, body)))
        )
    };
    secrets.into_iter().map(sign).collect::<Vec<_>>().join(" ")
}

/// Why a request can't be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The timestamp is no number.
    #[error("{TIMESTAMP} is not Unix seconds")]
    Timestamp,
    /// The timestamp is over [`TOLERANCE`] from now: an old request sent again, or a wrong clock.
    #[error("{TIMESTAMP} is more than {TOLERANCE} seconds from now")]
    Skewed,
    /// No signature of this secret.
    #[error("no signature in {SIGNATURE} was made with this secret over this body")]
    Mismatch,
}

/// What a receiver does: checks the headers' texts against the raw body. `now` is in Unix seconds.
pub fn verify(
    secret: &Secret,
    id: &str,
    timestamp: &str,
    signatures: &str,
    body: &[u8],
    now: u64,
) -> Result<(), VerifyError> {
    let sent: u64 = timestamp.parse().map_err(|_| VerifyError::Timestamp)?;
    if sent.abs_diff(now) > TOLERANCE {
        return Err(VerifyError::Skewed);
    }
    let key = secret.decoded();
    signatures
        .split(' ')
        .filter_map(|signature| signature.strip_prefix("v1,"))
        .filter_map(|signature| STANDARD.decode(signature).ok())
        .any(|signature| hmac::verify(&key, &signed(id, timestamp, body), &signature))
        .then_some(())
        .ok_or(VerifyError::Mismatch)
}

fn signed<'a>(id: &'a str, timestamp: &'a str, body: &'a [u8]) -> [&'a [u8]; 5] {
    [id.as_bytes(), b".", timestamp.as_bytes(), b".", body]
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;
    use proptest::prelude::*;

    /// The example of the Standard Webhooks specification and of its reference libraries' tests.
    #[test]
    fn the_published_vector_is_reproduced() {
        let secret: Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
        let signature = sign(
            [&secret],
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn the_stock_library_verifies_what_we_sign() {
        let secret = Secret::new([9; 32]);
        // The library compares with the system's clock.
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let now = since_epoch.as_secs();
        let body = br#"{"a":1}"#;
        let mut headers = http::HeaderMap::new();
        headers.insert(ID, "evt_1".parse().unwrap());
        headers.insert(TIMESTAMP, now.to_string().parse().unwrap());
        headers.insert(
            SIGNATURE,
            sign([&Secret::new([1; 32]), &secret], "evt_1", now, body).parse().unwrap(),
        );
        let stock = standardwebhooks::Webhook::new(secret.reveal()).unwrap();
        stock.verify(body, &headers).unwrap();
        stock.verify(br#"{"a":2}"#, &headers).unwrap_err();
    }

    #[test]
    fn old_forged_and_garbled_requests_are_told_apart() {
        let secret = Secret::new([9; 32]);
        let good = sign([&secret], "evt_1", 1_000, b"body");
        let verify = |timestamp: &str, signature: &str, now| {
            super::verify(&secret, "evt_1", timestamp, signature, b"body", now)
        };
        assert_eq!(verify("1000", &good, 1_300), Ok(()));
        assert_eq!(verify("1000", &good, 1_301), Err(VerifyError::Skewed));
        assert_eq!(verify("1000", &good, 699), Err(VerifyError::Skewed));
        assert_eq!(
            verify("1001", &good, 1_000),
            Err(VerifyError::Mismatch),
            "the timestamp is signed"
        );
        assert_eq!(verify("soon", &good, 1_000), Err(VerifyError::Timestamp));
        assert_eq!(verify("1000", "v1a,AAAA v1,%% ", 1_000), Err(VerifyError::Mismatch));
    }

    proptest! {
        #[test]
        fn each_of_several_secrets_verifies(
            bodies in any::<Vec<u8>>(),
            keys in proptest::collection::vec(any::<[u8; 32]>(), 1..4),
        ) {
            let secrets: Vec<_> = keys.into_iter().map(Secret::new).collect();
            let signatures = sign(&secrets, "evt_1", 5, &bodies);
            for secret in &secrets {
                prop_assert_eq!(verify(secret, "evt_1", "5", &signatures, &bodies, 5), Ok(()));
            }
        }
    }
}
