//! Receivers that are down for longer: parked deliveries, probes, release; what their project is
//! told.

use std::{collections::HashMap, time::Duration};

use serde_json::{Value as Json, json};
use system_tests::{Client, Receiver, Reply, Stack, eventually};

/// More than open a circuit.
const EVENTS: usize = 60;

async fn health(project: &Client, endpoint: &str) -> Json {
    project.get(&format!("/webhooks/endpoints/{endpoint}")).await.expect(200)["health"].clone()
}

async fn wait_for_parking(project: &Client, endpoint: &str, parking: bool) {
    eventually(&format!("the endpoint's deliveries are parked: {parking}"), async || {
        (health(project, endpoint).await["parking"] == json!(parking)).then_some(())
    })
    .await;
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story")]
async fn deliveries_to_a_receiver_that_is_down_are_parked_and_all_arrive_once_it_is_well() {
    let stack = Stack::start().await;
    let (project, queues) = (stack.project().await, stack.queues());
    let (down, well) = (Receiver::start().await, Receiver::start().await);
    down.always(Reply::status(500));
    // So long waits that only parking can account for an early arrival.
    let waits = json!([3600, 3600]);
    let endpoint = project
        .create_endpoint_with(
            json!({"url": down.url("/"), "topics": ["*"], "retry_schedule": waits}),
        )
        .await;
    project.create_endpoint(&well.url("/"), &["*"]).await;

    let mut events = Vec::new();
    for batch in 0..EVENTS / 20 {
        let batch: Vec<_> = (0..20)
            .map(|n| json!({"kind": "task.created", "data": {"n": batch * 20 + n}}))
            .collect();
        let accepted = project.post("/events/batch", json!({"events": batch})).await.expect(202);
        events.extend(
            accepted
                .as_array()
                .unwrap()
                .iter()
                .map(|event| event["id"].as_str().unwrap().to_owned()),
        );
        if events.len() == 20 {
            wait_for_parking(&project, &endpoint.id, true).await;
        }
    }
    well.wait_for(EVENTS).await;
    let parked = eventually("what was posted with an open circuit is parked", async || {
        let parked = project.get("/webhooks/messages?status=parked&limit=100").await.ids();
        (parked.len() >= EVENTS - 20).then_some(parked)
    })
    .await;
    assert!(
        events[20..].iter().all(|event| parked.contains(event)),
        "all that was posted after the circuit opened"
    );
    let (waiting, hidden) = queues.depth("-retries").await;
    assert!(
        waiting + hidden <= 30,
        "only what was tried before, and the circuit's own steps: {waiting} + {hidden}"
    );
    let sick = health(&project, &endpoint.id).await;
    assert_eq!(sick["state"], "failing");
    assert!(
        sick["consecutive_failures"].as_u64().unwrap() >= 10 && sick["failing_since"].is_u64(),
        "{sick}"
    );
    // Twenty were tried once each, and since then there are only probes: one, two, three … of them
    // after 5, 15, 35 … seconds.
    assert!(
        down.received().len() < 20 + 20,
        "a receiver that is down is left in peace: {}",
        down.received().len()
    );

    down.always(Reply::status(200));
    for event in &events[20..] {
        project.wait_for_message(event, "succeeded").await;
    }
    let mut successes: HashMap<String, usize> = HashMap::new();
    for event in &events[20..] {
        let mut attempts = project.attempts(event).await;
        attempts.retain(|attempt| attempt.endpoint_id == endpoint.id);
        let succeeded = attempts.iter().filter(|attempt| attempt.outcome == "succeeded").count();
        *successes.entry(event.clone()).or_default() += succeeded;
        assert!(attempts.iter().all(|attempt| attempt.trigger == "scheduled"));
    }
    assert!(successes.values().all(|count| *count == 1), "each arrives once: {successes:?}");
    let well_again = health(&project, &endpoint.id).await;
    assert_eq!(
        (&well_again["state"], &well_again["consecutive_failures"]),
        (&json!("healthy"), &json!(0))
    );
    assert!(well_again["last_success_at"].is_u64());
    assert!(project.get("/webhooks/messages?status=parked").await.ids().is_empty());
}

#[tokio::test]
async fn a_project_is_told_of_an_endpoint_that_fails_and_is_well_again() {
    let stack = Stack::start().await;
    let project = stack.project().await;
    let (down, ops) = (Receiver::start().await, Receiver::start().await);
    down.always(Reply::status(500));
    let endpoint = project.create_endpoint(&down.url("/"), &["task.*"]).await;
    let watching = project.create_endpoint(&ops.url("/"), &["webhook.*"]).await;
    project.create_endpoint(&ops.url("/everything"), &["*"]).await;
    let batch: Vec<_> =
        (0..20).map(|n| json!({"kind": "task.created", "data": {"n": n}})).collect();
    project.post("/events/batch", json!({"events": batch})).await.expect(202);

    let told = eventually("the project is told", async || ops.received_at("/").pop()).await;
    told.verify(watching.secret());
    let event: Json = serde_json::from_slice(&told.body).unwrap();
    assert_eq!(
        (&event["kind"], &event["data"]["count"]),
        (&json!("webhook.endpoint.failing"), &json!(1))
    );
    let entry = &event["data"]["entries"][0];
    assert_eq!(entry["endpoint"]["id"], json!(endpoint.id));
    assert!(entry["consecutive_failures"].as_u64().unwrap() >= 10, "{event}");

    wait_for_parking(&project, &endpoint.id, true).await;
    down.always(Reply::status(200));
    // Something must be parked for a probe to try.
    project.post_event("task.created", json!({})).await;
    let kinds = async || {
        let bodies = ops
            .received_at("/")
            .into_iter()
            .map(|request| serde_json::from_slice::<Json>(&request.body).unwrap());
        bodies.map(|event| event["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    eventually("the project is told that it is well", async || {
        kinds().await.contains(&"webhook.endpoint.recovered".to_owned()).then_some(())
    })
    .await;
    assert_eq!(
        kinds().await.iter().filter(|kind| *kind == "webhook.endpoint.failing").count(),
        1,
        "once"
    );
    let everything = ops.received_at("/everything");
    assert!(
        everything
            .iter()
            .all(|request| !String::from_utf8_lossy(&request.body).contains("webhook.endpoint")),
        "`*` is not our own topics"
    );
}

#[tokio::test]
async fn a_project_is_told_of_an_endpoint_that_is_gone_and_of_a_delivery_that_was_given_up() {
    let stack = Stack::start().await;
    let project = stack.project().await;
    let (gone, dead, ops) =
        (Receiver::start().await, Receiver::start().await, Receiver::start().await);
    gone.always(Reply::status(410));
    dead.always(Reply::status(500));
    let first = project.create_endpoint(&gone.url("/"), &["task.created"]).await;
    let second = project
        .create_endpoint_with(
            json!({"url": dead.url("/"), "topics": ["task.failed"], "retry_schedule": [1]}),
        )
        .await;
    project
        .create_endpoint(&ops.url("/"), &["webhook.endpoint.disabled", "webhook.delivery.failed"])
        .await;
    project.post_event("task.created", json!({})).await;
    let given_up = project.post_event("task.failed", json!({})).await;

    let about = async |kind: &str, endpoint: &str| {
        eventually(&format!("{kind} of {endpoint} is told"), async || {
            let events = ops.received_at("/").into_iter();
            let events = events.map(|request| serde_json::from_slice(&request.body).unwrap());
            let mut entries = events
                .filter(|event: &Json| event["kind"] == kind)
                .flat_map(|event: Json| event["data"]["entries"].as_array().unwrap().clone());
            entries.find(|entry| entry["endpoint"]["id"] == endpoint)
        })
        .await
    };
    let disabled = about("webhook.endpoint.disabled", &first.id).await;
    assert!(disabled["disabled_reason"].as_str().unwrap().contains("410"));
    let failed = about("webhook.delivery.failed", &second.id).await;
    assert_eq!(
        (&failed["message_id"], &failed["kind"], &failed["attempts"]),
        (&json!(given_up.id), &json!("task.failed"), &json!(2))
    );
    about("webhook.delivery.failed", &first.id).await;
}

#[tokio::test]
async fn an_endpoint_that_is_changed_starts_afresh_and_gets_what_was_parked_at_its_new_url() {
    let stack = Stack::start().await;
    let project = stack.project().await;
    let (down, new) = (Receiver::start().await, Receiver::start().await);
    down.always(Reply::status(500));
    let endpoint = project.create_endpoint(&down.url("/"), &["*"]).await;
    let batch: Vec<_> =
        (0..20).map(|n| json!({"kind": "task.created", "data": {"n": n}})).collect();
    project.post("/events/batch", json!({"events": batch})).await.expect(202);
    wait_for_parking(&project, &endpoint.id, true).await;
    let parked = project.post_event("task.created", json!({})).await;
    eventually("it is parked", async || {
        (project.message(&parked.id).await.deliveries[0].status == "parked").then_some(())
    })
    .await;

    let changed = project
        .patch(&format!("/webhooks/endpoints/{}", endpoint.id), json!({"url": new.url("/")}))
        .await
        .expect(200);
    assert_eq!(
        (&changed["health"]["state"], &changed["health"]["parking"]),
        (&json!("healthy"), &json!(false))
    );
    project.wait_for_message(&parked.id, "succeeded").await;
    assert!(new.received().iter().any(|request| *request.webhook_id() == parked.id));
    let seen = health(&project, &endpoint.id).await;
    assert!(seen["last_success_at"].is_u64(), "an endpoint shows its last success: {seen}");
}

#[tokio::test]
async fn topics_of_our_own_can_be_subscribed_to_but_not_posted_or_described() {
    let stack = Stack::shared().await;
    let project = stack.project().await;
    let event = json!({"kind": "webhook.endpoint.failing", "data": {}});
    project.post("/events", event).await.is_error(
        400,
        "validation_error",
        "reserved for Posthaste",
        Some("kind"),
    );
    let topic = project.put("/webhooks/topics/webhook.mine", json!({})).await;
    topic.is_error(400, "validation_error", "reserved for Posthaste", Some("name"));
    let topics = project.get("/webhooks/topics").await.expect(200);
    assert!(
        topics.as_array().unwrap().iter().any(|topic| topic["name"] == "webhook.endpoint.disabled")
    );
}

/// Half of all traffic goes to a receiver that never answers; the others' events must not wait for
/// it.
#[tokio::test]
async fn a_receiver_that_hangs_costs_its_own_deliveries_only() {
    let stack = Stack::start().await;
    let project = stack.project().await;
    let (hanging, well) = (Receiver::start().await, Receiver::start().await);
    hanging.always(Reply::slow(Duration::from_mins(5)));
    project
        .create_endpoint_with(
            json!({"url": hanging.url("/"), "topics": ["task.created"], "timeout_seconds": 1}),
        )
        .await;
    project.create_endpoint(&well.url("/"), &["task.updated"]).await;
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for (times, kinds) in
        [(&mut before, &["task.updated"][..]), (&mut after, &["task.created", "task.updated"][..])]
    {
        for n in 0..60 {
            for kind in kinds {
                let posted = std::time::Instant::now();
                let event = project.post_event(kind, json!({"n": n})).await;
                if *kind == "task.updated" {
                    times.push((event.id, posted));
                }
            }
        }
    }
    let arrived: HashMap<_, _> = well
        .wait_for(120)
        .await
        .into_iter()
        .map(|request| (request.webhook_id().clone(), request.arrived))
        .collect();
    let median = |times: Vec<(String, std::time::Instant)>| {
        let mut waits: Vec<_> = times
            .into_iter()
            .map(|(id, posted)| arrived[&id].saturating_duration_since(posted))
            .collect();
        waits.sort();
        waits[waits.len() / 2]
    };
    let (alone, beside) = (median(before), median(after));
    println!(
        "median from post to arrival: {alone:?} alone, {beside:?} beside a receiver that hangs"
    );
    // Not the promise itself (twice as long at most), which a loaded machine's clock can't be held
    // to, but far below one time-out.
    assert!(
        beside < Duration::from_millis(900),
        "{beside:?} beside a receiver that hangs, {alone:?} alone"
    );
}
