//! What the front door refuses by a request's head alone, before it looks for a route.
//!
//! API Gateway's functions never see such a request. `lambda_http` takes that for granted, and
//! panics at an event whose host and path make no URL.

use axum::body::Body;
use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use domain::endpoint_url::OwnHost;

use super::{answer, path};

/// API Gateway, HTTP APIs: total combined size of request line and header values, in bytes.
const MAX_HEAD_BYTES: usize = 10_240;

const MEANT_AS_ESCAPE: &str = "the path is decoded twice, and after the first time a `%` in it \
    begins no escape; send a `%` of a name as `%2525`";

/// The answer to a request that goes no further.
pub(crate) fn refusal(parts: &Parts) -> Option<Response<Body>> {
    let refused = |status, message: &str| Some(answer::error(status, "malformed_request", message));
    let line = format!("{} {} {:?}", parts.method, parts.uri, parts.version).len();
    let values: usize = parts.headers.values().map(axum::http::HeaderValue::len).sum();
    if line > MAX_HEAD_BYTES {
        return refused(StatusCode::URI_TOO_LONG, "the request line is longer than 10,240 bytes");
    }
    if line + values > MAX_HEAD_BYTES {
        return refused(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "the request line and the headers' values are longer than 10,240 bytes",
        );
    }
    if !has_host(parts) {
        return refused(StatusCode::BAD_REQUEST, "send one header `Host`: a host, or host:port");
    }
    // `OPTIONS *` asks for no path.
    if !parts.uri.path().starts_with('/') {
        return refused(StatusCode::BAD_REQUEST, "the request's target must be a path");
    }
    if path::told(parts.uri.path()).is_none() {
        return refused(StatusCode::BAD_REQUEST, MEANT_AS_ESCAPE);
    }
    None
}

/// RFC 9112, 3.2: a request without a `Host`, with several, or with an invalid one gets a 400.
fn has_host(parts: &Parts) -> bool {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let (first, more) = (hosts.next(), hosts.next());
    more.is_none()
        && first
            .and_then(|host| host.to_str().ok())
            .is_some_and(|host| host.parse::<OwnHost>().is_ok())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderValue, Request};

    use super::*;

    fn status(target: &str, headers: &[(&str, &[u8])]) -> Option<u16> {
        let mut request = Request::builder().uri(target);
        for (name, value) in headers {
            request = request.header(*name, HeaderValue::from_bytes(value).unwrap());
        }
        refusal(&request.body(()).unwrap().into_parts().0).map(|answer| answer.status().as_u16())
    }

    #[test]
    fn a_request_has_one_host_that_makes_a_url() {
        for host in [
            "localhost",
            "127.0.0.1:8080",
            "[::1]:8080",
            "[::1]",
            "hooks.example.com",
            "host.docker.internal:1",
        ] {
            assert_eq!(status("/events", &[("host", host.as_bytes())]), None, "{host}");
        }
        let bad: [&[u8]; 10] = [
            b"",
            b"a b",
            b"a/b",
            b"u@a",
            b"[::1",
            b"a:b",
            b"a:99999",
            b"1.2.3.256",
            b"\xff",
            b"a?b",
        ];
        for host in bad {
            assert_eq!(status("/events", &[("host", host)]), Some(400), "{host:?}");
        }
        assert_eq!(status("/events", &[]), Some(400));
        assert_eq!(status("/events", &[("host", b"a"), ("host", b"a")]), Some(400));
        assert_eq!(status("*", &[("host", b"a")]), Some(400));
    }

    #[test]
    fn a_path_can_be_decoded_twice() {
        for (path, expected) in
            [("/a%20b", None), ("/a%2525b", None), ("/a%25b", Some(400)), ("/a%", Some(400))]
        {
            assert_eq!(status(path, &[("host", b"a")]), expected, "{path}");
        }
    }

    #[test]
    fn line_and_headers_have_10240_bytes_together() {
        let line = |path: &str| format!("GET {path} HTTP/1.1").len();
        let fits = format!("/{}", "x".repeat(MAX_HEAD_BYTES - line("/") - 1));
        assert_eq!(status(&fits, &[("host", b"a")]), None);
        assert_eq!(status(&format!("{fits}x"), &[("host", b"a")]), Some(431));
        assert_eq!(status(&format!("{fits}xx"), &[("host", b"a")]), Some(414));
        let value = vec![b'v'; MAX_HEAD_BYTES - line("/events") - 1];
        assert_eq!(status("/events", &[("host", b"a"), ("x-long", &value)]), None);
        assert_eq!(status("/events", &[("host", b"aa"), ("x-long", &value)]), Some(431));
    }
}
