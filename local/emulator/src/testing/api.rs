//! A function's HTTP side for tests: requests take the way that API Gateway's take, as payload 2.0
//! through `lambda_http`, but in process.
//!
//! A new [`Api`] asks as the operator, for the samples' project.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header};
use serde_json::Value as Json;
use tower::ServiceExt;

use super::AwsStandIn;
use crate::front::payload::{self, Circumstances};
use crate::front::{EntryPoint, Match, RouteTable, door};
use crate::samples;

/// Host that the API is asked at.
pub const HOST: &str = "api.example.com";

/// One function, asked over HTTP by one caller.
#[derive(Clone)]
pub struct Api {
    router: Router,
    routes: RouteTable,
    headers: HeaderMap,
}

/// What a function answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code, as a number so that assertions are short.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; null if it isn't JSON.
    pub body: Json,
}

#[expect(clippy::expect_used, reason = "only tests use this, and a panic is how a test fails")]
impl Answer {
    async fn of(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.expect("a whole body");
        Self {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
        }
    }

    /// A header's text; empty without it.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// A field's text; empty if it isn't text.
    pub fn text(&self, field: &str) -> &str {
        self.body[field].as_str().unwrap_or_default()
    }
}

#[expect(clippy::expect_used, reason = "only tests use this, and a panic is how a test fails")]
impl Api {
    /// A function's router, asked by the operator for the samples' project.
    pub fn new(aws: &AwsStandIn, router: Router) -> Self {
        let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(HOST))]);
        let anonymous = Self { router, routes: RouteTable::of(&aws.template().functions), headers };
        anonymous.with_key(samples::OPERATOR_KEY).with_header("posthaste-project", samples::PROJECT)
    }

    /// The same, asked with another key, and for no project in particular.
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        let mut headers = self.headers.clone();
        headers.remove("posthaste-project");
        Self { headers, ..self.clone() }.with_header("authorization", &format!("Bearer {key}"))
    }

    /// The same, with one more header, or another value of it.
    ///
    /// # Panics
    /// If it can't be a header.
    #[must_use]
    pub fn with_header(&self, name: &str, value: &str) -> Self {
        let name = HeaderName::try_from(name).expect("a header's name");
        let mut headers = self.headers.clone();
        headers.insert(name, value.parse().expect("a header's value"));
        Self { headers, ..self.clone() }
    }

    /// Asks; `null` is no body.
    ///
    /// # Panics
    /// If that is no request.
    pub async fn ask(&self, method: &str, path: &str, body: Json) -> Answer {
        let mut request = Request::builder().method(method).uri(path).body(()).expect("a request");
        *request.headers_mut() = self.headers.clone();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        if !body.is_empty() {
            request
                .headers_mut()
                .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let (parts, ()) = request.into_parts();
        if let Some(refusal) = door::refusal(&parts) {
            return Answer::of(refusal).await;
        }
        let found = self.routes.find(method, parts.uri.path()).unwrap_or_else(|| Match {
            function: String::new(),
            route_key: "$default".to_owned(),
            path_parameters: std::collections::BTreeMap::new(),
            via: EntryPoint::HttpApi,
        });
        let about = Circumstances {
            source_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 443,
            now: Duration::ZERO,
            request_id: "test".to_owned(),
        };
        self.invoke(&payload::event(&parts, body.as_bytes(), &found, &about).to_string()).await
    }

    /// `GET`s what is streamed: the answer as it begins.
    ///
    /// # Panics
    /// If that is no request.
    pub async fn open(&self, path: &str) -> Response<Body> {
        let mut request = Request::builder().uri(path).body(Body::empty()).expect("a request");
        *request.headers_mut() = self.headers.clone();
        self.serve(request).await
    }

    async fn serve(&self, request: Request<Body>) -> Response<Body> {
        match self.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(impossible) => match impossible {},
        }
    }

    /// Invokes the function with API Gateway's event (payload 2.0).
    ///
    /// # Panics
    /// If it is none.
    pub async fn invoke(&self, event: &str) -> Answer {
        let request = lambda_http::request::from_str(event).expect("an event of API Gateway");
        Answer::of(self.serve(request.map(Body::new)).await).await
    }
}
