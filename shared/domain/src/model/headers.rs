//! The extra headers that an endpoint's owner may set.
//!
//! A header that changes how Posthaste frames, routes or authenticates the request (`Host`,
//! `Transfer-Encoding`, `webhook-signature`) would let a customer smuggle or forge.

use std::{collections::BTreeMap, fmt};

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

/// The most headers per endpoint.
pub const MAX_HEADERS: usize = 20;
/// The longest name, in bytes.
pub const MAX_HEADER_NAME: usize = 100;
/// The longest value, in bytes.
pub const MAX_VALUE: usize = 1_024;

/// Names that Posthaste or HTTP itself sets, which no endpoint may.
const RESERVED: [&str; 17] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
];
/// Beginnings of names that are kept for signatures and for proxies' and AWS's own use.
const RESERVED_PREFIXES: [&str; 6] =
    ["webhook-", "svix-", "proxy-", "sec-", "x-forwarded-", "x-amz"];

/// Checked extra headers. `Debug` shows names only: values are often credentials.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CustomHeaders(BTreeMap<String, String>);

/// Why headers were refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadersError {
    /// More than [`MAX_HEADERS`].
    #[error("must have at most {MAX_HEADERS} headers")]
    TooMany,
    /// Not an HTTP token (RFC 9110, 5.6.2), or too long.
    #[error("`{0}` is not a header name of at most {MAX_HEADER_NAME} characters")]
    Name(String),
    /// Reserved.
    #[error("`{0}` is set by Posthaste or by HTTP and can't be chosen")]
    Reserved(String),
    /// Given twice in different cases.
    #[error("`{0}` is duplicated")]
    Twice(String),
    /// Not a field value (RFC 9110, 5.5), or too long.
    #[error("the value of `{0}` must be visible ASCII of at most {MAX_VALUE} characters")]
    Value(String),
}

impl CustomHeaders {
    /// Checks what a customer asked for. Names are kept in lower case.
    pub fn new(wanted: impl IntoIterator<Item = (String, String)>) -> Result<Self, HeadersError> {
        let mut headers = BTreeMap::new();
        for (name, value) in wanted {
            let lower = name.to_ascii_lowercase();
            if lower.len() > MAX_HEADER_NAME || HeaderName::from_bytes(lower.as_bytes()).is_err() {
                return Err(HeadersError::Name(name));
            }
            let brand_signature = lower.ends_with("-signature")
                || lower.ends_with("-token") && lower.starts_with("x-");
            if RESERVED.contains(&lower.as_str())
                || RESERVED_PREFIXES.iter().any(|p| lower.starts_with(p))
                || brand_signature
            {
                return Err(HeadersError::Reserved(name));
            }
            let visible =
                value.len() <= MAX_VALUE && value.bytes().all(|b| (0x20..0x7f).contains(&b));
            if !visible || value.trim() != value || HeaderValue::from_str(&value).is_err() {
                return Err(HeadersError::Value(name));
            }
            if headers.insert(lower, value).is_some() {
                return Err(HeadersError::Twice(name));
            }
        }
        if headers.len() > MAX_HEADERS { Err(HeadersError::TooMany) } else { Ok(Self(headers)) }
    }

    /// Adds them to a request.
    pub fn write_to(&self, request: &mut HeaderMap) {
        for (name, value) in &self.0 {
            if let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
            {
                request.insert(name, value);
            }
        }
    }

    /// Names, in lower case, and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for CustomHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: &str) -> Result<CustomHeaders, HeadersError> {
        CustomHeaders::new([(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn ordinary_headers_pass() {
        let headers = check("Authorization", "Bearer abc").unwrap();
        let mut request = HeaderMap::new();
        headers.write_to(&mut request);
        assert_eq!(request["authorization"], "Bearer abc");
        assert!(!format!("{headers:?}").contains("abc"), "values stay out of Debug");
    }

    #[test]
    fn what_frames_routes_or_signs_the_request_is_reserved() {
        for name in [
            "Host",
            "content-length",
            "Transfer-Encoding",
            "Webhook-Id",
            "svix-signature",
            "X-Forwarded-For",
            "X-Amzn-Trace-Id",
            "Acme-Signature",
            "X-Acme-Token",
            "User-Agent",
            "Proxy-Authorization",
        ] {
            assert!(matches!(check(name, "x"), Err(HeadersError::Reserved(_))), "{name}");
        }
    }

    #[test]
    fn nothing_can_be_injected_through_name_or_value() {
        for name in ["", "a b", "a:b", "a\r\nb", "ä", "a\0", &"x".repeat(MAX_HEADER_NAME + 1)] {
            assert!(matches!(check(name, "x"), Err(HeadersError::Name(_))), "{name:?}");
        }
        for value in [
            "a\r\nHost: evil",
            "a\nb",
            "\0",
            " padded",
            "tab\tbed",
            "ü",
            &"x".repeat(MAX_VALUE + 1),
        ] {
            assert!(matches!(check("x-a", value), Err(HeadersError::Value(_))), "{value:?}");
        }
    }

    #[test]
    fn twice_and_too_many_are_refused() {
        let pair = |name: &str| (name.to_owned(), "x".to_owned());
        assert_eq!(
            CustomHeaders::new([pair("X-A"), pair("x-a")]),
            Err(HeadersError::Twice("x-a".into()))
        );
        assert_eq!(
            CustomHeaders::new((0..=MAX_HEADERS).map(|n| pair(&format!("x-{n}")))),
            Err(HeadersError::TooMany)
        );
    }
}
