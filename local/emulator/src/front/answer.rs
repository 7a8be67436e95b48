//! A function's answer as an HTTP response.
//!
//! An answer without `statusCode` is no fault; API Gateway then takes all of it as the body of a
//! 200.

use axum::body::Body;
use axum::http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, SET_COOKIE, TRANSFER_ENCODING};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

/// The response that a function's answer stands for, or why it stands for none.
pub fn response(answer: &[u8]) -> Result<Response<Body>, String> {
    let answer: Json = serde_json::from_slice(answer)
        .map_err(|error| format!("its answer isn't JSON: {error}"))?;
    let Some(status) = answer.get("statusCode") else {
        return Ok(with_json(StatusCode::OK, &answer));
    };
    let status = status.as_u64().and_then(|status| u16::try_from(status).ok());
    let status = status
        .and_then(|status| StatusCode::from_u16(status).ok())
        .ok_or("its statusCode is no HTTP status")?;
    let body = answer["body"].as_str().unwrap_or_default();
    let body = if answer["isBase64Encoded"] == true {
        STANDARD.decode(body).map_err(|error| format!("its body isn't base64: {error}"))?
    } else {
        body.as_bytes().to_vec()
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers(&answer)?;
    Ok(response)
}

/// A response in Posthaste's error format.
pub fn error(status: StatusCode, kind: &str, message: &str) -> Response<Body> {
    with_json(status, &json!({"kind": kind, "message": message}))
}

/// API Gateway's own answer where nothing is routed.
pub fn not_found() -> Response<Body> {
    with_json(StatusCode::NOT_FOUND, &json!({"message": "Not Found"}))
}

fn with_json(status: StatusCode, body: &Json) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn headers(answer: &Json) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    let single = answer["headers"].as_object().into_iter().flatten();
    for (name, value) in single {
        headers.insert(header_name(name)?, header_value(value)?);
    }
    let many = answer["multiValueHeaders"].as_object().into_iter().flatten();
    for (name, values) in many {
        let name = header_name(name)?;
        headers.remove(&name);
        for value in values.as_array().into_iter().flatten() {
            headers.append(name.clone(), header_value(value)?);
        }
    }
    for cookie in answer["cookies"].as_array().into_iter().flatten() {
        headers.append(SET_COOKIE, header_value(cookie)?);
    }
    // These belong to the connection, which is ours and not the function's.
    for name in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    Ok(headers)
}

fn header_name(name: &str) -> Result<HeaderName, String> {
    name.parse().map_err(|_| format!("its header {name:?} has an impossible name"))
}

fn header_value(value: &Json) -> Result<HeaderValue, String> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.parse().map_err(|_| format!("a header of its answer has an impossible value: {text:?}"))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn text(response: Response<Body>) -> String {
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec())
            .unwrap()
    }

    #[tokio::test]
    async fn status_headers_cookies_and_body_are_taken_over() {
        let answer = json!({
            "statusCode": 201, "headers": {"Content-Type": "application/json", "Link": "a",
                "Content-Length": "99"},
            "multiValueHeaders": {"link": ["a", "b"]}, "cookies": ["x=1", "y=2"], "body": "{}",
            "isBase64Encoded": false
        });
        let response = response(answer.to_string().as_bytes()).unwrap();
        assert_eq!(response.status(), 201);
        assert_eq!(response.headers().get_all("link").iter().count(), 2);
        assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
        assert!(!response.headers().contains_key("content-length"));
        assert_eq!(text(response).await, "{}");
    }

    #[tokio::test]
    async fn a_base64_body_is_decoded() {
        let response =
            response(br#"{"statusCode": 200, "body": "aGk=", "isBase64Encoded": true}"#).unwrap();
        assert_eq!(text(response).await, "hi");
    }

    #[tokio::test]
    async fn an_answer_without_a_status_is_the_body() {
        let response = response(br#"{"hello": 1}"#).unwrap();
        assert_eq!(
            (response.status(), response.headers()["content-type"].to_str().unwrap()),
            (StatusCode::OK, "application/json")
        );
        assert_eq!(text(response).await, r#"{"hello":1}"#);
    }

    #[test]
    fn an_answer_that_is_none_says_why() {
        assert!(response(b"nope").unwrap_err().contains("isn't JSON"));
        assert!(response(br#"{"statusCode": 9999}"#).unwrap_err().contains("statusCode"));
        assert!(
            response(br#"{"statusCode": 200, "headers": {"a b": "c"}}"#)
                .unwrap_err()
                .contains("a b")
        );
    }
}
