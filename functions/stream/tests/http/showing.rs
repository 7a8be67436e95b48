//! What a viewer is shown.

use domain::time::Timestamp;
use emulator::testing::Shown;
use runtime::clock;
use serde_json::json;

use crate::support::{Viewer, event, new_id, seconds_ago, start};

#[tokio::test]
async fn an_event_is_shown_as_the_api_shows_it_with_its_id_and_topic() {
    let started = start(60).await;
    started.post("run.created").await;
    let mut viewer = started.view("").await;
    assert_eq!(viewer.response.headers()["content-type"], "text/event-stream");
    assert_eq!(viewer.response.headers()["cache-control"], "no-store");
    assert_eq!(viewer.parser.retry, Some(1_000));
    let logged = event("task.created", new_id());
    started.record(std::slice::from_ref(&logged), clock::now).await;
    let id = logged.event.id.to_string();
    let data = json!({"id": id, "object": "event", "kind": "task.created", "data": {"id": "task_1"},
        "created_at": logged.event.created_at});
    // And nothing from before the viewer came.
    assert_eq!(
        viewer.next().await.unwrap(),
        Shown { position: id, name: "task.created".to_owned(), data }
    );
}

#[tokio::test]
async fn events_of_many_shards_come_in_order_and_a_viewer_that_comes_back_misses_none() {
    let started = start(60).await;
    let mut viewer = started.view("").await;
    let mut posted: Vec<_> = (0..60).map(|_| event("task.created", new_id())).collect();
    started.record(&posted, clock::now).await;
    posted.sort_by_key(|logged| logged.event.id);
    let expected: Vec<_> = posted.iter().map(|logged| logged.event.id.to_string()).collect();
    let mut seen = viewer.ids(20).await;
    let last = seen.last().unwrap().clone();
    drop(viewer);
    seen.extend(started.view_behind(&last).await.ids(40).await);
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_viewer_sees_its_topics_only_and_its_position_moves_on_with_the_others() {
    let started = start(8).await;
    let mut viewer = started.view("?topic=task.failed,run.*").await;
    let begun = viewer.parser.last_event_id.clone();
    let mut ids = Vec::new();
    for kind in
        ["task.created", "task.failed", "run.created", "tasks.other", "run.failed", "task.created"]
    {
        ids.push(started.post(kind).await);
    }
    assert_eq!(viewer.rest().await, [ids[1].as_str(), &ids[2], &ids[4]]);
    assert!(viewer.parser.last_event_id > begun);
    assert!(
        viewer.parser.comments.last().unwrap().starts_with("end of stream: its time is over"),
        "{:?}",
        viewer.parser.comments
    );
    // A viewer that reconnects without a filter gets only what follows the last event that it was
    // shown.
    assert_eq!(started.view_behind(&ids[4]).await.ids(1).await, [ids[5].as_str()]);
}

#[tokio::test]
async fn a_position_older_than_the_log_starts_with_the_log() {
    let started = start(60).await;
    let id = started.post("task.created").await;
    assert_eq!(started.view_behind("evt_00000000000000000000000000").await.ids(1).await, [id]);
}

#[tokio::test]
async fn what_has_expired_is_not_shown() {
    let started = start(6).await;
    let mut old = event("task.created", seconds_ago(60));
    old.accepted_at = Timestamp::from_millis(clock::now().millis() - 31 * 86_400_000);
    started.record(&[old.clone()], || old.event.id.time()).await;
    old.event.id = seconds_ago(59);
    started.record(&[old], clock::now).await;
    assert!(started.view_behind("evt_00000000000000000000000000").await.rest().await.is_empty());
}

#[tokio::test]
async fn another_projects_viewer_sees_nothing() {
    let started = start(7).await;
    let other =
        started.aws.key_of("proj_01JZ0000000000000000000001", &[domain::model::Scope::Read]).await;
    let mut viewer = Viewer::of(
        &started
            .api
            .with_key(&other)
            .with_header("last-event-id", "evt_00000000000000000000000000"),
        "",
    )
    .await;
    started.post("task.created").await;
    started.record(&[event("task.created", seconds_ago(60))], clock::now).await;
    assert!(viewer.rest().await.is_empty());
}
