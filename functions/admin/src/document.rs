//! `GET /openapi.json`: what this API is. No key is needed.

use axum::response::IntoResponse;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

/// Made from the code by `tests/tests/document`, which holds it to the code.
const DOCUMENT: &str = include_str!("../openapi.json");

/// Read this document
#[utoipa::path(
    get, path = "/openapi.json", tag = "Operator", operation_id = "getDocument",
    responses(
        (
            status = 200, body = Object, description = "OpenAPI 3.1",
            content_type = "application/json", example = json!({"openapi": "3.1.0"}),
        ),
    ),
    security(()),
)]
pub(crate) async fn read() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "public, max-age=300")], DOCUMENT)
}
