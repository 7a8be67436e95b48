//! Receivers that stall, break off, or don't speak HTTP.

use std::io::Write;

use egress::{ExchangeResult, RESPONSE_BODY_LIMIT, UnreachableClass};
use tokio::{io::AsyncWriteExt, sync::mpsc, time};

use crate::{
    BRIEF, class_of, local_client, outcome_of, post,
    receiver::{Receiver, read_request, until_hung_up},
};

#[tokio::test]
async fn no_headers_in_time_is_a_timeout() {
    let receiver =
        Receiver::serving(|mut stream, _| async move { until_hung_up(&mut stream).await });
    let mut request = post(receiver.url());
    request.timeout = BRIEF;
    let outcome = outcome_of(&local_client(), request).await;
    assert_eq!(outcome, ExchangeResult::Timeout { detail: "no response within 300ms".to_owned() });
}

#[tokio::test]
async fn a_body_that_drips_is_a_timeout_though_each_byte_is_soon() {
    let receiver = Receiver::serving(|mut stream, _| async move {
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n").await.unwrap();
        while stream.write_all(b"x").await.is_ok() {
            time::sleep(BRIEF / 10).await;
        }
    });
    let mut request = post(receiver.url());
    request.timeout = BRIEF;
    let outcome = outcome_of(&local_client(), request).await;
    assert!(matches!(outcome, ExchangeResult::Timeout { .. }), "{outcome:?}");
}

#[tokio::test]
async fn headers_that_drip_are_a_timeout() {
    let receiver = Receiver::serving(|mut stream, _| async move {
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
        while stream.write_all(b"x: y\r\n").await.is_ok() {
            time::sleep(BRIEF / 10).await;
        }
    });
    let mut request = post(receiver.url());
    request.timeout = BRIEF;
    let outcome = outcome_of(&local_client(), request).await;
    assert!(matches!(outcome, ExchangeResult::Timeout { .. }), "{outcome:?}");
}

#[tokio::test]
async fn an_endless_body_is_read_up_to_the_limit_and_the_connection_closed() {
    for head in
        ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n"]
    {
        let (closed, mut was_closed) = mpsc::unbounded_channel();
        let receiver = Receiver::serving(move |mut stream, _| {
            let closed = closed.clone();
            async move {
                read_request(&mut stream).await;
                stream.write_all(head.as_bytes()).await.unwrap();
                while stream.write_all(&[b'x'; 8192]).await.is_ok() {}
                closed.send(()).unwrap();
            }
        });
        let body = "x".repeat(RESPONSE_BODY_LIMIT);
        let outcome = outcome_of(&local_client(), post(receiver.url())).await;
        assert_eq!(
            outcome,
            ExchangeResult::Answered { status: 200, retry_after: None, body, truncated: true }
        );
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
        "HTTP/2.0 200 OK\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "<html>HTTP/0.9 had no head</html>",
        "ICY 200 OK\r\n\r\n",
        "HTTP/1.1 99 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 1000 OK\r\n\r\n",
        "HTTP/1.1 -200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: \0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx : y\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: y\r\n folded\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\na",
        "HTTP/1.1 200 OK\r\ncontent-length: 0x1\r\n\r\na",
        "HTTP/1.1 200 OK\r\ncontent-length: 1, 2\r\n\r\na",
        "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551616\r\n\r\na",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        &huge_header,
        &many_headers,
    ];
    for answer in answers {
        let receiver = Receiver::answering(answer);
        let outcome = outcome_of(&local_client(), post(receiver.url())).await;
        assert_eq!(class_of(&outcome), UnreachableClass::Protocol, "{answer:.60}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_hundred_headers_are_still_an_answer() {
    let receiver =
        Receiver::answering(format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(100)));
    let outcome = outcome_of(&local_client(), post(receiver.url())).await;
    assert!(matches!(outcome, ExchangeResult::Answered { status: 200, .. }), "{outcome:?}");
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
        let receiver = Receiver::answering(stage);
        let outcome = outcome_of(&local_client(), post(receiver.url())).await;
        assert_eq!(class_of(&outcome), UnreachableClass::Closed, "{stage:?}: {outcome:?}");
        assert_eq!(
            receiver.connections(),
            1,
            "a fresh connection's fault is the receiver's: {stage:?}"
        );
    }
}

#[tokio::test]
async fn hanging_up_before_reading_is_told_as_such() {
    let receiver = Receiver::serving(|stream, _| async move { drop(stream) });
    let outcome = outcome_of(&local_client(), post(receiver.url())).await;
    assert_eq!(class_of(&outcome), UnreachableClass::Closed, "{outcome:?}");
    assert_eq!(receiver.connections(), 1);
}

#[tokio::test]
async fn a_body_that_would_unpack_to_a_hundred_megabytes_stays_packed() {
    // A hundred million zero bytes, in a hundred thousand.
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..100 {
        packer.write_all(&vec![0; 1_000_000]).unwrap();
    }
    let bomb = packer.finish().unwrap();
    assert!(bomb.len() < 200_000);
    for encoding in ["gzip", "deflate", "br", "zstd", "gzip, gzip, gzip", "identity"] {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\ncontent-length: {}\r\n\r\n",
            bomb.len()
        );
        let receiver = Receiver::answering([head.as_bytes(), &bomb].concat());
        let outcome = outcome_of(&local_client(), post(receiver.url())).await;
        let ExchangeResult::Answered { status: 200, body, truncated: true, .. } = outcome else {
            panic!("{encoding}: {outcome:?}")
        };
        assert_eq!(
            body.chars().count(),
            RESPONSE_BODY_LIMIT,
            "each byte is one character, none was unpacked"
        );
    }
}

#[tokio::test]
async fn an_upgrade_that_nobody_asked_for_is_an_answer_without_a_body() {
    let receiver = Receiver::answering(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nsecret",
    );
    let outcome = outcome_of(&local_client(), post(receiver.url())).await;
    assert_eq!(
        outcome,
        ExchangeResult::Answered {
            status: 101,
            retry_after: None,
            body: String::new(),
            truncated: false
        }
    );
}

#[tokio::test]
async fn one_answer_before_its_request_is_not_taken_for_the_next_ones() {
    let receiver = Receiver::serving(|mut stream, connection| async move {
        read_request(&mut stream).await;
        let forged =
            if connection == 0 { "HTTP/1.1 202 Forged\r\ncontent-length: 0\r\n\r\n" } else { "" };
        let answers = format!("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n{forged}");
        stream.write_all(answers.as_bytes()).await.unwrap();
        until_hung_up(&mut stream).await;
    });
    let client = local_client();
    for _ in 0..2 {
        let outcome = outcome_of(&client, post(receiver.url())).await;
        assert!(matches!(outcome, ExchangeResult::Answered { status: 500, .. }), "{outcome:?}");
    }
    assert_eq!(receiver.connections(), 2, "the connection was given up");
}

#[tokio::test]
async fn an_absurd_retry_after_is_a_long_wait_or_none_and_never_an_error() {
    for (value, expected) in [
        ("99999999999999999999999999", Some(u32::MAX.into())),
        ("-5", None),
        ("1e9", None),
        ("NaN", None),
        ("", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
        ("\u{fffd}", None),
    ] {
        let receiver = Receiver::answering(format!(
            "HTTP/1.1 503 No\r\nretry-after: {value}\r\ncontent-length: 0\r\n\r\n"
        ));
        let outcome = outcome_of(&local_client(), post(receiver.url())).await;
        let ExchangeResult::Answered { status: 503, retry_after, .. } = outcome else {
            panic!("{value}: {outcome:?}")
        };
        assert_eq!(retry_after.map(|wait| wait.as_secs()), expected, "{value}");
    }
    let receiver = Receiver::answering(
        "HTTP/1.1 503 No\r\nretry-after: Fri, 31 Dec 9999 23:59:59 \
        GMT\r\ncontent-length: 0\r\n\r\n",
    );
    let outcome = outcome_of(&local_client(), post(receiver.url())).await;
    assert!(
        matches!(outcome, ExchangeResult::Answered { retry_after: Some(_), .. }),
        "{outcome:?}"
    );
}
