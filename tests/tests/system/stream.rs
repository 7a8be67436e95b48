//! The live stream.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use domain::{id::EventId, time::Timestamp};
use futures::future::join_all;
use nix::sys::signal::Signal;
use runtime::clock;
use serde_json::json;
use system_tests::{Client, Stack, Viewer};

const EVENTS: usize = 1_000;
const CLIENTS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_that_is_cut_off_again_and_again_sees_each_of_1000_events_once() {
    // Streams end by themselves too while the events are posted.
    let stack = Stack::with(&["--parameter", "StreamSeconds=6"]).await;
    let project = stack.project().await;
    let viewer = Viewer::open(&project, "", None).await;
    let started = Instant::now();
    let left = Arc::new(AtomicUsize::new(EVENTS));
    let posting: Vec<_> =
        (0..CLIENTS).map(|_| tokio::spawn(post_all(project.clone(), Arc::clone(&left)))).collect();

    let (seen, cut_off, ended) = watch(&project, viewer, EVENTS).await;
    let accepted: BTreeSet<String> =
        join_all(posting).await.into_iter().flat_map(Result::unwrap).collect();
    eprintln!(
        "{EVENTS} events seen after {:.1} s, cut off {cut_off} times, ended {ended} times",
        started.elapsed().as_secs_f64()
    );

    assert_eq!(accepted.len(), EVENTS);
    assert_eq!(seen.len(), EVENTS, "nothing is seen twice");
    assert!(seen.iter().cloned().collect::<BTreeSet<_>>() == accepted, "nothing is missed");
    assert!(seen.is_sorted(), "and all of it comes in order");
    assert!(cut_off >= 3 && ended >= 1, "cut off {cut_off} times, ended {ended} times");
}

/// Posts until none is left, sometimes in batches. Returns the ids of the accepted events.
async fn post_all(project: Client, left: Arc<AtomicUsize>) -> Vec<String> {
    let take = |wanted: usize| {
        let taken = left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| Some(left - left.min(wanted)));
        taken.unwrap_or_default().min(wanted)
    };
    let mut ids = Vec::new();
    for turn in 0_usize.. {
        match take(if turn % 4 == 3 { 5 } else { 1 }) {
            0 => break,
            1 => ids.push(project.post_event("task.succeeded", json!({"turn": turn})).await.id),
            count => {
                let events: Vec<_> = (0..count)
                    .map(|number| json!({"kind": "task.created", "data": {"number": number}}))
                    .collect();
                ids.extend(
                    project
                        .post("/events/batch", json!({"events": events}))
                        .await
                        .read::<Vec<system_tests::Event>>(202)
                        .into_iter()
                        .map(|event| event.id),
                );
            }
        }
    }
    ids
}

/// Watches until this many events were seen, and for a while longer. It hangs up after every 150
/// events, in the middle of a frame, and reconnects with its position; it also reconnects when the
/// stream ends. Returns the ids, how often it hung up, and how often the stream ended.
async fn watch(project: &Client, mut viewer: Viewer, count: usize) -> (Vec<String>, usize, usize) {
    let (mut seen, mut cut_off, mut ended) = (Vec::new(), 0, 0);
    let deadline = Instant::now() + Duration::from_mins(3);
    loop {
        assert!(Instant::now() < deadline, "only {} of {count} were seen", seen.len());
        let Some(shown) = viewer.next().await else {
            ended += 1;
            if seen.len() >= count && ended > 1 {
                return (seen, cut_off, ended);
            }
            let position = viewer.position().to_owned();
            viewer = Viewer::open(project, "", Some(&position)).await;
            continue;
        };
        seen.push(shown.id());
        if seen.len() % 150 == 0 {
            cut_off += 1;
            // What has come with this event is lost with the connection.
            drop(viewer);
            viewer = Viewer::open(project, "", Some(&shown.position)).await;
        }
    }
}

#[tokio::test]
async fn a_silent_stream_beats_and_its_position_moves_on() {
    let project = Stack::shared().await.project().await;
    let mut viewer = Viewer::open(&project, "?topic=task.failed", None).await;
    let begun = viewer.position().to_owned();
    project.post_event("task.created", json!({})).await;
    assert!(viewer.read().await);
    assert_eq!(viewer.comments(), ["heartbeat"]);
    let position = viewer.position().to_owned();
    assert!(position > begun, "{position} should be behind {begun}");
    drop(viewer);
    // What was not wanted is not read again, and what comes now is not missed.
    let next = project.post_event("task.failed", json!({})).await;
    assert_eq!(Viewer::open(&project, "", Some(&position)).await.event().await.id(), next.id);
}

#[tokio::test]
async fn an_event_with_an_old_id_is_shown_when_it_is_posted() {
    let project = Stack::shared().await.project().await;
    let mut viewer = Viewer::open(&project, "?topic=task.*", None).await;
    let old =
        EventId::new(Timestamp::from_millis(clock::now().millis() - 3_600_000), 7).to_string();
    project.post("/events", json!({"kind": "run.created", "data": {}})).await.expect(202);
    let posted = project
        .post("/events", json!({"kind": "task.created", "data": {"n": 1.0}, "id": old}))
        .await
        .expect(202);
    let shown = viewer.event().await;
    assert_eq!((shown.id(), shown.name.as_str()), (old.clone(), "task.created"));
    assert_eq!(
        shown.data,
        project.get(&format!("/events/{old}")).await.expect(200),
        "as GET shows it"
    );
    assert_eq!(shown.data, posted);
    assert!(shown.position > old);
    // It is listed at its id, and shown once to who starts before that.
    let replayed =
        Viewer::open(&project, "?topic=task.created", Some("evt_00000000000000000000000000"))
            .await
            .event()
            .await;
    assert_eq!(replayed, shown);
    assert_eq!(project.get("/events").await.ids().last().unwrap(), &old);
}

#[tokio::test]
async fn a_viewer_sees_nothing_of_another_project() {
    let stack = Stack::shared().await;
    let (a, b) = (stack.project().await, stack.project().await);
    let theirs = b.post_event("task.created", json!({"of": "B"})).await;
    let mut viewer = Viewer::open(&a, "", Some("evt_00000000000000000000000000")).await;
    b.post_event("task.created", json!({"of": "B"})).await;
    let old = EventId::new(Timestamp::from_millis(clock::now().millis() - 60_000), 7).to_string();
    b.post("/events", json!({"kind": "task.created", "data": {"of": "B"}, "id": old}))
        .await
        .expect(202);
    // With B's position it is at a moment of its own feed.
    let mut other = Viewer::open(&a, "", Some(&theirs.id)).await;
    let own = a.post_event("task.created", json!({"of": "A"})).await;
    assert_eq!(viewer.event().await.id(), own.id);
    assert_eq!(other.event().await.id(), own.id);
    let request =
        a.request(http::Method::GET, "/events/stream").header("posthaste-project", b.project());
    a.send(request).await.is_error(403, "forbidden", "another project", None);
    // The operator sees the project that it names.
    let mut operator =
        Viewer::open(&stack.operator().acting_for(a.project()), "", Some(&theirs.id)).await;
    assert_eq!(operator.event().await.id(), own.id);
}

#[tokio::test]
async fn who_may_not_watch_is_told_so_and_other_methods_and_paths_are_refused() {
    let stack = Stack::shared().await;
    let project = stack.project().await;
    project.with_key("nonsense").get("/events/stream").await.is_error(
        401,
        "unauthorized",
        "API key",
        None,
    );
    let (_, posting) = stack.operator().new_key(project.project(), &["events"]).await;
    posting.get("/events/stream").await.is_error(403, "forbidden", "scope", None);
    let refused = Viewer::try_open(&project, "", Some("null")).await.err().unwrap();
    refused.is_error(400, "validation_error", "evt_", Some("Last-Event-ID"));
    project.get("/events/stream?topic=a,b*").await.is_error(
        400,
        "validation_error",
        "wildcard",
        Some("topic"),
    );
    project.get("/events/stream?kind=a").await.is_error(
        400,
        "validation_error",
        "topic",
        Some("kind"),
    );
    // A dashboard's page in a browser, which asks first.
    let preflight = project
        .request(http::Method::OPTIONS, "/events/stream")
        .header("origin", "https://dashboard.example");
    let preflight = project.send(preflight.header("access-control-request-method", "GET")).await;
    assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (200, "*"));
    assert!(preflight.header("access-control-allow-headers").contains("last-event-id"));
    let refused = project
        .with_key("nonsense")
        .request(http::Method::GET, "/events/stream")
        .header("origin", "https://dashboard.example");
    assert_eq!(project.send(refused).await.header("access-control-allow-origin"), "*");
    let answer = project.post("/events/stream", json!({})).await;
    answer.is_error(405, "method_not_allowed", "GET", None);
    assert_eq!(answer.header("allow"), "GET");
}

#[tokio::test]
async fn a_revoked_keys_stream_ends_within_a_minute() {
    let stack = Stack::shared().await;
    let (project, operator) = (stack.project().await, stack.operator());
    let (id, client) = operator.new_key(project.project(), &["read"]).await;
    let mut viewer = Viewer::open(&client, "", None).await;
    operator.delete(&format!("/projects/{}/keys/{id}", project.project())).await.expect(200);
    let revoked = Instant::now();
    assert!(viewer.rest().await.is_empty());
    assert!(revoked.elapsed() < Duration::from_mins(1), "took {:?}", revoked.elapsed());
    assert!(
        viewer.comments().last().unwrap().contains("the key no longer opens it"),
        "{:?}",
        viewer.comments()
    );
}

#[tokio::test]
async fn a_stack_with_open_streams_stops_at_once_and_a_viewer_goes_on_with_the_next() {
    let mut stack = Stack::with(&["--parameter", "StreamViewers=2"]).await;
    let project = stack.project().await;
    let mut viewers =
        vec![Viewer::open(&project, "", None).await, Viewer::open(&project, "", None).await];
    let refused = Viewer::try_open(&project, "", None).await.err().unwrap();
    refused.is_error(429, "rate_limited", "too many", None);

    let stopping = Instant::now();
    let status = stack.end_by(Signal::SIGTERM);
    assert!(status.success(), "{status}");
    assert!(
        stopping.elapsed() < Duration::from_secs(5),
        "open streams held it up for {:?}",
        stopping.elapsed()
    );
    let mut viewer = viewers.remove(0);
    assert!(viewer.rest().await.is_empty());

    stack.restart().await;
    let project = project.at(stack.base_url());
    let event = project.post_event("task.created", json!({})).await;
    assert_eq!(
        Viewer::open(&project, "", Some(viewer.position())).await.event().await.id(),
        event.id
    );
    stack.kill_hard();
}
