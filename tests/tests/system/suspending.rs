//! The operator's brake: a project is stopped, and goes on.

use std::time::Instant;

use futures::future::join_all;
use serde_json::json;
use system_tests::{Receiver, Reply, Stack, eventually};

#[tokio::test]
async fn a_suspended_project_stands_still_within_a_minute_and_goes_on_where_it_was() {
    let stack = Stack::shared().await;
    let (project, other) = (stack.project().await, stack.project().await);
    let operator = stack.operator().acting_for(project.project());
    let (receiver, others) = (Receiver::start().await, Receiver::start().await);
    for (project, receiver) in [(&project, &receiver), (&other, &others)] {
        project
            .create_endpoint_with(json!({"url": receiver.url("/"), "topics": ["*"],
                "retry_schedule": vec![8; 12]}))
            .await;
    }
    receiver.always(Reply::status(500));
    let event = project.post_event("task.created", json!({})).await;
    receiver.wait_for(1).await;

    let path = format!("/projects/{}", project.project());
    operator.patch(&path, json!({"status": "suspended"})).await.expect(200);
    let suspended = Instant::now();
    eventually("its key opens nothing", async || {
        // Many at once, so that every process of a function is asked.
        let asks = (0..8).map(|_| async {
            let event = json!({"kind": "task.created", "data": 1});
            let answers = tokio::join!(project.get("/events"), project.post("/events", event));
            [answers.0, answers.1].iter().all(|answer| answer.status == 403)
        });
        join_all(asks).await.into_iter().all(|refused| refused).then_some(())
    })
    .await;
    operator.wait_for_message(&event.id, "parked").await;
    let stopped = suspended.elapsed();
    eprintln!("stopped after {:.1} s", stopped.as_secs_f64());
    assert!(stopped.as_secs() <= 60, "a suspension takes effect within a minute");
    let attempts = operator.attempts(&event.id).await.len();
    receiver.always(Reply::status(200));
    receiver.take();

    // Nobody else notices.
    let theirs = other.post_event("task.created", json!({})).await;
    other.wait_for_message(&theirs.id, "succeeded").await;
    assert_eq!(operator.attempts(&event.id).await.len(), attempts);
    assert_eq!(receiver.received().len(), 0);

    operator.patch(&path, json!({"status": "active"})).await.expect(200);
    operator.wait_for_message(&event.id, "succeeded").await;
    assert_eq!(operator.attempts(&event.id).await.len(), attempts + 1, "one was enough");
    eventually("its key works again", async || {
        (project.get("/events").await.status == 200).then_some(())
    })
    .await;
}
