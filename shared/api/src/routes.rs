//! Routes: each function lists its own; this makes a router of them.
//!
//! # Pitfalls
//!
//! API Gateway matches method and path, and sends what it can't match to `$default`. That function
//! must tell "no such path" from "not this method" for *all* functions, so the table of methods by
//! path stands here; a test holds it to the template and to the functions.

use axum::{
    Router,
    extract::Request,
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use http::Uri;
use percent_encoding::percent_decode_str;
use utoipa_axum::router::OpenApiRouter;

use crate::ApiError;

/// A function's routes: each handler's `#[utoipa::path]` says its method, its path and what the
/// API's document says of it.
pub type Routes<S> = OpenApiRouter<S>;

/// A function's router. What none of the routes takes gets [`no_such_route`].
pub fn router<S: Clone + Send + Sync + 'static>(routes: Routes<S>, state: S) -> Router {
    let served = Router::from(routes);
    let served = served.fallback(no_such_route).method_not_allowed_fallback(no_such_route);
    let served = served.layer(middleware::from_fn(refuse_methods_of_literal_paths));
    served.layer(middleware::from_fn(refuse_paths_of_no_text)).with_state(state)
}

/// 405 for a path that stands in the API as it is and doesn't take the method, though a pattern
/// that it matches does: `/events/batch` names no event.
async fn refuse_methods_of_literal_paths(request: Request, next: Next) -> Response {
    match ALLOWED.iter().find(|(pattern, _)| *pattern == request.uri().path()) {
        Some((_, allow)) if !allow.split(", ").any(|method| method == request.method()) => {
            ApiError::method_not_allowed(allow).into_response()
        }
        _ => next.run(request).await,
    }
}

/// 404 for a path whose percent-encoding isn't UTF-8: it names nothing, and axum would answer in a
/// format of its own.
async fn refuse_paths_of_no_text(request: Request, next: Next) -> Response {
    if is_text(request.uri().path()) {
        next.run(request).await
    } else {
        ApiError::not_found("route").into_response()
    }
}

fn is_text(path: &str) -> bool {
    percent_decode_str(path).decode_utf8().is_ok()
}

/// The methods of every path of the API.
pub const ALLOWED: &[(&str, &str)] = &[
    ("/api/workers/{id}/webhook", "DELETE, GET, PUT"),
    ("/api/workers/{id}/webhook/executions", "GET"),
    ("/api/workers/{id}/webhook/regenerate-token", "POST"),
    ("/automations", "GET, POST"),
    ("/automations/{id}", "DELETE, GET, PATCH"),
    ("/events", "GET, POST"),
    ("/events/batch", "POST"),
    ("/events/stream", "GET"),
    ("/events/{id}", "GET"),
    ("/openapi.json", "GET"),
    ("/operator-keys", "GET, POST"),
    ("/operator-keys/{id}", "DELETE"),
    ("/projects", "GET, POST"),
    ("/projects/{id}", "GET, PATCH"),
    ("/projects/{id}/keys", "GET, POST"),
    ("/projects/{id}/keys/{key_id}", "DELETE"),
    ("/webhooks/delivery-attempts", "GET"),
    ("/webhooks/endpoints", "GET, POST"),
    ("/webhooks/endpoints/{id}", "DELETE, GET, PATCH, PUT"),
    ("/webhooks/endpoints/{id}/deliveries", "GET"),
    ("/webhooks/endpoints/{id}/recover", "POST"),
    ("/webhooks/endpoints/{id}/recoveries", "GET"),
    ("/webhooks/endpoints/{id}/recoveries/{recovery_id}", "GET"),
    ("/webhooks/endpoints/{id}/secret", "GET"),
    ("/webhooks/endpoints/{id}/secret/rotate", "POST"),
    ("/webhooks/endpoints/{id}/test", "POST"),
    ("/webhooks/messages", "GET"),
    ("/webhooks/messages/{id}", "GET"),
    ("/webhooks/messages/{id}/resend", "POST"),
    ("/webhooks/secret", "GET"),
    ("/webhooks/secret/rotate", "POST"),
    ("/webhooks/topics", "GET"),
    ("/webhooks/topics/{name}", "DELETE, GET, PUT"),
];

/// 405 with `Allow` for a path that exists, 404 for any other.
pub async fn no_such_route(uri: Uri) -> Response {
    let path = uri.path();
    let matched = ALLOWED.iter().filter(|(pattern, _)| matches(pattern, path));
    // `/events/batch` is itself, not an event's id.
    match matched.min_by_key(|(pattern, _)| pattern.contains('{')) {
        Some((_, allow)) => ApiError::method_not_allowed(allow).into_response(),
        None => ApiError::not_found("route").into_response(),
    }
}

fn matches(pattern: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(w), Some(g)) if w == g || w.starts_with('{') && !g.is_empty() => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_text_when_its_escapes_are_utf_8() {
        for (path, text) in [
            ("/a/%20", true),
            ("/a/%c3%a4", true),
            ("/%", true),
            ("/%zz%4", true),
            ("/%00", true),
            ("/%ff", false),
            ("/%c3", false),
        ] {
            assert_eq!(is_text(path), text, "{path}");
        }
    }

    #[tokio::test]
    async fn a_known_path_says_which_methods_it_takes_and_an_unknown_one_is_not_found() {
        for (path, status, allow) in [
            ("/events/batch", 405, Some("POST")),
            ("/events/evt_1", 405, Some("GET")),
            ("/webhooks/endpoints/we_1", 405, Some("DELETE, GET, PATCH, PUT")),
            ("/webhooks/endpoints/", 404, None),
            ("/", 404, None),
            ("/events/a/b", 404, None),
        ] {
            let response = no_such_route(path.parse().unwrap()).await;
            assert_eq!(response.status(), status, "{path}");
            assert_eq!(
                response.headers().get("allow").map(|v| v.to_str().unwrap()),
                allow,
                "{path}"
            );
        }
    }
}
