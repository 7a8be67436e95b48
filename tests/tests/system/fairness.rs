//! One project's slow receivers, and what others notice.

use std::time::Duration;

use futures::future::join_all;
use serde_json::json;
use system_tests::{Receiver, Reply, Stack};

#[tokio::test]
async fn receivers_that_take_everything_slowly_hold_up_nobody_elses_first_attempts() {
    let stack = Stack::start().await;
    let (hostile, other) = (stack.project().await, stack.project().await);
    let (slow, well) = (Receiver::start().await, Receiver::start().await);
    // Within the timeout, so that no circuit opens.
    slow.always(Reply::status(200).after(Duration::from_secs(4)));
    other.create_endpoint(&well.url("/"), &["task.created"]).await;
    // Many times what the executions could hold if each waited for its own batch.
    let batches = (0..10).map(|batch| {
        let event = |place| {
            json!({"kind": "task.created", "data": {},
                "webhook_url": slow.url(&format!("/{batch}/{place}"))})
        };
        let events: Vec<_> = (0..100).map(event).collect();
        hostile.post("/events/batch", json!({"events": events}))
    });
    for answer in join_all(batches).await {
        answer.expect(202);
    }
    for number in 0..20 {
        other.post_event("task.created", json!({"number": number})).await;
    }
    // A thousand of four seconds each, ten at a time in each of eight executions, would take a
    // minute.
    let started = std::time::Instant::now();
    well.wait_for(20).await;
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}
