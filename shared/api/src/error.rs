//! Every error that a caller can see: one shape, `{"kind", "message", "field"}`, and the right
//! status.
//!
//! # Pitfalls
//!
//! The detail of a fault of ours goes to the log and never to the caller. A text that repeats the
//! caller's own words is cut: a megabyte of them, escaped twice, is more than Lambda can answer.

use axum::response::{IntoResponse, Response};
use domain::{signing::VaultError, work::EncodeError};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use store::{StoreError, budgets::OverBudget, publish::PublishError, queue::QueueError};
use utoipa::ToSchema;

/// The longest message and the longest field, in characters; the rest is cut off.
const MAX_MESSAGE: usize = 500;
const MAX_FIELD: usize = 200;

/// An answer that is an error. Boxed, as every handler carries it in its result.
#[derive(Debug, thiserror::Error)]
#[error("{} {}: {}", .0.status, .0.kind, .0.message)]
pub struct ApiError(Box<Details>);

#[derive(Debug)]
struct Details {
    status: StatusCode,
    kind: &'static str,
    message: String,
    field: Option<String>,
    entries: Vec<EntryError>,
    header: Option<(HeaderName, HeaderValue)>,
}

/// What is wrong with one entry of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct EntryError {
    /// The position of the entry in the batch, from 0.
    pub index: usize,
    #[schema(example = "validation_error")]
    kind: &'static str,
    #[schema(example = "no such topic: `task.finished`; GET /webhooks/topics lists them")]
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "events[0].kind")]
    field: Option<String>,
}

/// An error.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub struct ErrorView<'a> {
    /// The kind of error, for programs: `validation_error` (a field breaks a rule),
    /// `malformed_request` (not a JSON object), `unauthorized`, `forbidden`, `not_found`,
    /// `method_not_allowed`, `conflict`, `payload_too_large`, `unsupported_media_type`,
    /// `unprocessable`, `rate_limited` or `unavailable`.
    #[schema(example = "validation_error")]
    kind: &'a str,
    /// What is wrong and what would be right, for people.
    #[schema(example = "must be 1 to 30 seconds")]
    message: &'a str,
    /// The field, query parameter or header that is wrong, if the error concerns one: `topics[1]`,
    /// `Idempotency-Key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "timeout_seconds")]
    field: Option<&'a str>,
    /// For a batch: what is wrong with each refused entry. No entry of the batch was accepted.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(required = false)]
    errors: &'a [EntryError],
}

impl ApiError {
    fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(Details {
            status,
            kind,
            message: cut(message.into(), MAX_MESSAGE),
            field: None,
            entries: Vec::new(),
            header: None,
        }))
    }

    /// 400: a field breaks a rule. The message names the rule.
    pub fn validation(field: impl Into<String>, message: impl Into<String>) -> Self {
        let field = cut(field.into(), MAX_FIELD);
        Self::new(StatusCode::BAD_REQUEST, "validation_error", message)
            .with(|details| details.field = Some(field))
    }

    /// 400: the request as a whole can't be read.
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed_request", message)
    }

    /// 400, or 413 if any is too large: entries of a batch are refused, so none was accepted.
    pub fn batch(total: usize, refused: Vec<(usize, Self)>) -> Self {
        let status = refused
            .iter()
            .map(|(_, error)| error.0.status)
            .max()
            .unwrap_or(StatusCode::BAD_REQUEST);
        let message =
            format!("{} of {total} events were refused; none was accepted", refused.len());
        let entries = refused.into_iter().map(|(index, error)| EntryError {
            index,
            kind: error.0.kind,
            message: error.0.message,
            field: error.0.field.map(|field| format!("events[{index}].{field}")),
        });
        Self::new(status, "validation_error", message)
            .with(|details| details.entries = entries.collect())
    }

    /// 401: no valid key.
    pub fn unauthorized(message: impl Into<String>) -> Self {
        let challenge = (header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
            .with(|details| details.header = Some(challenge))
    }

    /// 403: a valid key that may not do this.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// 404: no such thing in the caller's project. The same for what never was and what is another
    /// project's.
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("no such {what}"))
    }

    /// 405: the path exists with other methods.
    pub fn method_not_allowed(allow: &'static str) -> Self {
        let header = (header::ALLOW, HeaderValue::from_static(allow));
        let message = format!("method not allowed; allowed: {allow}");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
            .with(|details| details.header = Some(header))
    }

    /// 409: not now, or not with what is there.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", message)
    }

    /// 413: more bytes than the rule allows.
    pub fn too_large(field: Option<&str>, message: impl Into<String>) -> Self {
        let field = field.map(str::to_owned);
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", message)
            .with(|details| details.field = field)
    }

    /// 415: a body that isn't JSON.
    pub fn unsupported_media_type() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "send a JSON body with `Content-Type: application/json`",
        )
    }

    /// 415: a compressed body.
    pub fn unsupported_coding() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "compressed request bodies are not supported; send the body without `Content-Encoding`",
        )
    }

    /// 422: well-formed, but at odds with an earlier request.
    pub fn unprocessable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "unprocessable", message)
    }

    /// 429 with `Retry-After`: too much at once, and nothing of it was done.
    pub fn rate_limited(message: impl Into<String>, seconds: u16) -> Self {
        let header = (header::RETRY_AFTER, HeaderValue::from(seconds));
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", message)
            .with(|details| details.header = Some(header))
    }

    /// 503 with `Retry-After`: a fault of Posthaste or of AWS. The request may or may not have
    /// taken effect; with an idempotency key, a repeat does nothing twice.
    pub fn unavailable() -> Self {
        let header = (header::RETRY_AFTER, HeaderValue::from_static("1"));
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "the service can't do this right now; try again",
        )
        .with(|details| details.header = Some(header))
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    fn with(mut self, change: impl FnOnce(&mut Details)) -> Self {
        change(&mut self.0);
        self
    }
}

fn cut(mut text: String, most: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(most) {
        text.truncate(end);
        text.push('…');
    }
    text
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => {
                Self::conflict("it was changed at the same time; read it again and try again")
            }
            fault => {
                tracing::error!(error = %fault, "table call failed");
                Self::unavailable()
            }
        }
    }
}

impl From<OverBudget> for ApiError {
    fn from(refusal: OverBudget) -> Self {
        let seconds = u16::try_from(refusal.wait.as_secs()).unwrap_or(u16::MAX);
        Self::rate_limited(refusal.to_string(), seconds.saturating_add(1))
    }
}

impl From<VaultError> for ApiError {
    fn from(fault: VaultError) -> Self {
        tracing::error!(error = %fault, "a secret can't be sealed or opened");
        Self::unavailable()
    }
}

impl From<EncodeError> for ApiError {
    fn from(fault: EncodeError) -> Self {
        tracing::error!(error = %fault, "a message can't be enqueued");
        Self::unavailable()
    }
}

impl From<PublishError> for ApiError {
    fn from(fault: PublishError) -> Self {
        match fault {
            PublishError::Store(fault) => fault.into(),
            PublishError::Queue(fault) => fault.into(),
            PublishError::Encode(fault) => fault.into(),
        }
    }
}

impl From<QueueError> for ApiError {
    fn from(fault: QueueError) -> Self {
        tracing::error!(error = %fault, "queue call failed");
        Self::unavailable()
    }
}

impl Details {
    fn view(&self) -> ErrorView<'_> {
        ErrorView {
            kind: self.kind,
            message: &self.message,
            field: self.field.as_deref(),
            errors: &self.entries,
        }
    }
}

impl ApiError {
    /// The body of the answer, for who asked otherwise than over HTTP.
    pub fn into_json(self) -> serde_json::Value {
        serde_json::to_value(self.0.view()).unwrap_or_default()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let details = *self.0;
        let mut response = (details.status, axum::Json(details.view())).into_response();
        if let Some((name, value)) = details.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callers_own_words_are_repeated_in_part_only() {
        let error = ApiError::validation("é".repeat(100_000), "x".repeat(100_000));
        assert_eq!(
            error.0.field.as_deref().map(|field| field.chars().count()),
            Some(MAX_FIELD + 1)
        );
        assert_eq!(error.0.message.chars().count(), MAX_MESSAGE + 1);
        assert_eq!(ApiError::validation("url", "is required").0.message, "is required");
    }
}
