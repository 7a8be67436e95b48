//! A request as the event that API Gateway gives a function (HTTP API, payload format 2.0).
//!
//! `rawPath` is decoded but `rawQueryString` isn't, cookies are taken out of the headers, and a
//! form (`application/x-www-form-urlencoded`) is no text: it comes as base64.

use std::net::IpAddr;
use std::time::Duration;

use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, COOKIE, HOST, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json, json};
use url::form_urlencoded;

use super::date::common_log_format;
use super::path;
use super::route::{EntryPoint, Match};
use sam_template::ACCOUNT;

/// What of a request isn't in the request.
#[derive(Debug, Clone)]
pub struct Circumstances {
    /// Address of the client.
    pub source_ip: IpAddr,
    /// Port that the request came in on.
    pub port: u16,
    /// Time of its arrival, since the Unix epoch.
    pub now: Duration,
    /// Id of the request.
    pub request_id: String,
}

/// The event for a request.
pub fn event(parts: &Parts, body: &[u8], found: &Match, about: &Circumstances) -> Json {
    let headers = &parts.headers;
    let host =
        text(headers, &HOST).or_else(|| parts.uri.host().map(str::to_owned)).unwrap_or_default();
    let domain = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name);
    let sent = parts.uri.path();
    let path = match found.via {
        EntryPoint::HttpApi => path::told(sent).unwrap_or_default(),
        EntryPoint::Url(_) => sent.to_owned(),
    };
    let query = parts.uri.query().unwrap_or_default();
    let mut event = json!({
        "version": "2.0",
        "routeKey": found.route_key,
        "rawPath": path,
        "rawQueryString": query,
        "headers": joined_headers(headers, &host, about),
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": "local",
            "domainName": host,
            "domainPrefix": domain.split('.').next().unwrap_or_default(),
            "http": {
                "method": parts.method.as_str(),
                "path": path,
                "protocol": format!("{:?}", parts.version),
                "sourceIp": about.source_ip.to_string(),
                "userAgent": text(headers, &USER_AGENT).unwrap_or_default(),
            },
            "requestId": about.request_id,
            "routeKey": found.route_key,
            "stage": "$default",
            "time": common_log_format(about.now),
            "timeEpoch": u64::try_from(about.now.as_millis()).unwrap_or_default(),
        },
        "isBase64Encoded": false,
    });
    // Fields without a value are left out, not empty.
    let cookies = cookies(headers);
    if !cookies.is_empty() {
        event["cookies"] = cookies.into();
    }
    let query = query_parameters(query);
    if !query.is_empty() {
        event["queryStringParameters"] = query.into();
    }
    if !found.path_parameters.is_empty() {
        event["pathParameters"] = json!(found.path_parameters);
    }
    if !body.is_empty() {
        let (body, is_base64) = encoded(headers, body);
        event["body"] = body.into();
        event["isBase64Encoded"] = is_base64.into();
    }
    event
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn joined_headers(headers: &HeaderMap, host: &str, about: &Circumstances) -> Map<String, Json> {
    let mut joined = Map::new();
    for name in headers.keys().filter(|name| **name != COOKIE) {
        let values = headers.get_all(name).into_iter();
        let values: Vec<_> =
            values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
        joined.insert(name.as_str().to_owned(), values.join(",").into());
    }
    joined.insert("host".to_owned(), host.into());
    joined.insert("x-forwarded-for".to_owned(), about.source_ip.to_string().into());
    joined.insert("x-forwarded-port".to_owned(), about.port.to_string().into());
    joined.insert("x-forwarded-proto".to_owned(), "http".into());
    joined
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    let lines = headers.get_all(COOKIE).into_iter();
    let texts: Vec<_> =
        lines.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
    texts
        .iter()
        .flat_map(|line| line.split(';'))
        .map(|cookie| cookie.trim().to_owned())
        .filter(|cookie| !cookie.is_empty())
        .collect()
}

/// Decoded; values of the same name are joined by commas.
fn query_parameters(query: &str) -> Map<String, Json> {
    let mut parameters: Map<String, Json> = Map::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let joined = match parameters.get(name.as_ref()).and_then(Json::as_str) {
            Some(before) => format!("{before},{value}"),
            None => value.into_owned(),
        };
        parameters.insert(name.into_owned(), joined.into());
    }
    parameters
}

fn encoded(headers: &HeaderMap, body: &[u8]) -> (String, bool) {
    let content_type = text(headers, &CONTENT_TYPE).unwrap_or_default().to_ascii_lowercase();
    let is_text = is_text(&content_type) && !headers.contains_key(CONTENT_ENCODING);
    match std::str::from_utf8(body) {
        Ok(text) if is_text => (text.to_owned(), false),
        _ => (STANDARD.encode(body), true),
    }
}

fn is_text(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    media_type.starts_with("text/")
        || media_type.ends_with("+json")
        || media_type.ends_with("+xml")
        || matches!(media_type, "application/json" | "application/xml" | "application/javascript")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use axum::http::Request;

    use super::*;
    use crate::front::EntryPoint;

    fn event_of(request: Request<()>, body: &[u8]) -> Json {
        let found = Match {
            function: "f".into(),
            route_key: "POST /a/{id}".into(),
            path_parameters: BTreeMap::from([("id".to_owned(), "1".to_owned())]),
            via: EntryPoint::HttpApi,
        };
        let about = Circumstances {
            source_ip: [127, 0, 0, 1].into(),
            port: 8080,
            now: Duration::from_millis(1_583_348_638_390),
            request_id: "r".into(),
        };
        event(&request.into_parts().0, body, &found, &about)
    }

    #[test]
    fn a_request_becomes_the_event_that_api_gateway_makes_of_it() {
        let request = Request::builder()
            .method("POST")
            .uri("/a/x%20y?p=1&p=2&q=a%26b+c")
            .header("Host", "127.0.0.1:8080")
            .header("X-Many", "1")
            .header("X-Many", "2")
            .header("Cookie", "a=1; b=2")
            .header("User-Agent", "curl")
            .header("Content-Type", "application/json; charset=utf-8")
            .body(())
            .unwrap();
        let expected = json!({
            "version": "2.0", "routeKey": "POST /a/{id}", "rawPath": "/a/x y",
            "rawQueryString": "p=1&p=2&q=a%26b+c",
            "cookies": ["a=1", "b=2"],
            "headers": {
                "host": "127.0.0.1:8080", "x-many": "1,2", "user-agent": "curl",
                "content-type": "application/json; charset=utf-8",
                "x-forwarded-for": "127.0.0.1", "x-forwarded-port": "8080",
                "x-forwarded-proto": "http"
            },
            "queryStringParameters": {"p": "1,2", "q": "a&b c"},
            "pathParameters": {"id": "1"},
            "requestContext": {
                "accountId": "000000000000", "apiId": "local", "domainName": "127.0.0.1:8080",
                "domainPrefix": "127",
                "http": {"method": "POST", "path": "/a/x y", "protocol": "HTTP/1.1",
                    "sourceIp": "127.0.0.1", "userAgent": "curl"},
                "requestId": "r", "routeKey": "POST /a/{id}", "stage": "$default",
                "time": "04/Mar/2020:19:03:58 +0000", "timeEpoch": 1_583_348_638_390_u64
            },
            "body": "{}", "isBase64Encoded": false
        });
        assert_eq!(event_of(request, b"{}"), expected);
    }

    #[test]
    fn what_is_empty_is_left_out() {
        let event = event_of(Request::new(()), b"");
        for field in ["body", "cookies", "queryStringParameters"] {
            assert!(event.get(field).is_none(), "{field}");
        }
    }

    #[test]
    fn only_plain_text_types_come_as_text() {
        let body_of = |content_type: &str, body: &[u8]| {
            let request = Request::builder().header("content-type", content_type).body(()).unwrap();
            let event = event_of(request, body);
            (
                event["body"].as_str().unwrap().to_owned(),
                event["isBase64Encoded"].as_bool().unwrap(),
            )
        };
        assert_eq!(body_of("text/plain", b"a"), ("a".to_owned(), false));
        assert_eq!(body_of("application/cloudevents+json", b"{}"), ("{}".to_owned(), false));
        assert_eq!(body_of("application/x-www-form-urlencoded", b"a=1"), ("YT0x".to_owned(), true));
        assert_eq!(body_of("application/octet-stream", b"a"), ("YQ==".to_owned(), true));
        assert_eq!(body_of("application/json", b"\xff"), ("/w==".to_owned(), true));
    }
}
