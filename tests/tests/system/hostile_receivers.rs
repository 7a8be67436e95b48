//! Receivers that stall, flood, lie and break off, all of them at once, through the whole system:
//! each ends with a name in the log, within its time, and neither a healthy receiver nor the
//! function's memory notices.
//!
//! What is read of each is counted in `shared/egress/tests/client/floods.rs`; names that resolve
//! differently on the second look are in its `names.rs`.

use std::time::Duration;

use futures::future::join_all;
use serde_json::json;
use system_tests::{RawReceiver, Receiver, Reply, Stack, Then, eventually, processes};

/// Seconds that each receiver is given.
const TIMEOUT: u64 = 4;
/// Milliseconds on top of it: floods are read at full speed by a debug build, on a machine that
/// does other things too.
const SLACK: u64 = 15_000;
/// Events, each to all receivers.
const EVENTS: usize = 3;
/// More than `deliver` may ever hold, in KiB: a debug build with ten requests at once, while
/// hundreds of megabytes are sent to it.
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

/// What it is, what it sends once it has read the request, what then, a part of the error.
type Entry = (&'static str, String, Then, &'static str);

const OK: &str = "HTTP/1.1 200 OK\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
const CLOSED: &str = "closed: ";
const PROTOCOL: &str = "protocol: ";
const TLS: &str = "tls: ";

fn head(more: &str) -> String {
    format!("{OK}{more}\r\n")
}

fn flood(piece: &str) -> Then {
    Then::Flood(piece.as_bytes().to_vec())
}

fn drip(piece: &str) -> Then {
    Then::Drip(piece.as_bytes().to_vec())
}

async fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (outcome, entries) in
        [("unreachable", hang_up()), ("unreachable", break_the_protocol()), ("timeout", stall())]
    {
        for (what, bytes, then, error) in entries {
            let receiver = RawReceiver::answering(bytes, then).await;
            rows.push(Row { what, scheme: "http", receiver, outcome, status: None, error });
        }
    }
    for (what, bytes, then, error) in do_not_wait() {
        let receiver = RawReceiver::greeting(bytes, then).await;
        let outcome = "unreachable";
        rows.push(Row { what, scheme: "http", receiver, outcome, status: None, error });
    }
    for (outcome, status, (what, bytes, then, error)) in answer() {
        let receiver = RawReceiver::answering(bytes, then).await;
        rows.push(Row { what, scheme: "http", receiver, outcome, status: Some(status), error });
    }
    for (what, bytes, then, outcome, error) in speak_tls() {
        let receiver = RawReceiver::greeting(bytes, then).await;
        rows.push(Row { what, scheme: "https", receiver, outcome, status: None, error });
    }
    rows
}

fn hang_up() -> Vec<Entry> {
    let half = head("content-length: 9\r\n") + "half";
    vec![
        ("hangs up behind the request", String::new(), Then::HangUp, CLOSED),
        ("hangs up in the status line", "HTTP/1.1 2".into(), Then::HangUp, CLOSED),
        ("hangs up in its headers", format!("{OK}x: y\r\n"), Then::HangUp, CLOSED),
        ("hangs up in its body", half, Then::HangUp, CLOSED),
        ("hangs up in a chunk", format!("{CHUNKED}9\r\nhalf"), Then::HangUp, CLOSED),
    ]
}

fn stall() -> Vec<Entry> {
    let (nothing, continued) = ("no response within 4s", "HTTP/1.1 100 Continue\r\n\r\n");
    let half = head("content-length: 9\r\n") + "half";
    let hint = "HTTP/1.1 103 Hint\r\nlink: </a>\r\n\r\n";
    vec![
        ("says nothing", String::new(), Then::Silence, nothing),
        ("never ends its headers", OK.into(), Then::Silence, nothing),
        ("never ends its body", half, Then::Silence, "status 200, but not the whole body"),
        ("sends a byte a second", String::new(), drip("HTTP/1.1 200 OK"), nothing),
        (
            "sends a body's byte a second",
            head("content-length: 99\r\n"),
            drip("x"),
            "not the whole body",
        ),
        ("floods with 100 Continue", String::new(), flood(continued), nothing),
        ("floods with 103 Early Hints", String::new(), flood(hint), nothing),
        ("floods with zeros of a chunk's size", CHUNKED.into(), flood("0"), "not the whole body"),
    ]
}

fn break_the_protocol() -> Vec<Entry> {
    let thousands = head(&"x: y\r\n".repeat(5_000));
    let two_lengths = head("content-length: 1\r\ncontent-length: 2\r\n") + "ab";
    let garbage = "HTTP/1.1 OK 200\r\n\r\n".into();
    vec![
        ("floods with headers", OK.into(), flood("x: y\r\n"), PROTOCOL),
        ("floods with one header", format!("{OK}x: "), flood("y"), PROTOCOL),
        ("floods with a status line", "HTTP/1.1 200 ".into(), flood("O"), PROTOCOL),
        ("floods with a chunk's extension", format!("{CHUNKED}1;"), flood("x"), PROTOCOL),
        ("floods with trailers", format!("{CHUNKED}0\r\n"), flood("x: y\r\n"), PROTOCOL),
        ("thousands of headers", thousands, Then::HangUp, PROTOCOL),
        ("two lengths", two_lengths, Then::HangUp, PROTOCOL),
        ("a garbage length", head("content-length: many\r\n"), Then::HangUp, PROTOCOL),
        ("garbage chunks", format!("{CHUNKED}xyz\r\n"), Then::HangUp, PROTOCOL),
        ("garbage for a status", garbage, Then::HangUp, PROTOCOL),
        ("HTTP/0.9", "<html>hello</html>".into(), Then::HangUp, PROTOCOL),
    ]
}

/// These send, or hang up, before they have read the request.
fn do_not_wait() -> Vec<Entry> {
    vec![
        ("hangs up at once", String::new(), Then::HangUp, CLOSED),
        ("floods before the request", String::new(), flood("\0"), ""),
        ("SSH", "SSH-2.0-OpenSSH_9.6\r\n".into(), Then::HangUp, ""),
    ]
}

/// With outcome and status.
fn answer() -> Vec<(&'static str, u16, Entry)> {
    let bomb = head("content-encoding: gzip\r\ncontent-length: 4\r\n") + "bomb";
    let refusal = "HTTP/1.1 500 No\r\n\r\n".into();
    let (upgrade, switched) = ("HTTP/1.1 101 X\r\nupgrade: x\r\n\r\n".into(), "answered 101");
    let metadata = redirect("http://169.254.169.254/");
    let this_machine = redirect("http://127.0.0.1:1/");
    let (absurd, garbage) = (wait("99999999999999999999"), wait("yesterday"));
    let busy = "answered 503";
    let failed = "http_error";
    vec![
        ("succeeded", 200, ("floods with bodies", head(""), flood("x"), "")),
        ("succeeded", 200, ("claims to be gzip", bomb, Then::HangUp, "")),
        (failed, 500, ("floods with an error's body", refusal, flood("x"), "answered 500")),
        (failed, 302, ("a redirect to the metadata service", metadata, Then::HangUp, "redirect")),
        (failed, 302, ("a redirect to this machine", this_machine, Then::HangUp, "redirect")),
        (failed, 503, ("an absurd Retry-After", absurd, Then::HangUp, busy)),
        (failed, 503, ("a Retry-After of garbage", garbage, Then::HangUp, busy)),
        (failed, 101, ("an upgrade", upgrade, Then::HangUp, switched)),
    ]
}

/// What it is, what it sends at once, what then, the outcome, a part of the error.
fn speak_tls() -> Vec<(&'static str, Vec<u8>, Then, &'static str, &'static str)> {
    let hello = [0x16, 3, 3, 0, 0x7a, 2, 0, 0, 0x76, 3, 3].to_vec();
    let plain = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let garbage = Then::Flood(vec![0xff; 9]);
    vec![
        ("TLS: hangs up at once", Vec::new(), Then::HangUp, "unreachable", TLS),
        ("TLS: hangs up in the handshake", hello.clone(), Then::HangUp, "unreachable", TLS),
        ("TLS: stalls in the handshake", hello, Then::Silence, "timeout", ""),
        ("TLS: plain HTTP", plain, Then::HangUp, "unreachable", TLS),
        ("TLS: garbage without end", Vec::new(), garbage, "unreachable", TLS),
    ]
}

fn redirect(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")
}

fn wait(text: &str) -> String {
    format!("HTTP/1.1 503 No\r\nretry-after: {text}\r\ncontent-length: 0\r\n\r\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "one story")]
async fn every_hostile_receiver_has_a_name_in_the_log_and_bounded_time_and_memory() {
    let stack = Stack::start().await;
    let project = stack.project().await;
    let (healthy, rows) = (Receiver::start().await, rows().await);
    let once = |url: String| {
        json!({"url": url, "topics": ["*"], "retry_schedule": [],
        "timeout_seconds": TIMEOUT})
    };
    let mut endpoints = Vec::new();
    for row in &rows {
        endpoints.push(project.create_endpoint_with(once(row.receiver.url(row.scheme))).await.id);
    }
    project.create_endpoint_with(once(healthy.url("/"))).await;

    let events: Vec<_> =
        (0..EVENTS).map(|number| json!({"kind": "task.created", "data": number})).collect();
    let events: Vec<system_tests::Event> =
        project.post("/events/batch", json!({"events": events})).await.read(202);
    healthy.wait_for(EVENTS).await;
    let messages = join_all(events.iter().map(|event| {
        eventually("every delivery has ended", async || {
            let message = project.message(&event.id).await;
            message
                .deliveries
                .iter()
                .all(|delivery| delivery.status != "pending")
                .then_some(message)
        })
    }));
    for message in messages.await {
        assert_eq!(message.deliveries.len(), rows.len() + 1);
    }
    let mut slowest = None;
    for (row, endpoint) in rows.iter().zip(&endpoints) {
        for event in &events {
            let path = format!(
                "/webhooks/delivery-attempts?message_id={}&endpoint_id={endpoint}",
                event.id
            );
            let [attempt]: [system_tests::Attempt; 1] =
                project.get(&path).await.read::<Vec<_>>(200).try_into().expect("one attempt");
            let told = (attempt.outcome.as_str(), attempt.response_status);
            assert_eq!(told, (row.outcome, row.status), "{}: {attempt:?}", row.what);
            assert!(attempt.error.unwrap_or_default().contains(row.error), "{}", row.what);
            slowest = slowest.max(Some((attempt.duration_ms, row.what)));
            assert!(
                attempt.duration_ms <= TIMEOUT * 1_000 + SLACK,
                "{} took {} ms",
                row.what,
                attempt.duration_ms
            );
            // 1 KiB, of which each byte may be shown as U+FFFD.
            assert!(
                attempt.response_body.is_none_or(|body| body.len() <= 3 * 1_024),
                "{}",
                row.what
            );
        }
        let connections = row.receiver.connections();
        assert!((1..=EVENTS).contains(&connections), "{}: {connections} connections", row.what);
    }
    let slowest = slowest.map(|(took, what)| format!("{what}, {took} ms"));
    let sent: u64 = rows.iter().map(|row| row.receiver.written()).sum();
    let peaks = deliverers(&stack);
    eprintln!(
        "{} receivers sent {} MiB; slowest: {slowest:?}; deliver held at most {peaks:?} KiB",
        rows.len(),
        sent >> 20
    );
    assert!(peaks.iter().all(|peak| *peak < MEMORY), "deliver held {peaks:?} KiB");
    let panics: Vec<_> =
        stack.log_lines().into_iter().filter(|line| line.contains("panicked")).collect();
    assert!(panics.is_empty(), "{panics:?}");
}

/// The most memory that each process of `deliver` has held, in KiB. Empty where the system doesn't
/// tell.
fn deliverers(stack: &Stack) -> Vec<u64> {
    let peaks = processes::children_of(stack.pid()).into_iter().filter_map(processes::peak_memory);
    peaks.filter(|(name, _)| name == "deliver").map(|(_, peak)| peak).collect()
}

#[tokio::test]
async fn a_retry_after_of_centuries_waits_for_six_hours_at_most() {
    let project = Stack::shared().await.project().await;
    let receiver = Receiver::start().await;
    receiver.always(Reply::status(503).header("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT"));
    project
        .create_endpoint_with(
            json!({"url": receiver.url("/"), "topics": ["*"], "retry_schedule": [1]}),
        )
        .await;
    let event = project.post_event("task.created", json!({})).await;
    let attempt = project.wait_for_attempts(&event.id, 1).await.remove(0);
    let waits = Duration::from_secs(
        attempt.next_attempt_at.expect("it is tried again") - attempt.created_at,
    );
    assert!(waits <= Duration::from_hours(6) + Duration::from_secs(5), "{waits:?}");
}
