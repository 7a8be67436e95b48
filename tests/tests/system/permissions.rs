//! Every AWS call that functions make is allowed by their roles, and everything that the roles
//! allow is used.
//!
//! The stack enforces the roles, so what is missing shows as refused calls. What is too much shows
//! only once all has been used that there is: so [`everything`] is done once, on a stack whose
//! calls are counted from its start.

use std::{collections::BTreeSet, time::Duration};

use domain::{id::EventId, time::Timestamp};
use emulator::aws::{CallCount, CountersReport};
use futures::future::join_all;
use http::Method;
use runtime::clock;
use sam_template::{Effect, Settings, Template};
use serde_json::{Value as Json, json};
use system_tests::{Client, Event, Receiver, Reply, Stack, Viewer, eventually, workspace};

/// An action of a function on a table or queue.
type Use = (String, String, String);

/// What roles allow that no call of ours shows: Lambda itself writes logs, and asks that its
/// pollers may read a queue's attributes.
const UNSEEN: [&str; 3] = ["logs:CreateLogStream", "logs:PutLogEvents", "sqs:GetQueueAttributes"];

#[tokio::test]
async fn functions_use_all_that_their_roles_allow_and_nothing_else() {
    let stack = Stack::start().await;
    everything(&stack).await;
    let calls = stack.calls().await;
    let refused: Vec<_> =
        calls.calls.iter().filter(|call| call.outcome.contains("AccessDenied")).collect();
    assert!(refused.is_empty(), "a role allows too little: {refused:?}");
    let errors: Vec<_> =
        stack.log_lines().into_iter().filter(|line| line.contains("AccessDenied")).collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));

    let (allowed, used) = (allowed(), used(&calls));
    let unused: Vec<_> = allowed.difference(&used).filter(|one| !is_of_a_crash(one)).collect();
    assert!(unused.is_empty(), "template.yaml allows what no function uses: {unused:?}");
    let unknown: Vec<_> = used.difference(&allowed).collect();
    assert!(unknown.is_empty(), "these were used and are allowed by no role: {unknown:?}");
}

/// The repair of a log that a crash has left an attempt out of: the tests of `deliver` try it.
fn is_of_a_crash((function, action, resource): &Use) -> bool {
    (function.as_str(), action.as_str(), resource.as_str())
        == ("deliver", "dynamodb:PutItem", "LogTable")
}

fn allowed() -> BTreeSet<Use> {
    let path = workspace().join("template.yaml");
    let template = Template::read(&path, &Settings::default()).unwrap();
    let mut allowed = BTreeSet::new();
    for function in template.functions {
        for statement in
            function.statements.iter().filter(|statement| statement.effect == Effect::Allow)
        {
            for action in
                statement.actions.iter().filter(|action| !UNSEEN.contains(&action.as_str()))
            {
                let resources = statement
                    .resources
                    .iter()
                    .filter_map(|arn| arn.rsplit(':').next())
                    .map(|name| name.trim_start_matches("table/").to_owned());
                allowed.extend(
                    resources.map(|resource| (function.name.clone(), action.clone(), resource)),
                );
            }
        }
    }
    allowed
}

fn used(calls: &CountersReport) -> BTreeSet<Use> {
    let mut used = BTreeSet::new();
    for call in &calls.calls {
        // Lambda's pollers use the role of the function that they feed.
        let function = match call.caller.as_str() {
            "poller" => "deliver",
            "operator" => continue,
            other => other,
        };
        for action in actions(function, &call.operation) {
            let action = format!("{}:{action}", call.service);
            used.extend(
                call.resource
                    .split(',')
                    .map(|resource| (function.to_owned(), action.clone(), resource.to_owned())),
            );
        }
    }
    used.retain(|(_, action, _)| !UNSEEN.contains(&action.as_str()));
    used
}

/// The actions that an operation needs. Of a transaction, what the function's hold.
fn actions<'a>(function: &str, operation: &'a str) -> Vec<&'a str> {
    match (function, operation) {
        (_, "SendMessageBatch") => vec!["SendMessage"],
        (_, "DeleteMessageBatch") => vec!["DeleteMessage"],
        (_, "ChangeMessageVisibilityBatch") => vec!["ChangeMessageVisibility"],
        ("deliver", "TransactWriteItems") => vec!["UpdateItem"],
        (_, "TransactWriteItems") => vec!["PutItem", "UpdateItem", "DeleteItem"],
        (_, other) => vec![other],
    }
}

/// Goes every way that there is through the functions.
async fn everything(stack: &Stack) {
    let (project, operator, receiver) =
        (stack.project().await, stack.operator(), Receiver::start().await);
    administrate(&operator, &project).await;
    configure(&project).await;
    let waiting = deliver(&project, &receiver).await;
    read(&project, &waiting).await;
    recover(&project, &receiver).await;
    watch(&project).await;

    read_very_much(stack, &project).await;
    stack.queues().send("-deliveries", "no delivery").await;
    stack.queues().wait_for("-dead-letters", 1).await;
    // A first message from long ago, of which the log may know.
    let path = workspace().join("events/redriven.json");
    let event: Json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let body = event["Records"][0]["body"].as_str().unwrap();
    stack.queues().send("-deliveries", body).await;
    stack.queues().wait_until_idle().await;
    // A message that a newer `deliver` has written: it is put away until that one is deployed here.
    stack.queues().send("-deliveries", r#"{"v":99}"#).await;
    eventually("the message is put away", async || {
        let calls = stack.calls().await.calls;
        let hides = |call: &CallCount| {
            call.operation.starts_with("ChangeMessageVisibility")
                && call.resource.ends_with("-deliveries")
        };
        calls.iter().any(hides).then_some(())
    })
    .await;
}

/// More than a process lets through freely: then the project is charged.
async fn read_very_much(stack: &Stack, project: &Client) {
    eventually("a project that reads very much is charged", async || {
        let reads = (0..100).map(|_| project.get("/webhooks/endpoints"));
        join_all(reads).await;
        let calls = stack.calls().await.calls;
        let charged = calls.iter().any(|call| {
            (call.caller.as_str(), call.operation.as_str()) == ("endpoints", "PutItem")
                && call.resource.ends_with("StateTable")
        });
        charged.then_some(())
    })
    .await;
}

async fn administrate(operator: &Client, project: &Client) {
    let path = format!("/projects/{}", project.project());
    operator.get("/projects").await.expect(200);
    operator.get(&path).await.expect(200);
    operator.patch(&path, json!({"name": "Changed"})).await.expect(200);
    let (key, client) = operator.new_key(project.project(), &["read"]).await;
    client.get("/events").await.expect(200);
    operator.get(&format!("{path}/keys")).await.expect(200);
    operator.delete(&format!("{path}/keys/{key}")).await.expect(200);
    let key = operator.post("/operator-keys", json!({"name": "Second"})).await.expect(201);
    operator.get("/operator-keys").await.expect(200);
    operator.delete(&format!("/operator-keys/{}", key["id"].as_str().unwrap())).await.expect(200);
    operator.get("/nowhere").await.expect(404);
    operator.acting_for(project.project()).get("/webhooks/messages").await.expect(200);
}

async fn configure(project: &Client) {
    let endpoint = project.create_endpoint("https://example.com/", &["task.*"]).await;
    let path = format!("/webhooks/endpoints/{}", endpoint.id);
    project.get("/webhooks/endpoints").await.expect(200);
    project.get(&path).await.expect(200);
    project.get(&format!("{path}/secret")).await.expect(200);
    project.patch(&path, json!({"topics": ["run.*"]})).await.expect(200);
    project.put(&path, json!({"url": "https://example.com/", "topics": ["*"]})).await.expect(200);
    project.delete(&path).await.expect(200);
    project.get("/webhooks/topics").await.expect(200);
    project.put("/webhooks/topics/own.topic", json!({})).await.expect(201);
    project.get("/webhooks/topics/own.topic").await.expect(200);
    project.delete("/webhooks/topics/own.topic").await.expect(200);
}

/// Deliveries that succeed, are retried, are given up, and find their receiver gone. Returns an
/// event whose retry waits.
async fn deliver(project: &Client, receiver: &Receiver) -> Event {
    receiver.always_at("/bad", Reply::status(500));
    receiver.always_at("/gone", Reply::status(410));
    project
        .create_endpoint_with(json!({"url": receiver.url("/good"), "topics": ["task.created"],
        "rate_limit": 100}))
        .await;
    project
        .create_endpoint_with(json!({"url": receiver.url("/bad"), "topics": ["task.failed"],
        "retry_schedule": [1, 1]}))
        .await;
    project
        .create_endpoint_with(json!({"url": receiver.url("/bad"), "topics": ["run.created"],
        "retry_schedule": [3600]}))
        .await;
    project.create_endpoint(&receiver.url("/gone"), &["run.failed"]).await;

    // The repeat comes while nobody can know yet whether the delivery arrives.
    receiver.always_at("/slow", Reply::slow(Duration::from_secs(3)));
    project.create_endpoint(&receiver.url("/slow"), &["task.updated"]).await;
    for _ in 0..2 {
        project.post_event_once("key", "task.updated", json!({})).await.expect(202);
    }
    project.post_event_once("key", "no.such.topic", json!({})).await.expect(400);
    let batch = json!({"events": [{"kind": "task.created", "data": 1}, {"kind": "task.created",
        "data": 2}]});
    project.post("/events/batch", batch).await.expect(202);
    let good = project.post_event("task.created", json!({})).await;
    let bad = project.post_event("task.failed", json!({})).await;
    let gone = project.post_event("run.failed", json!({})).await;
    let waiting = project.post_event("run.created", json!({})).await;
    project.wait_for_message(&good.id, "succeeded").await;
    project.wait_for_message(&bad.id, "failed").await;
    project.wait_for_message(&gone.id, "failed").await;
    project.wait_for_attempts(&waiting.id, 1).await;
    project.post(&format!("/webhooks/messages/{}/resend", good.id), json!({})).await.expect(202);
    project.wait_for_attempts(&good.id, 2).await;
    recover_endpoint(project, &bad).await;
    waiting
}

/// An endpoint that is down and recovers, and another one that gets the system events about it.
async fn recover(project: &Client, receiver: &Receiver) {
    receiver.always_at("/down", Reply::status(500));
    let down = project.create_endpoint(&receiver.url("/down"), &["run.updated"]).await;
    project.create_endpoint(&receiver.url("/ops"), &["webhook.*"]).await;
    let batch: Vec<_> = (0..20).map(|n| json!({"kind": "run.updated", "data": n})).collect();
    project.post("/events/batch", json!({"events": batch})).await.expect(202);
    eventually("the project is told", async || receiver.received_at("/ops").pop()).await;
    let parked = eventually("a delivery is parked", async || {
        project.post_event("run.updated", json!({})).await;
        project.get("/webhooks/messages?status=parked").await.ids().pop()
    })
    .await;
    receiver.always_at("/down", Reply::status(200));
    project
        .patch(&format!("/webhooks/endpoints/{}", down.id), json!({"status": "active"}))
        .await
        .expect(200);
    project.wait_for_message(&parked, "succeeded").await;
}

/// An event where it was posted, and one that doesn't stand at its id.
async fn watch(project: &Client) {
    let mut viewer = Viewer::open(project, "?topic=run.updated", None).await;
    let old = post_with_old_id(project, 7).await;
    assert_eq!(viewer.event().await.id(), old);
}

/// An event whose id is a minute older.
async fn post_with_old_id(project: &Client, number: u128) -> String {
    let minute_ago = Timestamp::from_millis(clock::now().millis() - 60_000);
    let old = EventId::new(minute_ago, number).to_string();
    let event = json!({"kind": "run.updated", "data": {}, "id": old});
    project.post("/events", event).await.expect(202);
    old
}

/// A recovery that finds something to send again, and looks at an event with an older id.
async fn recover_endpoint(project: &Client, failed: &Event) {
    post_with_old_id(project, 8).await;
    let endpoint = project.message(&failed.id).await.deliveries[0].endpoint_id.clone();
    let path = format!("/webhooks/endpoints/{endpoint}");
    let begun = project
        .post(&format!("{path}/recover"), json!({"since": failed.created_at}))
        .await
        .expect(202);
    let progress = format!("{path}/recoveries/{}", begun["id"].as_str().unwrap_or_default());
    eventually("the recovery is done", async || {
        (project.get(&progress).await.expect(200)["status"] == "done").then_some(())
    })
    .await;
    project.get(&format!("{path}/recoveries")).await.expect(200);
    project.wait_for_attempts(&failed.id, 4).await;
}

async fn read(project: &Client, event: &Event) {
    let endpoint = project.message(&event.id).await.deliveries[0].endpoint_id.clone();
    for path in [
        "/events".to_owned(),
        format!("/events/{}", event.id),
        "/webhooks/messages?status=pending".to_owned(),
        "/webhooks/messages?status=failed".to_owned(),
        format!("/webhooks/messages/{}", event.id),
        format!("/webhooks/delivery-attempts?message_id={}", event.id),
        format!("/webhooks/delivery-attempts?endpoint_id={endpoint}"),
        format!("/webhooks/endpoints/{endpoint}/deliveries"),
    ] {
        project.send(project.request(Method::GET, &path)).await.expect(200);
    }
}
