//! What a project may read and cause.

use std::collections::BTreeSet;

use domain::{
    id::EndpointId,
    model::{Origin, Outcome, Scope, Target, event::LoggedEvent},
    time::Timestamp,
};
use emulator::samples;
use serde_json::{Value as Json, json};
use store::{Access, events::EventWriter};

use super::support::{Started, attempt, event, minute, start};

async fn limit(started: &Started, limits: Json) {
    let row =
        json!({"pk": {"S": "STATUS"}, "sk": {"S": "STATUS"}, samples::PROJECT: {"M": limits}});
    started.aws.put_row(samples::CONFIG_TABLE, &row).await;
}

/// Events of the last minutes that went to this many endpoints each.
async fn to_many(started: &Started, events: u64, endpoints: u128) {
    let id = |number| EndpointId::new(Timestamp::from_seconds(1), number);
    let target = |number| Target::new(id(number), samples::RECEIVER.to_owned(), Origin::Endpoint);
    let access = Access::of_project(&samples::project().unwrap());
    let writer = EventWriter::new(started.log(), 30);
    for number in 0..events {
        let at = minute(number);
        let targets = (0..endpoints).map(target).collect();
        let logged =
            LoggedEvent { event: event("{}", at), targets, missed: Vec::new(), accepted_at: at };
        writer.record(access, [&logged], || at).await.unwrap();
    }
}

fn queries(started: &Started) -> u64 {
    let calls = started.aws.calls().calls.into_iter();
    calls.filter(|call| call.operation == "Query").map(|call| call.count).sum()
}

#[tokio::test]
async fn a_list_of_messages_makes_a_bounded_number_of_reads_and_goes_on_where_it_stopped() {
    let started = start().await;
    to_many(&started, 12, 80).await;
    let mut seen = BTreeSet::new();
    let mut path = "/webhooks/messages?limit=100".to_owned();
    loop {
        started.aws.forget_calls();
        let page = started.api.ask("GET", &path, Json::Null).await;
        assert_eq!(page.status, 200, "{}", page.body);
        let ids = page.body.as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap());
        let ids: Vec<_> = ids.map(str::to_owned).collect();
        // 321 calls each, and those that read the events.
        assert!(
            ids.len() <= 2 && queries(&started) < 900,
            "{} by {}",
            ids.len(),
            queries(&started)
        );
        let last = ids.last().unwrap().clone();
        assert!(ids.into_iter().all(|id| seen.insert(id)), "none comes twice");
        if page.header("has-more") == "false" {
            break;
        }
        path = format!("/webhooks/messages?limit=100&after={last}");
    }
    assert_eq!(seen.len(), 12);
}

#[tokio::test]
async fn one_message_is_shown_however_many_endpoints_it_went_to() {
    let started = start().await;
    to_many(&started, 2, 500).await;
    let page = started.api.ask("GET", "/webhooks/messages?limit=1", Json::Null).await;
    assert_eq!(page.body[0]["deliveries"].as_array().unwrap().len(), 500);
}

#[tokio::test]
async fn who_reads_too_much_gets_429_and_writes_nothing_meanwhile() {
    let started = start().await;
    limit(&started, json!({"reads": {"N": "20"}})).await;
    to_many(&started, 3, 80).await;
    let api = started.api.with_key(&started.aws.key_of(samples::PROJECT, &[Scope::Read]).await);
    let ask = async || api.ask("GET", "/webhooks/messages", Json::Null).await;
    let mut answered = 0;
    let refused = loop {
        let answer = ask().await;
        match answer.status {
            200 if answered < 50 => answered += 1,
            _ => break answer,
        }
    };
    assert_eq!((refused.status, refused.text("kind")), (429, "rate_limited"), "{}", refused.body);
    assert!(refused.text("message").contains("20 reads a second"), "{}", refused.body);
    // 1,000 units freely, 200 as a burst; a call takes some 700.
    assert!((2..=5).contains(&answered), "{answered}");
    started.aws.forget_calls();
    for _ in 0..10 {
        assert_eq!(ask().await.status, 429);
    }
    assert!(queries(&started) == 0 && started.aws.calls().calls.is_empty());
}

#[tokio::test]
async fn resends_are_charged() {
    let started = start().await;
    limit(&started, json!({"deliveries": {"N": "1"}})).await;
    let event = started.event("task.created", minute(1)).await;
    started.record(&[attempt(&event, 1, Outcome::Succeeded, None)]).await;
    let path = format!("/webhooks/messages/{}/resend", event.event.id);
    let mut accepted = 0;
    while started.api.ask("POST", &path, Json::Null).await.status == 202 {
        accepted += 1;
    }
    // A hundred freely (on a slow machine in a second window too), ten as a burst, and one for each
    // second that it took.
    assert!((100..=250).contains(&accepted), "{accepted}");
}
