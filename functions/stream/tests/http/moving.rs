//! Events that can't stand at their ids: viewers have passed these, or would have to wait for them.

use std::{cell::Cell, time::Duration};

use domain::{id::EventId, time::Timestamp};
use futures::future::join;
use runtime::clock;

use crate::support::{event, new_id, project, seconds_ago, start};

/// A clock that shows these many milliseconds more than the real one, reading by reading; and the
/// last ones from then on.
fn clock(ahead: &'static [u64]) -> impl Fn() -> Timestamp {
    let readings = Cell::new(0);
    move || {
        let reading = readings.replace(readings.get() + 1);
        clock::now() + Duration::from_millis(ahead[reading.min(ahead.len() - 1)])
    }
}

#[tokio::test]
async fn an_event_with_an_old_id_of_its_own_is_shown_once_and_at_the_time_of_its_writing() {
    let started = start(60).await;
    let mut viewer = started.view("").await;
    let earlier = started.post("task.created").await;
    let late = event("task.created", seconds_ago(3_600));
    started.record(std::slice::from_ref(&late), clock::now).await;
    let later = started.post("task.created").await;
    let first = viewer.next().await.unwrap();
    let moved = viewer.next().await.unwrap();
    let last = viewer.next().await.unwrap();
    assert_eq!(
        [first.id(), moved.id(), last.id()],
        [earlier, late.event.id.to_string(), later.clone()]
    );
    assert!(first.position < moved.position && moved.position < last.position);

    // It counts at that position only: for who comes back to before its id, and to behind the
    // position.
    let mut replay = started.view_behind(&seconds_ago(7_200).to_string()).await;
    assert_eq!(replay.ids(3).await, [first.id(), moved.id(), last.id()]);
    assert_eq!(started.view_behind(&moved.position).await.ids(1).await, [later]);
}

#[tokio::test]
async fn an_event_with_an_id_from_the_future_is_shown_now() {
    let started = start(60).await;
    let mut viewer = started.view("").await;
    let ahead = EventId::new(clock::now() + Duration::from_mins(4), 7);
    started
        .record(&[event("task.created", ahead), event("task.created", new_id())], clock::now)
        .await;
    let mut seen = viewer.ids(2).await;
    seen.sort();
    assert_eq!(seen[1], ahead.to_string());
}

#[tokio::test]
async fn an_event_that_was_written_slowly_is_shown_to_those_who_passed_it_and_to_nobody_twice() {
    let started = start(25).await;
    let before = seconds_ago(60).to_string();
    let id = EventId::new(Timestamp::from_millis(clock::now().millis() - 1_500), rand::random());
    let slow = event("task.created", id);
    // These begin behind its id, as if they had passed it.
    let mut behind = started.view("").await;
    // Written in time as it seemed, but three seconds have passed; its pointer is five seconds
    // ahead of these.
    started.record(std::slice::from_ref(&slow), clock(&[0, 3_000])).await;
    let mut from_before = started.view_behind(&before).await;
    let next = started.post("task.created").await;
    let id = id.to_string();
    let (behind, from_before) = join(behind.rest(), from_before.rest()).await;
    assert_eq!(behind, [next.clone(), id.clone()]);
    assert_eq!(from_before, [id, next]);
}

#[tokio::test]
async fn an_event_that_gets_a_pointer_after_it_was_shown_is_not_shown_again_on_the_same_connection()
{
    let started = start(12).await;
    let mut viewer = started.view("").await;
    let again = event("task.created", new_id());
    started.record(std::slice::from_ref(&again), clock::now).await;
    let id = again.event.id.to_string();
    assert_eq!(viewer.ids(1).await, [id.as_str()]);
    // As a repeated request does whose first one may have died after it had written the event.
    started.log().place_again(project(), &again, clock(&[3_000])).await.unwrap();
    let pointers = started.aws.rows("LogTable").await;
    assert!(pointers.iter().any(|row| row["event"]["S"] == id), "{pointers:?}");
    let next = started.post("task.created").await;
    assert_eq!(viewer.rest().await, [next]);
}
