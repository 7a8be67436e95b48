//! Receivers that answer.

use std::{sync::Arc, time::Duration};

use egress::{ExchangeResult, RESPONSE_BODY_LIMIT};
use http::{HeaderName, HeaderValue, header};
use tokio::{io::AsyncWriteExt, sync::Mutex};

use crate::{
    local_client, outcome_of, post,
    receiver::{Receiver, read_request},
};

fn answered(status: u16, body: &str, truncated: bool) -> ExchangeResult {
    ExchangeResult::Answered { status, retry_after: None, body: body.to_owned(), truncated }
}

#[tokio::test]
async fn an_answer_is_reported_with_its_status_and_body() {
    let receiver = Receiver::answering("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
    assert_eq!(
        outcome_of(&local_client(), post(receiver.url())).await,
        answered(200, "hello", false)
    );
}

#[tokio::test]
async fn the_request_carries_the_given_headers_and_body_and_its_own_framing() {
    let seen = Arc::new(Mutex::new(String::new()));
    let requests = Arc::clone(&seen);
    let receiver = Receiver::serving(move |mut stream, _| {
        let requests = Arc::clone(&requests);
        async move {
            *requests.lock().await = read_request(&mut stream).await;
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        }
    });
    let mut request = post(receiver.url());
    request
        .headers
        .insert(HeaderName::from_static("webhook-id"), HeaderValue::from_static("evt_1"));
    request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request.headers.insert(header::HOST, HeaderValue::from_static("elsewhere.example.com"));
    request.headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("7"));
    request.headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));

    assert_eq!(outcome_of(&local_client(), request).await, answered(204, "", false));

    let seen = seen.lock().await;
    let (head, body) = seen.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<_> = head.lines().collect();
    lines.sort_unstable();
    let host = format!("host: 127.0.0.1:{}", receiver.port());
    let user_agent = format!("user-agent: Posthaste/{}", env!("CARGO_PKG_VERSION"));
    let mut expected = vec![
        "POST /hook?token=sesame HTTP/1.1",
        "accept: */*",
        "content-length: 2",
        "content-type: application/json",
        &host,
        &user_agent,
        "webhook-id: evt_1",
    ];
    expected.sort_unstable();
    assert_eq!(lines, expected);
    assert_eq!(body, "{}");
}

#[tokio::test]
async fn retry_after_is_read_whatever_the_status() {
    let receiver = Receiver::answering(
        "HTTP/1.1 429 Too Many\r\nretry-after: 120\r\ncontent-length: 0\r\n\r\n",
    );
    let outcome = outcome_of(&local_client(), post(receiver.url())).await;
    let retry_after = Some(Duration::from_mins(2));
    assert_eq!(
        outcome,
        ExchangeResult::Answered {
            status: 429,
            retry_after,
            body: String::new(),
            truncated: false
        }
    );
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let elsewhere = Receiver::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    for status in [301, 302, 303, 307, 308] {
        let answer = format!(
            "HTTP/1.1 {status} Moved\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
            elsewhere.url()
        );
        let receiver = Receiver::answering(answer);
        assert_eq!(
            outcome_of(&local_client(), post(receiver.url())).await,
            answered(status, "", false)
        );
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn only_the_start_of_a_long_body_is_kept() {
    let whole = "x".repeat(RESPONSE_BODY_LIMIT);
    let answer =
        |body: &str| format!("HTTP/1.1 500 Oh\r\ncontent-length: {}\r\n\r\n{body}", body.len());

    let exact = Receiver::answering(answer(&whole));
    assert_eq!(outcome_of(&local_client(), post(exact.url())).await, answered(500, &whole, false));

    let longer = Receiver::answering(answer(&format!("{whole}y")));
    assert_eq!(outcome_of(&local_client(), post(longer.url())).await, answered(500, &whole, true));

    let until_the_end = Receiver::answering(format!("HTTP/1.1 500 Oh\r\n\r\n{whole}y"));
    assert_eq!(
        outcome_of(&local_client(), post(until_the_end.url())).await,
        answered(500, &whole, true)
    );
}

#[tokio::test]
async fn a_character_that_the_limit_cuts_is_left_out() {
    let start = "x".repeat(RESPONSE_BODY_LIMIT - 2);
    let body = format!("{start}😀 and more");
    let receiver = Receiver::answering(format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ));
    assert_eq!(
        outcome_of(&local_client(), post(receiver.url())).await,
        answered(200, &start, true)
    );
}

#[tokio::test]
async fn a_body_that_is_no_text_is_shown_as_well_as_it_can_be() {
    let receiver =
        Receiver::answering(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\na\xffb".to_vec());
    assert_eq!(
        outcome_of(&local_client(), post(receiver.url())).await,
        answered(200, "a\u{fffd}b", false)
    );
}

#[tokio::test]
async fn a_compressed_body_is_not_unpacked() {
    let head = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 8\r\n\r\n";
    let receiver = Receiver::answering(format!("{head}not gzip"));
    assert_eq!(
        outcome_of(&local_client(), post(receiver.url())).await,
        answered(200, "not gzip", false)
    );
}
