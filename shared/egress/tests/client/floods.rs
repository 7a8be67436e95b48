//! Receivers that never stop sending: how much of it is read, and for how long.
//!
//! Bytes are counted by the receiver. What it could write until the client hung up is what the
//! client has read and what the sockets' buffers hold. A body's client reads little, so that is at
//! most 32 KiB at the receiver and 64 KiB at the client (half of Linux's first receive buffer); the
//! system enlarges the latter while a client reads on, as it does in a head.

use std::{
    io::{Read, Write},
    net::TcpListener,
    thread::{self, JoinHandle},
    time::Duration,
};

use egress::{Exchange, ExchangeResult, UnreachableClass};
use tokio::{io::AsyncWriteExt, sync::mpsc, time};

use crate::{
    class_of, local_client, post,
    receiver::{Receiver, read_request},
};

/// How much is written at once, and how long it is waited then: about 8 MiB a second.
const PIECE: usize = 8 << 10;
const PAUSE: Duration = Duration::from_millis(1);

/// hyper reads at most 400 KiB of response head; the rest is what buffers hold.
const HEAD_AT_MOST: usize = 768 << 10;
/// The first KiB is kept and a piece more is read; the rest is what buffers hold.
const BODY_AT_MOST: usize = 128 << 10;

/// Sends `start` and then `rest` for ever. What the client made of it, and the bytes that it took.
async fn flood(start: &str, rest: &str, timeout: Duration) -> (Exchange, usize) {
    let (start, piece) = (start.to_owned(), rest.repeat(PIECE.div_ceil(rest.len())));
    let (ended, mut written) = mpsc::unbounded_channel();
    let receiver = Receiver::serving(move |mut stream, _| {
        let (start, piece, ended) = (start.clone(), piece.clone(), ended.clone());
        async move {
            read_request(&mut stream).await;
            let mut count = 0;
            let mut next = start.as_bytes();
            while stream.write_all(next).await.is_ok() {
                count += next.len();
                next = piece.as_bytes();
                time::sleep(PAUSE).await;
            }
            ended.send(count).unwrap();
        }
    });
    let mut request = post(receiver.url());
    request.timeout = timeout;
    let exchange = local_client().send(request).await;
    let written = written.recv().await.expect("the client hangs up");
    assert_eq!(receiver.connections(), 1, "and doesn't come again");
    (exchange, written)
}

#[tokio::test]
async fn an_endless_head_is_a_protocol_error_after_at_most_400_kib() {
    for (what, start, rest) in [
        ("header lines", "HTTP/1.1 200 OK\r\n", "x: y\r\n"),
        ("header lines without names", "HTTP/1.1 200 OK\r\n", ": \r\n"),
        ("a header's value", "HTTP/1.1 200 OK\r\nx: ", "y"),
        ("a header's name", "HTTP/1.1 200 OK\r\n", "x"),
        ("a reason", "HTTP/1.1 200 ", "O"),
        ("a status line", "", "HTTP/1.1"),
        ("blank lines", "", "\r\n"),
        ("bytes that are no text", "", "\u{fffd}"),
    ] {
        let (exchange, read) = flood(start, rest, Duration::from_secs(30)).await;
        eprintln!("{what}: {read} bytes in {:?}: {:?}", exchange.duration, exchange.outcome);
        assert_eq!(class_of(&exchange.outcome), UnreachableClass::Protocol, "{what}: {exchange:?}");
        assert!(read <= HEAD_AT_MOST, "{what}: {read} bytes were read");
    }
}

#[tokio::test]
async fn of_an_endless_body_little_more_is_read_than_what_is_kept() {
    for (what, start, rest) in [
        ("until the end", "HTTP/1.1 200 OK\r\n\r\n", "x"),
        ("of a length", "HTTP/1.1 200 OK\r\ncontent-length: 9000000000000000000\r\n\r\n", "x"),
        (
            "in chunks of a byte",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "1\r\nx\r\n",
        ),
        (
            "in one huge chunk",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffff\r\n",
            "x",
        ),
        ("that claims to be gzip", "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n", "x"),
        ("of an error", "HTTP/1.1 503 No\r\nretry-after: 1\r\n\r\n", "x"),
    ] {
        let (exchange, read) = flood(start, rest, Duration::from_secs(30)).await;
        eprintln!("{what}: {read} bytes in {:?}", exchange.duration);
        assert!(
            matches!(&exchange.outcome, ExchangeResult::Answered { truncated: true, .. }),
            "{what}: {exchange:?}"
        );
        assert!(read <= BODY_AT_MOST, "{what}: {read} bytes were read");
    }
}

#[tokio::test]
async fn endless_framing_of_a_body_is_a_protocol_error() {
    for (what, start, rest) in [
        ("a chunk's extension", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;", "x"),
        ("a chunk's size", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1"),
        ("trailers", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", "x: y\r\n"),
        ("a trailer's value", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: ", "y"),
    ] {
        let (exchange, read) = flood(start, rest, Duration::from_secs(30)).await;
        eprintln!("{what}: {read} bytes in {:?}: {:?}", exchange.duration, exchange.outcome);
        assert_eq!(class_of(&exchange.outcome), UnreachableClass::Protocol, "{what}: {exchange:?}");
        assert!(read <= HEAD_AT_MOST, "{what}: {read} bytes were read");
    }
}

#[tokio::test]
async fn what_leads_nowhere_is_read_and_forgotten_until_the_timeout() {
    for (what, start, rest) in [
        ("continue", "", "HTTP/1.1 100 Continue\r\n\r\n"),
        ("early hints", "", "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"),
        ("other answers that are none yet", "", "HTTP/1.1 199 Soon\r\n\r\n"),
        (
            "zeros before a chunk's size",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "0",
        ),
    ] {
        let (exchange, read) = flood(start, rest, Duration::from_secs(1)).await;
        eprintln!("{what}: {read} bytes in {:?}", exchange.duration);
        assert!(matches!(exchange.outcome, ExchangeResult::Timeout { .. }), "{what}: {exchange:?}");
        assert!(exchange.duration < Duration::from_secs(5), "{exchange:?}");
    }
}

/// hyper parses a flood for as long as there is something to read, and tokio lets a task read 128
/// times at a stretch: 60 MiB, on one thread. So `deliver` has as many threads as here, and hyper
/// is optimised even in debug builds.
#[tokio::test(flavor = "multi_thread", worker_threads = 12)]
async fn a_flood_at_full_speed_delays_neither_its_own_timeout_nor_another_exchange() {
    let healthy =
        Receiver::answering("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    let client = local_client();
    for (what, start, rest) in [
        ("continue", "", "HTTP/1.1 100 Continue\r\n\r\n"),
        (
            "zeros before a chunk's size",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "0",
        ),
    ] {
        let (url, sending) = full_speed(start, rest);
        let mut request = post(url);
        request.timeout = Duration::from_secs(1);
        let flooded = tokio::spawn({
            let client = client.clone();
            async move { client.send(request).await }
        });
        let mut slowest = Duration::ZERO;
        while !flooded.is_finished() {
            let mut request = post(healthy.url());
            request.timeout = Duration::from_secs(30);
            let exchange = client.send(request).await;
            assert!(
                matches!(exchange.outcome, ExchangeResult::Answered { status: 200, .. }),
                "{exchange:?}"
            );
            slowest = slowest.max(exchange.duration);
        }
        let exchange = flooded.await.unwrap();
        assert!(matches!(exchange.outcome, ExchangeResult::Timeout { .. }), "{what}: {exchange:?}");
        assert!(
            exchange.duration < Duration::from_secs(10),
            "{what} held up its own timeout: {exchange:?}"
        );
        let written = tokio::task::spawn_blocking(move || sending.join().unwrap()).await.unwrap();
        eprintln!(
            "{what}: {} MiB in {:?}; others took at most {slowest:?}",
            written >> 20,
            exchange.duration
        );
        assert!(slowest < Duration::from_secs(10), "{what} held up others for {slowest:?}");
    }
}

/// A receiver on a thread of its own, that floods its first connection as fast as it can. Its URL,
/// and the bytes that were taken from it in the end.
fn full_speed(start: &'static str, rest: &'static str) -> (String, JoinHandle<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let piece = rest.repeat((64 << 10) / rest.len());
    let sending = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // An answer before the request is another mistake.
        let _ = stream.read(&mut [0; 4_096]).unwrap();
        let (mut taken, mut next) = (0, start);
        while stream.write_all(next.as_bytes()).is_ok() {
            taken += next.len();
            next = &piece;
        }
        taken
    });
    (url, sending)
}
