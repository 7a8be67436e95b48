//! What a call answers, as HTTP.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::error::SqsError;

/// The HTTP answer of one call of the JSON protocol.
#[derive(Clone, Debug)]
pub struct SqsResponse {
    /// 200, or the status of the error.
    pub status: StatusCode,
    /// Content type, request id and, for errors, `x-amzn-query-error`.
    pub headers: HeaderMap,
    /// A JSON object; empty where the operation answers nothing.
    pub body: Bytes,
}

impl SqsResponse {
    pub(crate) fn from_result(result: Result<impl Serialize, SqsError>) -> Self {
        let encoded = result.and_then(|answer| {
            serde_json::to_vec(&answer).map_err(|error| SqsError::internal(error.to_string()))
        });
        match encoded {
            Ok(body) => Self::new(StatusCode::OK, body.into()),
            Err(error) => Self::from_error(&error),
        }
    }

    fn from_error(error: &SqsError) -> Self {
        let wire = error.code.on_the_wire();
        let fault = if error.is_senders_fault() { "Sender" } else { "Receiver" };
        let body = json!({"__type": wire.shape, "message": error.message}).to_string();
        let status = StatusCode::from_u16(wire.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);

        let mut response = Self::new(status, body.into());
        if let Ok(value) = HeaderValue::from_str(&format!("{};{fault}", wire.query_code)) {
            response.headers.insert("x-amzn-query-error", value);
        }
        response
    }

    fn new(status: StatusCode, body: Bytes) -> Self {
        // `null` is what serde makes of `()`: operations without an answer have an empty body.
        let body = if body == "null" { Bytes::new() } else { body };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
        if let Ok(id) = HeaderValue::from_str(&Uuid::new_v4().to_string()) {
            headers.insert("x-amzn-requestid", id);
        }
        Self { status, headers, body }
    }
}

impl From<SqsResponse> for http::Response<Bytes> {
    fn from(answer: SqsResponse) -> Self {
        let mut response = Self::new(answer.body);
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        response
    }
}
