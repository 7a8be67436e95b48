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
use http::{Method, Uri};
use lambda_http::{RequestExt, request::RequestContext};
use percent_encoding::percent_decode_str;
use utoipa_axum::router::OpenApiRouter;

use crate::{ApiError, account::account, auth::Authenticates};

/// A function's routes: each handler's `#[utoipa::path]` says its method, its path and what the
/// API's document says of it.
pub type Routes<S> = OpenApiRouter<S>;

/// A function's router. What none of the routes takes gets [`no_such_route`].
pub fn router<S: Authenticates + Clone + Send + Sync + 'static>(
    routes: Routes<S>,
    state: S,
) -> Router {
    let served = Router::from(routes);
    let served = served.fallback(no_such_route).method_not_allowed_fallback(no_such_route);
    let served = served.layer(middleware::from_fn(refuse_methods_of_literal_paths));
    let served = served.layer(middleware::from_fn(refuse_ambiguous_paths));
    served.layer(middleware::from_fn_with_state(state.clone(), account::<S>)).with_state(state)
}

/// 405 for a path that stands in the API as it is and doesn't take the method, though a pattern
/// that it matches does: `/events/batch` names no event.
async fn refuse_methods_of_literal_paths(request: Request, next: Next) -> Response {
    match ALLOWED.iter().find(|(pattern, _)| *pattern == request.uri().path()) {
        Some((_, allow)) if !takes(allow, request.method()) => {
            ApiError::method_not_allowed(allow).into_response()
        }
        _ => next.run(request).await,
    }
}

/// 404 for a path that means one thing to API Gateway and another to the router.
///
/// API Gateway chooses a route by the path as it was sent, and then decodes it. So an id may hold
/// `/`, `?`, `#` or `..`, and `lambda_http` makes of it a path of more or fewer parts, or one with
/// a query.
async fn refuse_ambiguous_paths(request: Request, next: Next) -> Response {
    let route = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.route_key.as_deref(),
        _ => None,
    };
    if is_clear(request.uri().path(), request.raw_http_path(), route) {
        next.run(request).await
    } else {
        ApiError::not_found("route").into_response()
    }
}

/// Whether a path is text, and the `decoded` one, if that is known, with as many parts as the
/// `route`, for example `GET /events/{id}`.
fn is_clear(path: &str, decoded: &str, route: Option<&str>) -> bool {
    let Ok(text) = percent_decode_str(path).decode_utf8() else { return false };
    let parts = |path: &str| path.split('/').count();
    let routed =
        route.filter(|key| *key != "$default").is_none_or(|key| parts(key) == parts(&text));
    (decoded.is_empty() || text == decoded) && routed
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
    ("/projects/{id}/usage", "GET"),
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

/// Layer of the function behind `$default`. API Gateway sends it what no route takes as it was
/// sent; the decoded path may be another route's, for example behind `/projects/a%3F/b`.
pub async fn refuse_default_route(request: Request, next: Next) -> Response {
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context))
            if context.route_key.as_deref() == Some("$default") =>
        {
            no_such_route(request.method().clone(), request.uri().clone()).await
        }
        _ => next.run(request).await,
    }
}

/// 405 with `Allow` for a path that exists without this method, 404 for any other.
pub async fn no_such_route(method: Method, uri: Uri) -> Response {
    let path = uri.path();
    let matched = ALLOWED.iter().filter(|(pattern, _)| matches(pattern, path));
    // `/events/batch` is itself, not an event's id.
    match matched.min_by_key(|(pattern, _)| pattern.contains('{')) {
        Some((_, allow)) if !takes(allow, &method) => {
            ApiError::method_not_allowed(allow).into_response()
        }
        _ => ApiError::not_found("route").into_response(),
    }
}

fn takes(allow: &str, method: &Method) -> bool {
    allow.split(", ").any(|allowed| allowed == method)
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
    fn a_path_is_clear_when_its_escapes_are_utf_8() {
        for (path, clear) in [
            ("/a/%20", true),
            ("/a/%c3%a4", true),
            ("/%", true),
            ("/%zz%4", true),
            ("/%00", true),
            ("/%ff", false),
            ("/%c3", false),
        ] {
            assert_eq!(is_clear(path, "", None), clear, "{path}");
        }
    }

    #[test]
    fn a_path_is_clear_when_it_is_the_decoded_one_and_has_the_parts_of_the_route() {
        let (one, any) = (Some("GET /a/{id}"), Some("$default"));
        for (path, decoded, route, clear) in [
            ("/a/b", "/a/b", one, true),
            ("/a/b%20c", "/a/b c", one, true),
            ("/a/b%25c", "/a/b%c", one, true),
            ("/a/b/c", "/a/b/c", any, true),
            ("/a/b", "/a/b?c", one, false),
            ("/a/b", "/a/b#c", one, false),
            ("/a/b/c", "/a/b/c", one, false),
            ("/", "/a/..", any, false),
            ("/a/b%41", "/a/b%41", one, false),
        ] {
            assert_eq!(is_clear(path, decoded, route), clear, "{path} of {decoded} by {route:?}");
        }
    }

    #[tokio::test]
    async fn a_known_path_says_which_methods_it_takes_and_an_unknown_one_is_not_found() {
        for (method, path, status, allow) in [
            (Method::GET, "/events/batch", 405, Some("POST")),
            (Method::PUT, "/events/evt_1", 405, Some("GET")),
            (Method::POST, "/webhooks/endpoints/we_1", 405, Some("DELETE, GET, PATCH, PUT")),
            (Method::GET, "/webhooks/endpoints/we_1", 404, None),
            (Method::GET, "/webhooks/endpoints/", 404, None),
            (Method::GET, "/", 404, None),
            (Method::GET, "/events/a/b", 404, None),
        ] {
            let response = no_such_route(method, path.parse().unwrap()).await;
            assert_eq!(response.status(), status, "{path}");
            assert_eq!(
                response.headers().get("allow").map(|v| v.to_str().unwrap()),
                allow,
                "{path}"
            );
        }
    }
}
