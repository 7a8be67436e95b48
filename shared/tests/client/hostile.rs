//! Receivers that stall, break off, or don't speak HTTP.

use shared::target::{Outcome, RESPONSE_BODY_LIMIT, UnreachableClass};
use tokio::{io::AsyncWriteExt, sync::mpsc, time};

use crate::{
    BRIEF, class_of, local_client, outcome_of, post,
    receiver::{Receiver, read_request, until_hung_up},
};

#[tokio::test]
async fn no_headers_in_time_is_a_timeout() {
    let receiver = Receiver::serving(|mut stream, _| async move { until_hung_up(&mut stream).await }).await;
    let mut request = post(receiver.url());
    request.timeout = BRIEF;
    let outcome = outcome_of(&local_client(), request).await;
    assert_eq!(outcome, Outcome::Timeout { detail: "no response within 300ms".to_owned() });
}

#[tokio::test]
async fn a_body_that_drips_is_a_timeout_though_each_byte_is_soon() {
    let receiver = Receiver::serving(|mut stream, _| async move {
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n").await.unwrap();
        while stream.write_all(b"x").await.is_ok() {
            time::sleep(BRIEF / 10).await;
        }
    })
    .await;
    let mut request = post(receiver.url());
    request.timeout = BRIEF;
    let outcome = outcome_of(&local_client(), request).await;
    assert!(matches!(outcome, Outcome::Timeout { .. }), "{outcome:?}");
}

#[tokio::test]
async fn headers_that_drip_are_a_timeout() {
    let receiver = Receiver::serving(|mut stream, _| async move {
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
        while stream.write_all(b"x: y\r\n").await.is_ok() {
            time::sleep(BRIEF / 10).await;
        }
    })
    .await;
    let mut request = post(receiver.url());
    request.timeout = BRIEF;
    let outcome = outcome_of(&local_client(), request).await;
    assert!(matches!(outcome, Outcome::Timeout { .. }), "{outcome:?}");
}

#[tokio::test]
async fn an_endless_body_is_read_up_to_the_limit_and_the_connection_closed() {
    for head in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n"] {
        let (closed, mut was_closed) = mpsc::unbounded_channel();
        let receiver = Receiver::serving(move |mut stream, _| {
            let closed = closed.clone();
            async move {
                read_request(&mut stream).await;
                stream.write_all(head.as_bytes()).await.unwrap();
                while stream.write_all(&[b'x'; 8192]).await.is_ok() {}
                closed.send(()).unwrap();
            }
        })
        .await;
        let body = "x".repeat(RESPONSE_BODY_LIMIT);
        let outcome = outcome_of(&local_client(), post(receiver.url())).await;
        assert_eq!(outcome, Outcome::Answered { status: 200, retry_after: None, body, truncated: true });
        was_closed.recv().await.expect("the client hangs up");
    }
}

#[tokio::test]
async fn what_is_not_http_is_a_protocol_error() {
    let huge_header = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(1 << 20));
    let many_headers = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(10_000));
    let answers = [
        "SSH-2.0-OpenSSH_9.6\r\n",
        "hello\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        &huge_header,
        &many_headers,
    ];
    for answer in answers {
        let receiver = Receiver::answering(answer).await;
        let outcome = outcome_of(&local_client(), post(receiver.url())).await;
        assert_eq!(class_of(&outcome), UnreachableClass::Protocol, "{answer:.60}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_hundred_headers_are_still_an_answer() {
    let receiver = Receiver::answering(format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(100))).await;
    let outcome = outcome_of(&local_client(), post(receiver.url())).await;
    assert!(matches!(outcome, Outcome::Answered { status: 200, .. }), "{outcome:?}");
}

#[tokio::test]
async fn hanging_up_at_any_stage_is_told_as_such() {
    let stages = [
        "",
        "HTTP/1.",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nten bytes.",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n",
    ];
    for stage in stages {
        let receiver = Receiver::answering(stage).await;
        let outcome = outcome_of(&local_client(), post(receiver.url())).await;
        assert_eq!(class_of(&outcome), UnreachableClass::Closed, "{stage:?}: {outcome:?}");
        assert_eq!(receiver.connections(), 1, "a fresh connection's fault is the receiver's: {stage:?}");
    }
}

#[tokio::test]
async fn hanging_up_before_reading_is_told_as_such() {
    let receiver = Receiver::serving(|stream, _| async move { drop(stream) }).await;
    let outcome = outcome_of(&local_client(), post(receiver.url())).await;
    assert_eq!(class_of(&outcome), UnreachableClass::Closed, "{outcome:?}");
    assert_eq!(receiver.connections(), 1);
}
