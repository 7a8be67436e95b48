//! Faults of AWS, at every call of every request: answered as without them, or with 503.

use domain::{delivery::End, delivery_row::State, model::Outcome};
use emulator::{
    samples,
    testing::{Answer, Trouble},
};
use runtime::clock;
use serde_json::{Value as Json, json};

use super::support::{Started, attempt, minute, start};

/// Requests about a message (its id stands for `{}`).
const REQUESTS: [(&str, &str, u16); 9] = [
    ("GET", "/events", 200),
    ("GET", "/events/{}", 200),
    ("GET", "/webhooks/messages?status=failed", 200),
    ("GET", "/webhooks/messages/{}", 200),
    ("GET", "/webhooks/delivery-attempts?message_id={}", 200),
    ("GET", "/webhooks/delivery-attempts?endpoint_id=we_01JZ0000000000000000000000", 200),
    ("GET", "/webhooks/endpoints/we_01JZ0000000000000000000000/deliveries", 200),
    ("GET", "/webhooks/endpoints/we_01JZ0000000000000000000000/recoveries", 200),
    ("POST", "/webhooks/messages/{}/resend", 202),
];

#[tokio::test]
async fn every_request_survives_every_fault_at_every_call() {
    let started = start().await;
    let event = started.event("task.created", minute(1)).await;
    let made = attempt(&event, 1, Outcome::HttpError, None);
    started.record(std::slice::from_ref(&made)).await;
    let endpoint = samples::ENDPOINT.parse().unwrap();
    started.row(&event.event, endpoint, State::Ended(End::Failed)).await;
    started.rows().note(&made, made.id).await.unwrap();
    for (method, path, status) in REQUESTS {
        let path = path.replace("{}", &event.event.id.to_string());
        let ask = async || -> Answer { started.api.ask(method, &path, Json::Null).await };
        let before = started.aws.faults().calls();
        let well = ask().await;
        assert_eq!(well.status, status, "{path}: {}", well.body);
        let calls = started.aws.faults().calls() - before;
        started.enqueued().await;
        for trouble in Trouble::few() {
            for place in 0..calls {
                let case = format!("{path}, call {place} of {calls}: {trouble:?}");
                started.aws.trouble("logs", place, trouble);
                let answer = ask().await;
                started.aws.faults().heal();
                let messages = started.enqueued().await;
                if answer.status == status {
                    assert_eq!(answer.body, well.body, "{case}");
                    assert_eq!(
                        messages.is_empty(),
                        method == "GET",
                        "{case}: what was accepted is on the queue"
                    );
                } else {
                    assert!(!trouble.passes_unseen(), "{case}: {} {}", answer.status, answer.body);
                    assert_eq!(
                        (answer.status, answer.text("kind"), answer.header("retry-after")),
                        (503, "unavailable", "1"),
                        "{case}"
                    );
                }
                assert!(
                    messages
                        .iter()
                        .all(|message| message.endpoint.to_string() == samples::ENDPOINT),
                    "{case}"
                );
            }
        }
    }
    recover(&started).await;
    let unstruck: Vec<_> =
        started.aws.allowed("logs").difference(&started.aws.faults().struck()).cloned().collect();
    assert!(unstruck.is_empty(), "these are all calls that the function may make: {unstruck:?}");
}

/// Counting what could be recovered: begun, or 503.
async fn recover(started: &Started) {
    let path = format!("/webhooks/endpoints/{}/recover", samples::ENDPOINT);
    let ask = async || {
        started
            .api
            .ask("POST", &path, json!({"since": clock::now().seconds() - 60, "dry_run": true}))
            .await
    };
    let before = started.aws.faults().calls();
    let begun = ask().await;
    assert_eq!(begun.status, 202);
    let calls = started.aws.faults().calls() - before;
    let progress = format!("{}/{}", path.replace("recover", "recoveries"), begun.text("id"));
    for trouble in Trouble::few() {
        started.aws.trouble("logs", 1, trouble);
        let answer = started.api.ask("GET", &progress, Json::Null).await;
        started.aws.faults().heal();
        assert!([200, 503].contains(&answer.status), "{trouble:?}: {}", answer.body);
        for place in 0..calls {
            started.aws.trouble("logs", place, trouble);
            let answer = ask().await;
            started.aws.faults().heal();
            assert!(
                [202, 503].contains(&answer.status),
                "call {place}: {trouble:?}: {} {}",
                answer.status,
                answer.body
            );
        }
    }
}
