//! What a request was, for a person or for a script.
//!
//! `skew_seconds` is ours minus the sender's: positive for a request that was signed in the past.

use std::fmt;

use axum::http::HeaderMap;
use domain::signing::{Secret, standard};
use serde_json::{Map, Value as Json, json};

/// Whether a request is what it claims to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verification {
    /// Signed with one of the secrets.
    Verified,
    /// Not, and why.
    Failed(String),
    /// There is no secret to verify with.
    NoSecret,
}

/// A request that came in, and the status that it is answered with.
#[derive(Debug, Clone)]
pub struct Received {
    /// When, in Unix seconds.
    pub at: u64,
    /// Method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Headers, joined by commas where repeated.
    pub headers: Map<String, Json>,
    /// The body; what isn't UTF-8 is replaced.
    pub body: String,
    /// Whether its signature fits.
    pub verification: Verification,
    /// The answer's status; `None` if the connection is closed instead.
    pub answered: Option<u16>,
}

impl Received {
    /// Reads and verifies a request.
    pub fn new(
        at: u64,
        (method, path): (String, String),
        headers: &HeaderMap,
        body: &[u8],
        secrets: &[Secret],
        answered: Option<u16>,
    ) -> Self {
        Self {
            at,
            method,
            path,
            headers: joined(headers),
            body: String::from_utf8_lossy(body).into_owned(),
            verification: verify(headers, body, secrets, at),
            answered,
        }
    }

    /// One JSON object.
    pub fn to_json(&self) -> Json {
        let (verified, error) = match &self.verification {
            Verification::Verified => (Some(true), None),
            Verification::Failed(reason) => (Some(false), Some(reason)),
            Verification::NoSecret => (None, None),
        };
        json!({
            "at": self.at, "method": self.method, "path": self.path,
            "webhook_id": self.header(standard::ID),
            "skew_seconds": self.skew_seconds(), "verified": verified, "error": error,
            "answered": self.answered,
            "headers": self.headers, "body": self.body,
        })
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(Json::as_str)
    }

    fn skew_seconds(&self) -> Option<i64> {
        let sent: u64 = self.header(standard::TIMESTAMP)?.parse().ok()?;
        i64::try_from(self.at).ok()?.checked_sub(i64::try_from(sent).ok()?)
    }
}

impl fmt::Display for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hour, minute, second) = (self.at / 3_600 % 24, self.at / 60 % 60, self.at % 60);
        let answer =
            self.answered.map_or_else(|| "hung up".to_owned(), |status| status.to_string());
        writeln!(
            f,
            "{hour:02}:{minute:02}:{second:02} UTC  {} {}  → {answer}",
            self.method, self.path
        )?;
        writeln!(f, "  webhook-id  {}", self.header(standard::ID).unwrap_or("(none)"))?;
        match &self.verification {
            Verification::Verified => writeln!(f, "  signature   ✓ verified")?,
            Verification::Failed(reason) => writeln!(f, "  signature   ✗ {reason}")?,
            Verification::NoSecret => writeln!(f, "  signature   not verified: no --secret")?,
        }
        match self.skew_seconds() {
            Some(skew) => writeln!(f, "  signed      {skew} s ago")?,
            None => writeln!(f, "  signed      no readable {}", standard::TIMESTAMP)?,
        }
        for line in pretty(&self.body).lines() {
            writeln!(f, "  {line}")?;
        }
        Ok(())
    }
}

fn verify(headers: &HeaderMap, body: &[u8], secrets: &[Secret], now: u64) -> Verification {
    if secrets.is_empty() {
        return Verification::NoSecret;
    }
    let header = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .ok_or_else(|| format!("{name} is missing"))
    };
    let all = || {
        Ok::<_, String>((
            header(standard::ID)?,
            header(standard::TIMESTAMP)?,
            header(standard::SIGNATURE)?,
        ))
    };
    let (id, timestamp, signatures) = match all() {
        Ok(all) => all,
        Err(reason) => return Verification::Failed(reason),
    };
    let mut reason = String::new();
    for secret in secrets {
        match standard::verify(secret, id, timestamp, signatures, body, now) {
            Ok(()) => return Verification::Verified,
            Err(error) => reason = error.to_string(),
        }
    }
    Verification::Failed(reason)
}

fn joined(headers: &HeaderMap) -> Map<String, Json> {
    let all = |name| {
        headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    headers
        .keys()
        .map(|name| (name.as_str().to_owned(), all(name).collect::<Vec<_>>().join(",").into()))
        .collect()
}

fn pretty(body: &str) -> String {
    let parsed = serde_json::from_str::<Json>(body).ok();
    parsed
        .and_then(|json| serde_json::to_string_pretty(&json).ok())
        .unwrap_or_else(|| body.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_614_265_330;

    fn secret() -> Secret {
        Secret::new([7; 32])
    }

    fn signed(body: &[u8]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(standard::ID, "evt_1".parse().unwrap());
        headers.insert(standard::TIMESTAMP, NOW.to_string().parse().unwrap());
        headers.insert(
            standard::SIGNATURE,
            standard::sign([&secret()], "evt_1", NOW, body).parse().unwrap(),
        );
        headers
    }

    fn received(headers: &HeaderMap, body: &[u8], secrets: &[Secret], at: u64) -> Received {
        Received::new(at, ("POST".into(), "/".into()), headers, body, secrets, Some(200))
    }

    #[test]
    fn a_request_signed_with_any_of_the_secrets_is_verified() {
        let secrets = [Secret::new([1; 32]), secret()];
        assert_eq!(
            received(&signed(b"{}"), b"{}", &secrets, NOW + 2).verification,
            Verification::Verified
        );
    }

    #[test]
    fn a_changed_body_an_old_timestamp_and_a_missing_header_are_told() {
        let failed =
            |headers: &HeaderMap, body: &[u8], at| match received(headers, body, &[secret()], at)
                .verification
            {
                Verification::Failed(reason) => reason,
                other => panic!("{other:?}"),
            };
        assert!(failed(&signed(b"{}"), b"{ }", NOW).contains("no signature"));
        assert!(failed(&signed(b"{}"), b"{}", NOW + 1_000).contains("300 seconds"));
        assert!(failed(&HeaderMap::new(), b"{}", NOW).contains("webhook-id is missing"));
    }

    #[test]
    fn the_printed_request_has_all_that_a_developer_asks_for() {
        let text =
            received(&signed(b"{\"b\":1,\"a\":2}"), b"{\"b\":1,\"a\":2}", &[secret()], NOW + 3)
                .to_string();
        for part in [
            "15:02:13 UTC  POST /  → 200",
            "webhook-id  evt_1",
            "✓ verified",
            "3 s ago",
            "  {\n    \"b\": 1,\n    \"a\": 2\n  }",
        ] {
            assert!(text.contains(part), "{part:?} in {text}");
        }
    }

    #[test]
    fn scripts_get_the_same_as_json() {
        let json = received(&signed(b"{}"), b"{}", &[], NOW).to_json();
        assert_eq!(
            (&json["webhook_id"], &json["verified"], &json["skew_seconds"]),
            (&"evt_1".into(), &Json::Null, &0.into())
        );
        assert_eq!(json["body"], "{}");
    }
}
