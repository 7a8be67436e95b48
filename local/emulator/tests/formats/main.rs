//! What tables and queues hold is read: `shared/store/tests/formats` keeps samples of every
//! version.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod deliveries;
mod messages;
mod others;

use std::collections::BTreeMap;
use std::path::PathBuf;

use domain::id::{EndpointId, EventId, ProjectId};
use domain::model::{ApiKey, Outcome, Project, Scope, Status, Target, Trigger};
use domain::signing::Vault;
use domain::time::Timestamp;
use emulator::samples;
use emulator::testing::AwsStandIn;
use messages::{again, message};
use runtime::clock;
use serde_json::Value as Json;
use store::Access;
use store::idempotency::{IdempotencyKeys, KeyOf, Known};
use store::{
    PageRequest, Table,
    api_keys::{KeyReader, KeyStore},
    attempt_reader::AttemptReader,
    deliveries::DeliveryEndpoints,
    endpoints::EndpointStore,
    events::EventReader,
    list::Order,
    project_config::ProjectConfigs,
    projects::{ProjectReader, ProjectStore},
    topics::TopicStore,
};

/// The sample key in clear text.
const KEY: &str = "phk_of_the_formats_test";
const EVENT: &str = "evt_01M7YQT4SHA7JXK5153DXWTH0V";
const LARGE_EVENT: &str = "evt_01M7YQT4V8DM4ST7E8R109S6PY";
const FULL: &str = "we_01JZ0000000000000000000000";
/// The project of [`others`].
const OTHER: &str = "proj_01JZ0000000000000000000001";
const MINIMAL: &str = "we_01JZ0000000000000000000001";

fn folder(version: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/store/tests/formats").join(version)
}

/// The samples of a version, by their files' names without `.json`.
fn samples_of(version: &str) -> BTreeMap<String, String> {
    let files = std::fs::read_dir(folder(version)).unwrap().map(|file| file.unwrap().path());
    let samples = files.filter(|path| path.extension().is_some_and(|kind| kind == "json"));
    samples
        .map(|path| {
            (
                path.file_stem().unwrap().to_string_lossy().into_owned(),
                std::fs::read_to_string(path).unwrap(),
            )
        })
        .collect()
}

/// Tables that hold a version's samples.
struct Past {
    config: Table,
    log: Table,
    state: Table,
    project: Access,
    /// The project with the rows that came later.
    other: Access,
    aws: AwsStandIn,
}

async fn past(version: &str) -> Past {
    let aws = AwsStandIn::start().await;
    for sample in samples_of(version).into_values() {
        let sample: Json = serde_json::from_str(&sample).unwrap();
        // Messages are in no table.
        if let Some(table) = sample["table"].as_str() {
            aws.put_row(table, &sample["item"]).await;
        }
    }
    let dynamodb = aws_sdk_dynamodb::Client::new(&aws.sdk_config());
    let table = |name: &str| Table::new(dynamodb.clone(), aws.table_name(name));
    let access = |id: &str| {
        let id: ProjectId = id.parse().unwrap();
        Access::of_project(&Project::new(id, String::new(), id.time()))
    };
    Past {
        config: table("ConfigTable"),
        state: table("StateTable"),
        log: table("LogTable"),
        project: access(samples::PROJECT),
        other: access(OTHER),
        aws,
    }
}

fn all<Id>() -> PageRequest<Id> {
    PageRequest {
        limit: 100,
        order: Order::Asc,
        after: None,
        before: None,
        since: None,
        until: None,
    }
}

#[tokio::test]
async fn endpoints_of_version_1() {
    let past = past("v1").await;
    let vault: Vault = samples::SECRETS_KEY.parse().unwrap();
    let store = EndpointStore::new(past.config.clone());
    let full = store.get(past.project, FULL.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(
        (full.name.as_deref(), full.description.as_deref()),
        (Some("Full"), Some("Every field"))
    );
    assert_eq!((full.metadata["team"].as_str(), full.timeout_seconds), ("a", Some(7)));
    assert_eq!(
        (full.status, full.disabled_reason.as_deref()),
        (Status::Disabled, Some("the receiver answered 410 Gone"))
    );
    assert_eq!(
        full.signatures.iter().map(|style| style.name()).collect::<Vec<_>>(),
        ["standard", "timestamped"]
    );
    assert_eq!(serde_json::to_value(&full.headers).unwrap()["x-tenant"], "7");
    assert_eq!(serde_json::to_value(&full.retry_schedule).unwrap(), serde_json::json!([5, 300]));
    let live = full.live_secrets(clock::now(), &vault).unwrap();
    assert_eq!(
        live.iter().map(domain::signing::Secret::reveal).collect::<Vec<_>>(),
        [samples::SECRET; 2],
        "the present one, and one that retires"
    );

    let minimal = store.get(past.project, MINIMAL.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(
        (minimal.url.as_written(), minimal.body.name(), minimal.status),
        ("https://example.com/minimal", "event", Status::Active)
    );
    assert_eq!(minimal.live_secrets(clock::now(), &vault).unwrap()[0].reveal(), samples::SECRET);
    // It can be changed, and read again.
    let changed = domain::model::Endpoint { name: Some("Changed".to_owned()), ..minimal };
    store.replace(past.project, &changed).await.unwrap();
    let changed = domain::model::Endpoint { revision: 2, ..changed };
    assert_eq!(store.get(past.project, changed.id).await.unwrap(), Some(changed));

    let config = ProjectConfigs::new(past.config.clone()).load(past.project).await.unwrap();
    let topic = "task.created".parse().unwrap();
    assert_eq!(
        config.endpoints.iter().map(|endpoint| endpoint.wants(&topic)).collect::<Vec<_>>(),
        [false, true],
        "one is disabled"
    );
    assert_eq!(config.endpoints[1].url, "https://example.com/minimal");
    assert_eq!(config.topics, ["own.topic".parse().unwrap()]);
    assert_eq!(config.project.as_ref().unwrap().brand.as_deref(), Some("Acme"));
    let loaded = DeliveryEndpoints::new(past.config, past.log)
        .load([&message("message-minimal")])
        .await
        .unwrap();
    assert_eq!(
        loaded.endpoints[&MINIMAL.parse::<EndpointId>().unwrap()].as_ref().unwrap().name.as_deref(),
        Some("Changed")
    );
}

#[tokio::test]
async fn projects_keys_and_topics_of_version_1() {
    let past = past("v1").await;
    let project =
        ProjectReader::new(past.config.clone()).get(past.project.project()).await.unwrap().unwrap();
    assert_eq!((project.name.as_str(), project.brand.as_deref()), ("Samples", Some("Acme")));
    let listed =
        ProjectStore::new(past.config.clone()).list(&all(), clock::now()).await.unwrap().items;
    assert_eq!(listed.first(), Some(&project));

    let found = KeyReader::new(past.config.clone())
        .find(&ApiKey::presented(KEY).hash())
        .await
        .unwrap()
        .unwrap();
    assert_eq!((found.name.as_deref(), &found.scopes[..]), (Some("CI"), &Scope::ALL[..]));
    let keys = KeyStore::new(past.config.clone());
    assert_eq!(
        keys.list(past.project.project(), &all(), clock::now()).await.unwrap().items,
        std::slice::from_ref(&found)
    );
    assert!(keys.revoke(past.project.project(), found.id).await.unwrap());
    assert!(KeyReader::new(past.config.clone()).find(&found.hash).await.unwrap().is_none());

    let [topic] = TopicStore::new(past.config).all(past.project).await.unwrap().try_into().unwrap();
    assert_eq!(
        (topic.name.to_string().as_str(), topic.description.as_str()),
        ("own.topic", "Their own")
    );
}

#[tokio::test]
async fn events_of_version_1() {
    let past = past("v1").await;
    let reader = EventReader::new(past.log);
    let small =
        reader.get(past.project, EVENT.parse().unwrap(), clock::now()).await.unwrap().unwrap();
    assert_eq!(
        (small.event.data.get(), small.event.created_at),
        (r#"{"id":"task_1"}"#, 1_751_328_000)
    );
    assert_eq!(
        (small.event.user_id.as_deref(), small.event.worker_id.as_deref()),
        (Some("u"), Some("w"))
    );
    assert_eq!(
        (small.event.metadata.unwrap().get(), small.accepted_at.millis()),
        (r#"{"a":1}"#, 1_795_254_194_993)
    );
    let Target { endpoint, url, .. } = &small.targets[0];
    assert_eq!(
        (endpoint.to_string().as_str(), url.as_str()),
        (MINIMAL, "https://example.com/minimal")
    );
    let large = reader
        .get(past.project, LARGE_EVENT.parse().unwrap(), clock::now())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(large.event.data.get(), format!(r#"{{"text":"{}"}}"#, "abc ".repeat(1_000)));
    let listed = reader
        .list(past.project, &all::<EventId>(), clock::now(), |event| async move {
            Ok(Some(event.event.id))
        })
        .await
        .unwrap();
    assert_eq!(
        listed.items.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [EVENT, LARGE_EVENT]
    );
}

#[tokio::test]
async fn attempts_of_version_1() {
    let past = past("v1").await;
    let (endpoint, now) = (MINIMAL.parse().unwrap(), clock::now());
    let reader = AttemptReader::new(past.log);
    let listed = reader.list(past.project, endpoint, &all(), now, |_| true).await.unwrap();
    let [full, minimal] = listed.items.try_into().unwrap();
    assert!(full.event == minimal.event && full.event.to_string() == EVENT);
    assert_eq!(
        (full.outcome, full.response_status, full.response_body.as_deref()),
        (Outcome::HttpError, Some(503), Some("later"))
    );
    assert_eq!(
        (full.trigger, full.round.map(|round| round.to_string())),
        (Trigger::Manual, Some("rnd_01M7YQT4SHA7JXK5153DXWTH0Y".to_owned()))
    );
    assert_eq!(
        (full.error.as_deref(), full.next_attempt_at.map(Timestamp::millis)),
        (Some("the receiver answered 503"), Some(1_795_254_200_993))
    );
    assert_eq!(
        (minimal.outcome, minimal.trigger, minimal.duration_ms),
        (Outcome::Succeeded, Trigger::Scheduled, 12)
    );
    let slice = reader.slice(past.project, endpoint, 0, 9, now).await.unwrap();
    assert_eq!(slice, [minimal, full], "the newest first");
    assert!(reader.has_any(past.project, endpoint).await.unwrap());
}

#[tokio::test]
async fn idempotency_keys_of_version_1() {
    let past = past("v1").await;
    let keys = IdempotencyKeys::new(past.log);
    let fingerprint = "4b4cdef0f9c26840cc03f3693fff6c8e1bdf8da2bdb0ee96178f6f5f5b41d77d";
    let same = KeyOf { text: "k".to_owned(), fingerprint: fingerprint.to_owned() };
    let other = KeyOf { fingerprint: "other".to_owned(), ..same.clone() };
    let (new, now) = (EventId::new(clock::now(), 1), clock::now());
    for (key, known) in [(same, Known::Same(EVENT.parse().unwrap())), (other, Known::Other)] {
        assert_eq!(keys.find(past.project, &key, now).await.unwrap(), known);
        assert_eq!(keys.put(past.project, &key, new, now, now).await.unwrap(), known);
    }
    let unused = KeyOf { text: "l".to_owned(), fingerprint: String::new() };
    assert_eq!(keys.find(past.project, &unused, now).await.unwrap(), Known::New);
}
