//! Pages of other origins at a function URL: Lambda answers their preflights itself, and says in
//! each answer who may read it (Fetch standard, "HTTP extensions"; `AWS::Lambda::Url`, `Cors`).
//!
//! A function never sees a preflight, and an answer that is an error must be readable too.

use axum::body::Body;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response};

use sam_template::Cors;

/// Whether a browser asks what it may ask.
pub(super) fn is_preflight(request: &Parts) -> bool {
    request.method == Method::OPTIONS
        && request.headers.contains_key(ORIGIN)
        && request.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to that.
pub(super) fn preflight(cors: &Cors, request: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    admit(cors, request, response.headers_mut());
    if response.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        let headers = response.headers_mut();
        set(headers, ACCESS_CONTROL_ALLOW_METHODS, &cors.methods.join(","));
        set(headers, ACCESS_CONTROL_ALLOW_HEADERS, &cors.headers.join(","));
        set(headers, ACCESS_CONTROL_MAX_AGE, &cors.max_age.to_string());
    }
    response
}

/// Lets a page read an answer, if its origin is among those that may.
pub(super) fn admit(cors: &Cors, request: &HeaderMap, answer: &mut HeaderMap) {
    let Some(origin) = request.get(ORIGIN).and_then(|origin| origin.to_str().ok()) else { return };
    if cors.origins.iter().any(|allowed| allowed == "*") {
        set(answer, ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    } else if cors.origins.iter().any(|allowed| allowed == origin) {
        set(answer, ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        answer.append(VARY, HeaderValue::from_static("Origin"));
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = value.parse() {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origin: &str) -> Cors {
        Cors {
            origins: vec![origin.into()],
            methods: vec!["GET".into()],
            headers: vec!["authorization".into(), "x-a".into()],
            max_age: 60,
        }
    }

    fn from(origin: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(ORIGIN, HeaderValue::from_static(origin))])
    }

    #[test]
    fn a_preflight_is_told_what_the_template_allows() {
        let response = preflight(&cors("*"), &from("http://a.example"));
        let header = |name: HeaderName| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header(ACCESS_CONTROL_ALLOW_ORIGIN), "*");
        assert_eq!(header(ACCESS_CONTROL_ALLOW_METHODS), "GET");
        assert_eq!(header(ACCESS_CONTROL_ALLOW_HEADERS), "authorization,x-a");
        assert_eq!(header(ACCESS_CONTROL_MAX_AGE), "60");
    }

    #[test]
    fn an_origin_that_is_not_listed_is_told_nothing_and_a_listed_one_is_named() {
        assert!(
            preflight(&cors("http://a.example"), &from("http://b.example")).headers().is_empty()
        );
        let response = preflight(&cors("http://a.example"), &from("http://a.example"));
        assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "http://a.example");
        assert_eq!(response.headers()[VARY], "Origin");
        assert!(preflight(&cors("*"), &HeaderMap::new()).headers().is_empty());
    }
}
