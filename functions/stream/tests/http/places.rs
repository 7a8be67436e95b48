//! How many viewers a project may have.

use emulator::samples;
use serde_json::json;

use super::support::{Started, Viewer, start};

async fn limit(started: &Started, viewers: u32) {
    let limits = json!({"viewers": {"N": viewers.to_string()}});
    let row =
        json!({"pk": {"S": "STATUS"}, "sk": {"S": "STATUS"}, samples::PROJECT: {"M": limits}});
    started.aws.put_row(samples::CONFIG_TABLE, &row).await;
}

async fn status(started: &Started) -> u16 {
    started.api.open("/events/stream").await.status().as_u16()
}

#[tokio::test]
async fn a_project_has_twenty_viewers_at_once_and_no_more() {
    let started = start(60).await;
    let mut viewers: Vec<Viewer> = Vec::new();
    for _ in 0..20 {
        viewers.push(started.view("").await);
    }
    let refused = started.api.ask("GET", "/events/stream", serde_json::Value::Null).await;
    assert_eq!((refused.status, refused.text("kind")), (429, "rate_limited"), "{}", refused.body);
    assert_eq!(refused.header("retry-after"), "10");
}

#[tokio::test]
async fn the_operator_sets_another_number_and_of_many_at_once_so_many_get_a_place() {
    let started = start(60).await;
    limit(&started, 3).await;
    let opened = (0..12).map(|_| started.api.open("/events/stream"));
    // What was opened stays open.
    let opened = futures::future::join_all(opened).await;
    let taken = opened.iter().filter(|answer| answer.status() == 200).count();
    assert!((1..=3).contains(&taken), "{taken}");
}

#[tokio::test]
async fn a_stream_that_has_ended_gives_its_place_back() {
    let started = start(1).await;
    limit(&started, 1).await;
    let mut viewer = started.view("").await;
    assert_eq!(status(&started).await, 429);
    while viewer.next().await.is_some() {}
    let mut again = status(&started).await;
    while again == 429 {
        tokio::task::yield_now().await;
        again = status(&started).await;
    }
    assert_eq!(again, 200);
}
