//! JSON request bodies.
//!
//! An error names the field and the rule, not a line and column of our parser.

use axum::extract::{FromRequest, Request};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};

use crate::{ApiError, rule::rule, strict::Strict};

/// The largest request body but for batches of events: 1 MiB.
const MAX_BODY: usize = 1 << 20;

/// A request's JSON body. Put an authorising extractor such as [`crate::auth::ManagesEndpoints`]
/// before it; otherwise the body is read before the caller is authorised.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let bytes = read_json(request, MAX_BODY).await?;
        parse_json(&bytes).map(Self)
    }
}

/// The bytes of a JSON body. 415 for another content type or a compressed body (which may unpack to
/// anything), 413 for more than `most` bytes.
pub async fn read_json(request: Request, most: usize) -> Result<bytes::Bytes, ApiError> {
    let content_type = request
        .headers()
        .get(CONTENT_TYPE)
        .map(|value| value.to_str().unwrap_or_default().to_ascii_lowercase());
    let essence =
        content_type.as_deref().map(|text| text.split(';').next().unwrap_or_default().trim());
    if essence.is_some_and(|text| {
        text != "application/json" && !(text.starts_with("application/") && text.ends_with("+json"))
    }) {
        return Err(ApiError::unsupported_media_type());
    }
    if request
        .headers()
        .get(CONTENT_ENCODING)
        .is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        return Err(ApiError::unsupported_coding());
    }
    axum::body::to_bytes(request.into_body(), most).await.map_err(|_| {
        ApiError::too_large(None, format!("the request body must be at most {most} bytes"))
    })
}

/// A body as a type. 400 that names the field.
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(ApiError::malformed("the body must be a JSON object"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(Strict(&mut deserializer))
        .map_err(|error| explain(error.path().to_string(), error.inner()))?;
    deserializer.end().map_err(|error| {
        ApiError::malformed(format!("unexpected data after the JSON value: {error}"))
    })?;
    Ok(value)
}

fn explain(path: String, error: &serde_json::Error) -> ApiError {
    if !error.is_data() {
        return ApiError::malformed(format!("the body is not JSON: {error}"));
    }
    let text = error.to_string();
    // serde_json appends where it was; our callers have the field.
    let message = rule(text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message));
    let path = if path == "." { String::new() } else { path };
    // serde names the field of these in the message only, and the path of unknown ones differs by
    // type.
    let named = ["missing field `", "duplicate field `", "unknown field `"]
        .iter()
        .find_map(|start| message.strip_prefix(start)?.split('`').next());
    let field = match named {
        Some(name) if path.is_empty() || path == name => name.to_owned(),
        Some(name) if path.ends_with(&format!(".{name}")) => path,
        Some(name) => format!("{path}.{name}"),
        None => path,
    };
    if field.is_empty() {
        ApiError::malformed(message)
    } else {
        ApiError::validation(field, message)
    }
}

/// A field that may be absent (unchanged), null (back to the default) or a value.
pub type Field<T> = Option<Option<T>>;

/// Tells null from absent: for fields with a default, so that only those that are there come here.
pub fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Field<T>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only its errors matter")]
    struct Sample {
        url: String,
        topics: Vec<String>,
        #[serde(default)]
        limit: Option<u64>,
        #[serde(default, deserialize_with = "given")]
        state: Field<State>,
        #[serde(default)]
        steps: Vec<Step>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum State {
        Active,
        Paused,
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "only its errors matter")]
    struct Step {
        state: State,
    }

    async fn answer(body: &str) -> serde_json::Value {
        let response = parse_json::<Sample>(body.as_bytes()).unwrap_err().into_response();
        serde_json::from_slice(&axum::body::to_bytes(response.into_body(), 9_999).await.unwrap())
            .unwrap()
    }

    #[tokio::test]
    async fn errors_name_the_field_and_the_rule() {
        for (body, field, part) in [
            (r#"{"topics":[]}"#, "url", "missing"),
            (r#"{"url":1,"topics":[]}"#, "url", "expected a string"),
            (r#"{"url":"x","topics":["a",2]}"#, "topics[1]", "expected a string"),
            (r#"{"url":"x","topics":[],"limit":"1"}"#, "limit", "expected a whole number"),
            (r#"{"url":"x","topics":[],"limit":-1}"#, "limit", "expected a whole number"),
            (r#"{"url":"x","topics":[],"limit":1.5}"#, "limit", "expected a whole number"),
            (r#"{"url":"x","topics":[],"colour":1}"#, "colour", "unknown"),
            (r#"{"url":"x","url":"y","topics":[]}"#, "url", "duplicate"),
            (r#"{"url":"x","topics":[],"state":"idle"}"#, "state", "one of: active, paused"),
            (r#"{"url":"x","topics":[],"state":1}"#, "state", "integer `1`, expected a string"),
            (r#"{"url":"x","topics":[],"state":{"paused":null}}"#, "state", "expected a string"),
            (
                r#"{"url":"x","topics":[],"steps":[["active"]]}"#,
                "steps[0]",
                "array, expected an object",
            ),
            (
                r#"{"url":"x","topics":[],"steps":[{"state":["active"]}]}"#,
                "steps[0].state",
                "expected a string",
            ),
            (r#"{"url":"x","topics":[],"steps":{}}"#, "steps", "object, expected an array"),
        ] {
            let answer = answer(body).await;
            assert_eq!(
                (answer["kind"].as_str(), answer["field"].as_str()),
                (Some("validation_error"), Some(field)),
                "{body}: {answer}"
            );
            assert!(answer["message"].as_str().unwrap().contains(part), "{answer}");
        }
    }

    #[test]
    fn what_the_document_allows_is_taken() {
        let body = r#"{"url":"x","topics":["a"],"state":"paused","steps":[{"state":"active"}]}"#;
        let sample: Sample = parse_json(body.as_bytes()).unwrap();
        assert_eq!(sample.topics, ["a"]);
        assert!(matches!(sample.state, Some(Some(State::Paused))));
        assert!(matches!(sample.steps[..], [Step { state: State::Active }]));
        let body = br#"{"url":"x","topics":[],"state":null,"limit":null}"#;
        assert!(matches!(parse_json::<Sample>(body).unwrap().state, Some(None)));
    }

    #[tokio::test]
    async fn only_plain_json_is_read() {
        let status = async |name: &str, value: &str| {
            let request = Request::builder().header(name, value).body("{}".into()).unwrap();
            read_json(request, 9).await.map_or_else(|error| error.status().as_u16(), |_| 200)
        };
        for (name, value, expected) in [
            ("content-type", "application/json; charset=utf-8", 200),
            ("content-type", "Application/JSON", 200),
            ("content-type", "application/cloudevents+json", 200),
            ("content-type", "", 415),
            ("content-type", "text/json", 415),
            ("content-type", "application/x-www-form-urlencoded", 415),
            ("content-encoding", "identity", 200),
            ("content-encoding", "gzip", 415),
            ("content-encoding", "br, gzip", 415),
        ] {
            assert_eq!(status(name, value).await, expected, "{name}: {value}");
        }
    }

    #[tokio::test]
    async fn what_is_no_json_object_is_malformed() {
        for body in
            ["", "  ", "{", "[1]", "nul", r#"{"url":"x","topics":[]}x"#, "\u{feff}{}", "7", "\"x\""]
        {
            let answer = answer(body).await;
            assert!(answer["kind"] == "malformed_request", "{body:?}: {answer}");
        }
    }
}
