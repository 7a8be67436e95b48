//! What projects are told of, a minute's at a time.

use std::collections::BTreeSet;

use domain::{
    id::EndpointId,
    message::Message,
    system_event::{ReportKey, SystemEvent, SystemTopic},
    work::{Work, decode},
};
use emulator::testing::Trouble;
use futures::stream::{self, StreamExt};
use serde_json::Value as Json;
use store::{due::DueRow, news::NewsStore};

use super::*;

const TOPIC: SystemTopic = SystemTopic::DeliveryFailed;

fn id(number: u128) -> EndpointId {
    EndpointId::new(Timestamp::from_seconds(2), number)
}

impl Started {
    /// An endpoint that listens to system events.
    async fn listener(&self, number: u128) {
        let endpoint = samples::endpoint_of(id(number), samples::RECEIVER, samples::SECRETS_KEY);
        let topics = vec!["webhook.*".parse().unwrap()];
        self.aws.plant(&[Endpoint { topics, ..endpoint.unwrap() }]).await;
    }

    /// Notes that this many deliveries to an endpoint were given up, in the minute of `now`.
    async fn note(&self, about: EndpointId, count: u128, now: Timestamp) -> ReportKey {
        let project = samples::PROJECT.parse().unwrap();
        let entry = |number| {
            let (event, kind) = (EventId::new(now, number), "task.created".parse().unwrap());
            let failed = SystemEvent::DeliveryFailed { event, kind, attempts: 8 };
            failed.entry(about, samples::RECEIVER)
        };
        let entries: Vec<_> = (0..count).map(entry).collect();
        let report = ReportKey::at(project, TOPIC, now);
        NewsStore::new(self.table("StateTable")).note(report, &entries).await.unwrap();
        report
    }

    /// A run at this time.
    async fn run_at(&self, now: Timestamp) {
        let (config, settings) = (self.aws.sdk_config_of("jobs"), self.aws.settings_of("jobs"));
        let app = App::by_clock(&config, &settings, move || now).unwrap();
        jobs::run(&app, now + Duration::from_secs(10)).await.unwrap();
    }

    /// The first messages that were sent.
    async fn sent(&self) -> Vec<Message> {
        let sqs = aws_sdk_sqs::Client::new(&self.aws.sdk_config());
        let mut sent = Vec::new();
        loop {
            let receive = sqs.receive_message().queue_url(self.aws.queue_url("DeliveriesQueue"));
            let received = receive.max_number_of_messages(10).send().await.unwrap();
            if received.messages().is_empty() {
                return sent;
            }
            for message in received.messages() {
                if let Work::First(message) = decode(message.body().unwrap()).unwrap() {
                    sent.push(*message);
                }
            }
        }
    }
}

/// Half a minute ago, or so: the report's minute is over at [`later`].
fn earlier() -> Timestamp {
    Timestamp::from_seconds(clock::now().seconds())
}

fn later(report: ReportKey) -> Timestamp {
    report.due_at()
}

fn data_of(message: &Message) -> Json {
    serde_json::from_str(message.event.data.get()).unwrap()
}

#[tokio::test]
async fn all_that_fails_within_a_minute_is_one_event_to_each_listener() {
    let started = start().await;
    for number in 1..=3 {
        started.listener(number).await;
    }
    let now = earlier();
    let mut report = started.note(id(100), 10, now).await;
    for _ in 0..49 {
        report = started.note(id(101), 10, now).await;
    }
    started.run_at(now).await;
    assert!(started.sent().await.is_empty(), "its minute is not over");
    started.run_at(later(report)).await;
    let sent = started.sent().await;
    assert_eq!(sent.iter().map(|it| it.endpoint).collect::<BTreeSet<_>>().len(), 3);
    assert_eq!(sent.len(), 3);
    let data = data_of(&sent[0]);
    assert_eq!((&data["count"], data["entries"].as_array().unwrap().len()), (&json!(500), 100));
    assert_eq!(data["entries"][0]["endpoint"]["id"], id(100).to_string());
    started.run_at(later(report) + Duration::from_mins(1)).await;
    // The list may show it for longer.
    let (config, settings) = (started.aws.sdk_config_of("jobs"), started.aws.settings_of("jobs"));
    let app = App::by_clock(&config, &settings, move || later(report)).unwrap();
    app.step(DueRow::Report(report)).await.unwrap();
    assert!(started.sent().await.is_empty(), "it is told once");
}

#[tokio::test]
async fn what_comes_when_a_report_is_closed_is_in_the_next_one() {
    let started = start().await;
    started.listener(1).await;
    let now = earlier();
    let first = started.note(id(100), 1, now).await;
    started.run_at(later(first)).await;
    started.note(id(100), 2, now).await;
    started.run_at(later(first.next())).await;
    let counts: Vec<_> =
        started.sent().await.iter().map(|it| data_of(it)["count"].clone()).collect();
    assert_eq!(counts, [1, 2]);
}

#[tokio::test]
async fn an_endpoint_is_not_told_of_itself_and_at_most_ten_are_told() {
    let started = start().await;
    for number in 1..=13 {
        started.listener(number).await;
    }
    let report = started.note(id(1), 2, earlier()).await;
    started.run_at(later(report)).await;
    let told: Vec<_> = started.sent().await.iter().map(|message| message.endpoint).collect();
    assert_eq!(told, (2..=11).map(id).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_report_survives_every_fault_of_jobs() {
    let story = async |place, trouble: Option<Trouble>| {
        let started = start().await;
        started.listener(1).await;
        let report = started.note(id(100), 7, earlier()).await;
        if let Some(trouble) = trouble {
            started.aws.trouble("jobs", place, trouble);
        }
        let (config, settings) =
            (started.aws.sdk_config_of("jobs"), started.aws.settings_of("jobs"));
        let app = App::by_clock(&config, &settings, move || later(report)).unwrap();
        let deadline = later(report) + Duration::from_secs(8);
        let before = started.calls();
        let _ = jobs::run(&app, deadline).await;
        let calls = usize::try_from(started.calls() - before).unwrap();
        started.aws.faults().heal();
        // The lease of the run before is over then, and the event no longer in its place.
        started.run_at(later(report) + Duration::from_mins(10)).await;
        let sent = started.sent().await;
        let case = format!("call {place}: {trouble:?}");
        assert!(!sent.is_empty(), "{case}: it is told");
        assert_eq!(sent.iter().map(|it| it.event.id).collect::<BTreeSet<_>>().len(), 1, "{case}");
        assert!(sent.iter().all(|it| data_of(it)["count"] == 7), "{case}");
        started.run_at(later(report) + Duration::from_mins(20)).await;
        assert!(started.sent().await.is_empty(), "{case}: it is told no more");
        calls
    };
    let calls = story(0, None).await;
    assert!(calls > 20, "{calls}");
    // The first 16 calls read what is due.
    let cases = Trouble::all().flat_map(|trouble| (16..calls).map(move |place| (place, trouble)));
    let tried = stream::iter(cases).map(async |(place, trouble)| story(place, Some(trouble)).await);
    tried.buffer_unordered(4).map(drop).collect::<()>().await;
}
