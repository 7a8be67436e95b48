//! Work of more steps than a chain of messages may have: Lambda stops a chain at its sixteenth
//! invocation of one function.

use serde_json::json;
use system_tests::{Client, Receiver, Reply, Stack, eventually};

/// Invocations of a function by one chain, at Lambda.
const MOST: usize = 16;
/// What a stack prints that has stopped a chain.
const STOPPED: &str = "recursion detected: ";
/// Events that a step of a recovery looks at.
const STEP: usize = 500;
/// Events of a request.
const BATCH: usize = 100;

/// A receiver is down until its deliveries are parked. After that it takes one a second, so that
/// each of these deliveries is a step of its circuit.
async fn let_go_one_by_one(project: &Client, receiver: &Receiver, parked: usize) -> Vec<String> {
    receiver.always(Reply::status(500));
    let endpoint = json!({"url": receiver.url("/"), "topics": ["*"], "retry_schedule": [3600]});
    let path = format!("/webhooks/endpoints/{}", project.create_endpoint_with(endpoint).await.id);
    for _ in 0..10 {
        project.post_event("task.created", json!({})).await;
    }
    eventually("the circuit is open", async || {
        let health = project.get(&path).await.expect(200)["health"].clone();
        (health["parking"] == json!(true)).then_some(())
    })
    .await;
    let ids = post(project, parked).await;
    eventually("they are parked", async || {
        let parked_now = project.get("/webhooks/messages?status=parked&limit=100").await.ids();
        (parked_now.len() == parked).then_some(())
    })
    .await;
    project.patch(&path, json!({"rate_limit": 1})).await.expect(200);
    receiver.always(Reply::status(200));
    ids
}

async fn post(project: &Client, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    while ids.len() < count {
        let few = BATCH.min(count - ids.len());
        let events = vec![json!({"kind": "task.created", "data": {}}); few];
        ids.extend(project.post_batch(events).await.into_iter().map(|event| event.id));
    }
    ids
}

#[tokio::test]
async fn a_circuit_lets_go_for_more_than_sixteen_steps() {
    let stack = Stack::start().await;
    let (project, receiver) = (stack.project().await, Receiver::start().await);
    for id in let_go_one_by_one(&project, &receiver, MOST + 4).await {
        project.wait_for_message(&id, "succeeded").await;
    }
    assert!(!stack.output().contains(STOPPED), "{}", stack.output());
}

#[tokio::test]
async fn a_recovery_goes_on_for_more_than_sixteen_steps() {
    let stack = Stack::start().await;
    let (project, receiver) = (stack.project().await, Receiver::start().await);
    let events = STEP * (MOST + 1) + 1;
    let since = runtime::clock::now().seconds() - 1;
    post(&project, events).await;
    let endpoint = project.create_endpoint(&receiver.url("/"), &["*"]).await.id;
    let path = format!("/webhooks/endpoints/{endpoint}");
    let counting = json!({"since": since, "dry_run": true});
    let begun = project.post(&format!("{path}/recover"), counting).await.expect(202);
    let progress = format!("{path}/recoveries/{}", begun["id"].as_str().unwrap());
    let done = eventually("the recovery is done", async || {
        let now = project.get(&progress).await.expect(200);
        (now["status"] == "done").then_some(now)
    });
    assert_eq!(done.await["missed"], json!(events));
    assert!(!stack.output().contains(STOPPED), "{}", stack.output());
}
