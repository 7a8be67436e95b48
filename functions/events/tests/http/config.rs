//! What a process knows of a project: it is read again when it has changed, and only then.

use domain::{
    id::EndpointId,
    model::{Automation, CatalogueEntry, Endpoint, Project, Scope, Status},
    time::Timestamp,
};
use emulator::samples;
use serde_json::json;
use store::{
    automations::AutomationStore, deliveries::DeliveryEndpoints, endpoints::EndpointStore,
    projects::ProjectStore, topics::TopicStore,
};

use super::{
    audience::automation,
    support::{Started, event, project, start, start_with},
};

/// Posts an event. The brand of each of its deliveries.
async fn brands(started: &Started) -> Vec<Option<String>> {
    let answer = started.api.ask("POST", "/events", event()).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    started.messages().await.into_iter().map(|message| message.brand).collect()
}

async fn deliveries(started: &Started) -> usize {
    brands(started).await.len()
}

fn endpoint(number: u128) -> Endpoint {
    let id = EndpointId::new(Timestamp::from_seconds(1), number);
    samples::endpoint_of(id, samples::RECEIVER, samples::SECRETS_KEY).unwrap()
}

/// Reads of the config table since they were last asked for.
fn reads(started: &Started) -> Vec<(String, u64)> {
    let config = started.aws.table_name(samples::CONFIG_TABLE);
    let calls = started.aws.calls().calls.into_iter();
    let reads = calls.filter(|call| call.caller == "events" && call.resource == config);
    let reads = reads.map(|call| (call.operation, call.count)).collect();
    started.aws.forget_calls();
    reads
}

#[tokio::test]
async fn one_read_proves_that_what_is_known_is_current_however_many_endpoints_there_are() {
    let endpoints: Vec<_> = (0..30).map(endpoint).collect();
    let Started { aws, api } = start_with(&endpoints).await;
    let api = api.with_key(&aws.key_of(samples::PROJECT, &[Scope::Events]).await);
    let started = Started { aws, api };
    assert_eq!(deliveries(&started).await, 30);
    reads(&started);
    assert_eq!(deliveries(&started).await, 30);
    assert_eq!(reads(&started), [("GetItem".to_owned(), 1)]);

    EndpointStore::new(started.config()).create(project(), &endpoint(30)).await.unwrap();
    assert_eq!(deliveries(&started).await, 31);
    assert_eq!(reads(&started), [("GetItem".to_owned(), 1), ("Query".to_owned(), 1)]);
    assert_eq!(deliveries(&started).await, 31);
    assert_eq!(reads(&started), [("GetItem".to_owned(), 1)]);
}

#[tokio::test]
async fn each_change_of_an_endpoint_counts_from_the_next_event_on() {
    let started = start_with(&[]).await;
    let store = EndpointStore::new(started.config());
    let at = |revision| Endpoint { revision, ..endpoint(1) };
    assert_eq!(deliveries(&started).await, 0);
    store.create(project(), &at(1)).await.unwrap();
    assert_eq!(deliveries(&started).await, 1, "created");
    store.replace(project(), &Endpoint { status: Status::Paused, ..at(1) }).await.unwrap();
    assert_eq!(deliveries(&started).await, 0, "paused");
    store.replace(project(), &at(2)).await.unwrap();
    assert_eq!(deliveries(&started).await, 1, "active again");
    let topics = vec!["task.failed".parse().unwrap()];
    store.replace(project(), &Endpoint { topics, ..at(3) }).await.unwrap();
    assert_eq!(deliveries(&started).await, 0, "subscribed to something else");
    store.replace(project(), &at(4)).await.unwrap();
    assert_eq!(deliveries(&started).await, 1, "and back");
    let deliver = DeliveryEndpoints::new(started.config(), started.config());
    assert!(deliver.disable(&at(5), "gone", Timestamp::from_seconds(2)).await.unwrap());
    assert_eq!(deliveries(&started).await, 0, "disabled");
    store.replace(project(), &at(6)).await.unwrap();
    assert_eq!(deliveries(&started).await, 1, "active again");
    assert!(store.delete(project(), at(1).id).await.unwrap());
    assert_eq!(deliveries(&started).await, 0, "deleted");
    assert!(!store.delete(project(), at(1).id).await.unwrap());
}

#[tokio::test]
async fn each_change_of_an_automation_counts_from_the_next_event_on() {
    let started = start_with(&[]).await;
    assert_eq!(deliveries(&started).await, 0);
    let automation = automation(&started, &["a", "b"]).await;
    assert_eq!(deliveries(&started).await, 2, "created");
    let store = AutomationStore::new(started.config());
    let paused = Automation { active: false, ..automation.clone() };
    store.replace(project(), &paused).await.unwrap();
    assert_eq!(deliveries(&started).await, 0, "paused");
    store.replace(project(), &Automation { revision: 2, ..automation.clone() }).await.unwrap();
    assert_eq!(deliveries(&started).await, 2, "active again");
    assert!(store.delete(project(), automation.id).await.unwrap());
    assert_eq!(deliveries(&started).await, 0, "deleted");
}

#[tokio::test]
async fn each_change_of_a_topic_or_the_project_counts_from_the_next_event_on() {
    let started = start().await;
    let own = json!({"kind": "own.topic", "data": {}});
    let status = async || started.api.ask("POST", "/events", own.clone()).await.status;
    assert_eq!(status().await, 400, "there is no such topic yet");
    let entry = CatalogueEntry {
        name: "own.topic".parse().unwrap(),
        description: String::new(),
        example: None,
    };
    let topics = TopicStore::new(started.config());
    topics.put(project(), &entry).await.unwrap();
    assert_eq!(status().await, 202);
    assert!(topics.delete(project(), &entry.name).await.unwrap());
    assert_eq!(status().await, 400);

    started.messages().await;
    assert_eq!(brands(&started).await, [None]);
    let branded = Project { brand: Some("Acme".to_owned()), ..samples::project().unwrap() };
    ProjectStore::new(started.config()).replace(&branded).await.unwrap();
    assert_eq!(brands(&started).await, [Some("Acme".to_owned())]);
}
