//! Recovering an endpoint: what it has failed to take or never got, again.

use runtime::clock;
use serde_json::{Value as Json, json};
use system_tests::{Client, Receiver, Reply, Stack, eventually};

/// Starts a recovery with this body, waits for its end, and returns its counts: examined, failed,
/// missed, enqueued.
async fn recover(project: &Client, endpoint: &str, body: Json) -> [u64; 4] {
    let path = format!("/webhooks/endpoints/{endpoint}");
    let begun = project.post(&format!("{path}/recover"), body).await.expect(202);
    let progress = format!("{path}/recoveries/{}", begun["id"].as_str().unwrap());
    let done = eventually("the recovery is done", async || {
        let now = project.get(&progress).await.expect(200);
        (now["status"] == "done").then_some(now)
    });
    let done = done.await;
    assert!(done["finished_at"].is_u64(), "{done}");
    ["examined", "failed", "missed", "enqueued"].map(|count| done[count].as_u64().unwrap())
}

async fn post(project: &Client, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..count {
        ids.push(project.post_event("task.created", json!({"number": number})).await.id);
    }
    ids
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story")]
async fn what_failed_or_was_missed_in_an_outage_arrives_once() {
    let stack = Stack::shared().await;
    let (project, receiver) = (stack.project().await, Receiver::start().await);
    let since = clock::now().seconds() - 1;
    receiver.always_at("/early", Reply::status(500));
    let early = project
        .create_endpoint_with(
            json!({"url": receiver.url("/early"), "topics": ["task.*"], "retry_schedule": [1]}),
        )
        .await
        .id;
    let path = format!("/webhooks/endpoints/{early}");

    let failed = post(&project, 3).await;
    for id in &failed {
        project.wait_for_message(id, "failed").await;
    }
    project.patch(&path, json!({"status": "paused"})).await.expect(200);
    let unheard = post(&project, 2).await;
    let counting = json!({"since": since, "dry_run": true});
    assert_eq!(
        recover(&project, &early, counting.clone()).await,
        [5, 3, 2, 0],
        "a dry run counts for a paused endpoint too"
    );
    project.post(&format!("{path}/recover"), json!({"since": since})).await.is_error(
        409,
        "conflict",
        "not active",
        None,
    );

    project.patch(&path, json!({"status": "active"})).await.expect(200);
    receiver.always_at("/early", Reply::status(200));
    let delivered = post(&project, 1).await;
    project.wait_for_message(&delivered[0], "succeeded").await;
    project.post_event("run.created", json!({})).await;
    let late = project.create_endpoint(&receiver.url("/late"), &["task.created"]).await.id;

    assert_eq!(recover(&project, &early, counting.clone()).await, [7, 3, 2, 0]);
    assert_eq!(recover(&project, &late, counting).await, [7, 0, 6, 0]);
    let before = receiver.received_at("/early").len();
    assert_eq!(before, 3 * 2 + 1);
    assert_eq!(recover(&project, &early, json!({"since": since})).await, [7, 3, 2, 5]);
    assert_eq!(recover(&project, &late, json!({"since": since})).await, [7, 0, 6, 6]);

    for id in failed.iter().chain(&unheard).chain(&delivered) {
        let message = project.wait_for_message(id, "succeeded").await;
        assert_eq!(message.deliveries.len(), 2, "it shows who has got it since");
    }
    let ids = |path: &str, skipped: usize| {
        let mut ids: Vec<_> = receiver.received_at(path)[skipped..]
            .iter()
            .map(system_tests::Request::webhook_id)
            .collect();
        ids.sort();
        ids
    };
    let mut expected: Vec<_> = failed.iter().chain(&unheard).cloned().collect();
    expected.sort();
    assert_eq!(ids("/early", before), expected, "each once");
    expected.extend(delivered);
    expected.sort();
    assert_eq!(ids("/late", 0), expected, "each once");

    assert_eq!(
        recover(&project, &early, json!({"since": since})).await,
        [7, 0, 0, 0],
        "nothing is left to do"
    );
    let attempts = project.attempts(&unheard[0]).await;
    assert!(
        attempts.iter().all(|attempt| attempt.trigger == "manual" && attempt.number == 1),
        "{attempts:?}"
    );
}
