//! The topic catalogue.

use domain::system_event::SystemTopic;
use serde_json::{Value as Json, json};

use super::{create, minimal, path_of, start};

#[tokio::test]
async fn the_deployments_topics_are_listed_with_their_descriptions() {
    let started = start().await;
    let answer = started.api.ask("GET", "/webhooks/topics", Json::Null).await;
    let topics = answer.body.as_array().unwrap();
    assert_eq!((answer.status, topics.len()), (200, 8 + SystemTopic::ALL.len()));
    let example = json!({"id": "task_example", "object": "task", "status": "created"});
    let expected = json!({"name": "task.created", "object": "topic",
        "description": "A task was created", "example": example});
    assert!(topics.contains(&expected), "{}", answer.body);
}

#[tokio::test]
async fn a_projects_own_topic_can_be_subscribed_to_as_soon_as_it_is_there() {
    let started = start().await;
    let wanting = json!({"url": "https://example.com/", "topics": ["song.released"]});
    assert_eq!(started.api.ask("POST", "/webhooks/endpoints", wanting.clone()).await.status, 400);
    let new = started
        .api
        .ask("PUT", "/webhooks/topics/song.released", json!({"description": "A song is out"}))
        .await;
    assert_eq!((new.status, new.text("description")), (201, "A song is out"));
    assert_eq!(
        started.api.ask("PUT", "/webhooks/topics/song.released", json!({})).await.status,
        200
    );
    create(&started.api, wanting).await;

    assert_eq!(
        started.api.ask("DELETE", "/webhooks/topics/song.released", Json::Null).await.status,
        200
    );
    assert_eq!(
        started.api.ask("GET", "/webhooks/topics/song.released", Json::Null).await.status,
        404
    );
    assert_eq!(
        started.api.ask("DELETE", "/webhooks/topics/task.created", Json::Null).await.status,
        409
    );
}

#[tokio::test]
async fn an_unknown_topic_is_refused_in_a_change_as_well() {
    let started = start().await;
    let path = path_of(&create(&started.api, minimal()).await);
    let answer = started.api.ask("PATCH", &path, json!({"topics": ["task.created", "nope"]})).await;
    assert_eq!((answer.status, answer.text("field")), (400, "topics[1]"));
}

#[tokio::test]
async fn at_most_ten_endpoints_of_a_project_listen_to_system_events() {
    let started = start().await;
    let listening = json!({"url": "https://example.com/", "topics": ["*", "webhook.*"]});
    let mut paths = Vec::new();
    for _ in 0..10 {
        paths.push(path_of(&create(&started.api, listening.clone()).await));
    }
    let other = path_of(&create(&started.api, minimal()).await);
    let refused = started.api.ask("POST", "/webhooks/endpoints", listening).await;
    assert_eq!((refused.status, refused.text("field")), (400, "topics"));
    let one = json!({"topics": ["webhook.delivery.failed"]});
    assert_eq!(started.api.ask("PATCH", &other, one.clone()).await.status, 400);
    assert_eq!(started.api.ask("PATCH", &paths[0], one.clone()).await.status, 200, "it listens");
    started.api.ask("PATCH", &paths[0], json!({"topics": ["*"]})).await;
    assert_eq!(started.api.ask("PATCH", &other, one).await.status, 200);
}
