//! How much a project may have.

use domain::{id::EndpointId, model::CatalogueEntry, time::Timestamp};
use emulator::samples;
use futures::future::join_all;
use serde_json::{Value as Json, json};
use store::{Access, Table, topics::TopicStore};

use super::{Started, minimal, start};

/// The most endpoints of a project, and the most topics of its own.
const MOST: u64 = 500;

async fn with_endpoints(count: u64) -> Started {
    let started = start().await;
    let id = |number| EndpointId::new(Timestamp::from_seconds(1_800_000_000 + number), 1);
    let all: Vec<_> = (0..count)
        .map(|number| {
            samples::endpoint_of(id(number), "https://example.com/", samples::SECRETS_KEY).unwrap()
        })
        .collect();
    started.aws.plant(&all).await;
    started
}

#[tokio::test]
async fn a_project_has_at_most_500_endpoints() {
    let started = with_endpoints(MOST).await;
    let refused = started.api.ask("POST", "/webhooks/endpoints", minimal()).await;
    assert_eq!((refused.status, refused.text("kind")), (409, "conflict"), "{}", refused.body);
    assert!(refused.text("message").contains("500 endpoints"));

    let some = EndpointId::new(Timestamp::from_seconds(1_800_000_000), 1);
    assert_eq!(
        started.api.ask("DELETE", &format!("/webhooks/endpoints/{some}"), Json::Null).await.status,
        200
    );
    assert_eq!(
        started.api.ask("POST", "/webhooks/endpoints", minimal()).await.status,
        201,
        "one less leaves room for one"
    );
}

/// The limit keeps one Query small. It is not a quota that customers pay for, so requests at the
/// same moment may exceed it; a later one may not.
#[tokio::test]
async fn creations_at_once_exceed_the_limit_by_no_more_than_they_are() {
    let started = with_endpoints(MOST - 1).await;
    let answers =
        join_all((0..4).map(|_| started.api.ask("POST", "/webhooks/endpoints", minimal()))).await;
    assert!(answers.iter().all(|answer| [201, 409].contains(&answer.status)), "{answers:?}");
    assert!(answers.iter().any(|answer| answer.status == 201));
    assert_eq!(started.api.ask("POST", "/webhooks/endpoints", minimal()).await.status, 409);
}

#[tokio::test]
async fn a_project_adds_at_most_500_topics_and_may_always_redescribe_them() {
    let started = start().await;
    let config = Table::new(
        aws_sdk_dynamodb::Client::new(&started.aws.sdk_config()),
        started.aws.table_name("ConfigTable"),
    );
    let (topics, project) =
        (TopicStore::new(config), Access::of_project(&samples::project().unwrap()));
    for number in 0..MOST {
        let entry = CatalogueEntry {
            name: format!("own.{number}").parse().unwrap(),
            description: String::new(),
            example: None,
        };
        topics.put(project, &entry).await.unwrap();
    }
    let refused = started.api.ask("PUT", "/webhooks/topics/one.more", json!({})).await;
    assert_eq!((refused.status, refused.text("kind")), (409, "conflict"), "{}", refused.body);
    assert!(refused.text("message").contains("500 topics"));
    assert_eq!(
        started
            .api
            .ask("PUT", "/webhooks/topics/own.7", json!({"description": "anew"}))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_project_has_at_most_50_automations() {
    let started = start().await;
    let step = json!({"kind": "webhook", "url": "https://example.com/a"});
    let wanted = json!({"trigger": {"kind": "event", "event": "task.created"}, "workflow": [step]});
    let mut path = String::new();
    for number in 1..=50 {
        let created = started.api.ask("POST", "/automations", wanted.clone()).await;
        assert_eq!(created.status, 201, "{number}: {}", created.body);
        path = format!("/automations/{}", created.text("id"));
    }
    let refused = started.api.ask("POST", "/automations", wanted.clone()).await;
    assert_eq!((refused.status, refused.text("kind")), (409, "conflict"), "{}", refused.body);
    assert!(refused.text("message").contains("50 automations"));

    assert_eq!(started.api.ask("DELETE", &path, Json::Null).await.status, 200);
    assert_eq!(
        started.api.ask("POST", "/automations", wanted).await.status,
        201,
        "one less leaves room for one"
    );
}
