//! Receivers that stall, flood, lie and break off, all of them at once, through the whole system: each ends with a name in the log, within its time, and
//! neither a healthy receiver nor the function's memory notices.
//!
//! What is read of each is counted in `shared/tests/client/floods.rs`; names that resolve differently on the second look are in its `names.rs`.

use std::time::Duration;

use futures::future::join_all;
use serde_json::json;
use system_tests::{RawReceiver, Receiver, Reply, Stack, Then, eventually, processes};

/// Seconds that each receiver is given.
const TIMEOUT: u64 = 4;
/// Milliseconds on top of it: floods are read at full speed by a debug build, on a machine that does other things too.
const SLACK: u64 = 15_000;
/// Events, each to all receivers.
const EVENTS: usize = 3;
/// More than `deliver` may ever hold, in KiB: a debug build with ten requests at once, while hundreds of megabytes are sent to it.
const MEMORY: u64 = 96 * 1_024;

/// A receiver, and what the log must say of it.
struct Row {
    what: &'static str,
    scheme: &'static str,
    receiver: RawReceiver,
    outcome: &'static str,
    status: Option<u16>,
    error: &'static str,
}

/// What it is, whether it waits for the request, what it sends, what then; outcome, status, a part of the error.
type Entry = (&'static str, bool, String, Then, &'static str, Option<u16>, &'static str);

async fn rows() -> Vec<Row> {
    use Then::{Drip, Flood, HangUp, Silence};
    let ok = "HTTP/1.1 200 OK\r\n";
    let head = |more: &str| format!("{ok}{more}\r\n");
    let chunked = head("transfer-encoding: chunked\r\n");
    let flood = |piece: &str| Flood(piece.as_bytes().to_vec());
    let drip = |piece: &str| Drip(piece.as_bytes().to_vec());
    let (closed, protocol, tls) = ("closed: ", "protocol: ", "tls: ");
    let table: Vec<Entry> = vec![
        ("hangs up at once", false, String::new(), HangUp, "unreachable", None, closed),
        ("hangs up behind the request", true, String::new(), HangUp, "unreachable", None, closed),
        ("hangs up in the status line", true, "HTTP/1.1 2".into(), HangUp, "unreachable", None, closed),
        ("hangs up in its headers", true, format!("{ok}x: y\r\n"), HangUp, "unreachable", None, closed),
        ("hangs up in its body", true, head("content-length: 9\r\n") + "half", HangUp, "unreachable", None, closed),
        ("hangs up in a chunk", true, chunked.clone() + "9\r\nhalf", HangUp, "unreachable", None, closed),
        ("says nothing", true, String::new(), Silence, "timeout", None, "no response within 4s"),
        ("never ends its headers", true, ok.into(), Silence, "timeout", None, "no response within 4s"),
        (
            "never ends its body",
            true,
            head("content-length: 9\r\n") + "half",
            Silence,
            "timeout",
            None,
            "status 200, but not the whole body",
        ),
        ("sends a byte a second", true, String::new(), drip("HTTP/1.1 200 OK"), "timeout", None, "no response within 4s"),
        ("sends a body's byte a second", true, head("content-length: 99\r\n"), drip("x"), "timeout", None, "not the whole body"),
        ("floods with bodies", true, head(""), flood("x"), "succeeded", Some(200), ""),
        ("floods with an error's body", true, "HTTP/1.1 500 No\r\n\r\n".into(), flood("x"), "http_error", Some(500), "answered 500"),
        ("floods with headers", true, ok.into(), flood("x: y\r\n"), "unreachable", None, protocol),
        ("floods with one header", true, format!("{ok}x: "), flood("y"), "unreachable", None, protocol),
        ("floods with a status line", true, "HTTP/1.1 200 ".into(), flood("O"), "unreachable", None, protocol),
        ("floods with 100 Continue", true, String::new(), flood("HTTP/1.1 100 Continue\r\n\r\n"), "timeout", None, "no response within 4s"),
        (
            "floods with 103 Early Hints",
            true,
            String::new(),
            flood("HTTP/1.1 103 Hint\r\nlink: </a>\r\n\r\n"),
            "timeout",
            None,
            "no response",
        ),
        ("floods with zeros of a chunk's size", true, chunked.clone(), flood("0"), "timeout", None, "not the whole body"),
        ("floods with a chunk's extension", true, chunked.clone() + "1;", flood("x"), "unreachable", None, protocol),
        ("floods with trailers", true, chunked.clone() + "0\r\n", flood("x: y\r\n"), "unreachable", None, protocol),
        ("floods before the request", false, String::new(), flood("\0"), "unreachable", None, ""),
        ("thousands of headers", true, format!("{ok}{}\r\n", "x: y\r\n".repeat(5_000)), HangUp, "unreachable", None, protocol),
        ("two lengths", true, head("content-length: 1\r\ncontent-length: 2\r\n") + "ab", HangUp, "unreachable", None, protocol),
        ("a garbage length", true, head("content-length: many\r\n"), HangUp, "unreachable", None, protocol),
        ("garbage chunks", true, chunked + "xyz\r\n", HangUp, "unreachable", None, protocol),
        ("garbage for a status", true, "HTTP/1.1 OK 200\r\n\r\n".into(), HangUp, "unreachable", None, protocol),
        ("HTTP/0.9", true, "<html>hello</html>".into(), HangUp, "unreachable", None, protocol),
        ("SSH", false, "SSH-2.0-OpenSSH_9.6\r\n".into(), HangUp, "unreachable", None, ""),
        ("a redirect to the metadata service", true, redirect("http://169.254.169.254/"), HangUp, "http_error", Some(302), "redirect"),
        ("a redirect to this machine", true, redirect("http://127.0.0.1:1/"), HangUp, "http_error", Some(302), "redirect"),
        ("an absurd Retry-After", true, wait("99999999999999999999"), HangUp, "http_error", Some(503), "answered 503"),
        ("a Retry-After of garbage", true, wait("yesterday"), HangUp, "http_error", Some(503), "answered 503"),
        ("claims to be gzip", true, head("content-encoding: gzip\r\ncontent-length: 4\r\n") + "bomb", HangUp, "succeeded", Some(200), ""),
        ("an upgrade", true, "HTTP/1.1 101 X\r\nupgrade: x\r\n\r\n".into(), HangUp, "http_error", Some(101), "answered 101"),
    ];
    let mut rows = Vec::new();
    for (what, waits, bytes, then, outcome, status, error) in table {
        let receiver = if waits { RawReceiver::answering(bytes, then).await } else { RawReceiver::greeting(bytes, then).await };
        rows.push(Row { what, scheme: "http", receiver, outcome, status, error });
    }
    let hello = [0x16, 3, 3, 0, 0x7a, 2, 0, 0, 0x76, 3, 3].to_vec();
    for (what, bytes, then, outcome, error) in [
        ("TLS: hangs up at once", Vec::new(), HangUp, "unreachable", tls),
        ("TLS: hangs up in the handshake", hello.clone(), HangUp, "unreachable", tls),
        ("TLS: stalls in the handshake", hello, Silence, "timeout", ""),
        ("TLS: plain HTTP", b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), HangUp, "unreachable", tls),
        ("TLS: garbage without end", Vec::new(), Flood(vec![0xff; 9]), "unreachable", tls),
    ] {
        let receiver = RawReceiver::greeting(bytes, then).await;
        rows.push(Row { what, scheme: "https", receiver, outcome, status: None, error });
    }
    rows
}

fn redirect(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")
}

fn wait(text: &str) -> String {
    format!("HTTP/1.1 503 No\r\nretry-after: {text}\r\ncontent-length: 0\r\n\r\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_hostile_receiver_has_a_name_in_the_log_and_bounded_time_and_memory() {
    let stack = Stack::start().await;
    let project = stack.project().await;
    let (healthy, rows) = (Receiver::start().await, rows().await);
    let once = |url: String| json!({"url": url, "topics": ["*"], "retry_schedule": [], "timeout_seconds": TIMEOUT});
    let mut endpoints = Vec::new();
    for row in &rows {
        endpoints.push(project.create_endpoint_with(once(row.receiver.url(row.scheme))).await.id);
    }
    project.create_endpoint_with(once(healthy.url("/"))).await;

    let events: Vec<_> = (0..EVENTS).map(|number| json!({"kind": "task.created", "data": number})).collect();
    let events: Vec<system_tests::Event> = project.post("/events/batch", json!({"events": events})).await.read(202);
    healthy.wait_for(EVENTS).await;
    let messages = join_all(events.iter().map(|event| {
        eventually("every delivery has ended", async || {
            let message = project.message(&event.id).await;
            message.deliveries.iter().all(|delivery| delivery.status != "pending").then_some(message)
        })
    }));
    for message in messages.await {
        assert_eq!(message.deliveries.len(), rows.len() + 1);
    }
    let mut slowest = None;
    for (row, endpoint) in rows.iter().zip(&endpoints) {
        for event in &events {
            let path = format!("/webhooks/delivery-attempts?message_id={}&endpoint_id={endpoint}", event.id);
            let [attempt]: [system_tests::Attempt; 1] = project.get(&path).await.read::<Vec<_>>(200).try_into().expect("one attempt");
            let told = (attempt.outcome.as_str(), attempt.response_status);
            assert_eq!(told, (row.outcome, row.status), "{}: {attempt:?}", row.what);
            assert!(attempt.error.unwrap_or_default().contains(row.error), "{}", row.what);
            slowest = slowest.max(Some((attempt.duration_ms, row.what)));
            assert!(attempt.duration_ms <= TIMEOUT * 1_000 + SLACK, "{} took {} ms", row.what, attempt.duration_ms);
            // 1 KiB, of which each byte may be shown as U+FFFD.
            assert!(attempt.response_body.is_none_or(|body| body.len() <= 3 * 1_024), "{}", row.what);
        }
        let connections = row.receiver.connections();
        assert!((1..=EVENTS).contains(&connections), "{}: {connections} connections", row.what);
    }
    let slowest = slowest.map(|(took, what)| format!("{what}, {took} ms"));
    let sent: u64 = rows.iter().map(|row| row.receiver.written()).sum();
    let peaks = deliverers(&stack);
    eprintln!("{} receivers sent {} MiB; slowest: {slowest:?}; deliver held at most {peaks:?} KiB", rows.len(), sent >> 20);
    assert!(peaks.iter().all(|peak| *peak < MEMORY), "deliver held {peaks:?} KiB");
    let panics: Vec<_> = stack.log_lines().into_iter().filter(|line| line.contains("panicked")).collect();
    assert!(panics.is_empty(), "{panics:?}");
}

/// The most memory that each process of `deliver` has held, in KiB. Empty where the system doesn't tell.
fn deliverers(stack: &Stack) -> Vec<u64> {
    let peaks = processes::children_of(stack.pid()).into_iter().filter_map(processes::peak_memory);
    peaks.filter(|(name, _)| name == "deliver").map(|(_, peak)| peak).collect()
}

#[tokio::test]
async fn a_retry_after_of_centuries_waits_for_a_day_at_most() {
    let project = Stack::shared().await.project().await;
    let receiver = Receiver::start().await;
    receiver.always(Reply::status(503).header("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT"));
    project.create_endpoint_with(json!({"url": receiver.url("/"), "topics": ["*"], "retry_schedule": [1]})).await;
    let event = project.post_event("task.created", json!({})).await;
    let attempt = project.wait_for_attempts(&event.id, 1).await.remove(0);
    let waits = Duration::from_secs(attempt.next_attempt_at.expect("it is tried again") - attempt.created_at);
    assert!(waits <= Duration::from_hours(24) + Duration::from_secs(5), "{waits:?}");
}
