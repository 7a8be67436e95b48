//! The conventions of lists, held to on a list of each kind.

use http::Method;
use serde_json::json;
use system_tests::{Client, Receiver, Stack};

const ITEMS: usize = 27;

/// Follows a list's links from `path` on; returns the pages' ids.
async fn follow(client: &Client, path: &str, rel: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        let page = client.get(&path).await;
        let ids = page.ids();
        assert!(pages.len() <= ITEMS, "the links of {path} lead in circles");
        assert_eq!(
            page.header("has-more"),
            if page.link(rel).is_some() { "true" } else { "false" },
            "{path}"
        );
        next = page.link(rel);
        pages.push(ids);
    }
    pages
}

/// Holds a list of `expected` ids, newest first, to the conventions.
async fn keeps_the_conventions(client: &Client, path: &str, expected: &[String]) {
    let with = |query: &str| format!("{path}{}{query}", if path.contains('?') { '&' } else { '?' });
    let mut oldest_first = expected.to_vec();
    oldest_first.reverse();

    let first = client.get(path).await;
    assert_eq!(first.ids(), expected[..20], "{path}: newest first, twenty by default");
    assert_eq!((first.header("limit"), first.header("has-more")), ("20", "true"));
    assert_eq!(client.get(&with("limit=100")).await.ids(), expected);
    assert_eq!(client.get(&with("limit=100")).await.header("has-more"), "false");

    for (order, all) in [("desc", expected), ("asc", oldest_first.as_slice())] {
        let pages = follow(client, &with(&format!("limit=10&order={order}")), "next").await;
        assert_eq!(pages.concat(), all, "{path} {order}: each once");
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 7]);
        let last = &all[ITEMS - 1];
        let mut pages =
            follow(client, &with(&format!("limit=10&order={order}&before={last}")), "prev").await;
        pages.reverse();
        assert_eq!(pages.concat(), all[..ITEMS - 1], "{path} {order}: and backwards");
    }
    assert_eq!(
        client.get(&with(&format!("limit=3&after={}", expected[4]))).await.ids(),
        expected[5..8]
    );
    assert_eq!(
        client.get(&with(&format!("limit=3&before={}", expected[8]))).await.ids(),
        expected[5..8],
        "the page right before"
    );
    assert!(client.get(&with(&format!("after={}", expected[ITEMS - 1]))).await.ids().is_empty());

    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("order=up", "order"),
        ("after=x", "after"),
        ("page=2", "page"),
    ] {
        client.get(&with(query)).await.is_error(400, "validation_error", "", Some(field));
    }
    let both = client.get(&with(&format!("after={0}&before={0}", expected[0]))).await;
    both.is_error(400, "validation_error", "combined", Some("before"));
}

#[tokio::test]
async fn endpoints_are_listed_by_the_conventions() {
    let project = Stack::shared().await.project().await;
    let mut ids = Vec::new();
    for _ in 0..ITEMS {
        ids.push(project.create_endpoint("https://example.com/", &["*"]).await.id);
    }
    ids.sort();
    ids.reverse();
    keeps_the_conventions(&project, "/webhooks/endpoints", &ids).await;
}

#[tokio::test]
async fn events_messages_and_attempts_are_listed_by_the_conventions() {
    let project = Stack::shared().await.project().await;
    let receiver = Receiver::start().await;
    let endpoint = project.create_endpoint(&receiver.url("/"), &["*"]).await;
    let mut ids = Vec::new();
    for number in 0..ITEMS {
        ids.push(project.post_event("task.created", json!({"number": number})).await.id);
    }
    for id in &ids {
        project.wait_for_message(id, "succeeded").await;
    }
    ids.reverse();
    keeps_the_conventions(&project, "/events", &ids).await;
    keeps_the_conventions(&project, "/webhooks/messages", &ids).await;
    let path = format!("/webhooks/endpoints/{}/deliveries", endpoint.id);
    let attempts: Vec<system_tests::Attempt> =
        project.get(&format!("{path}?limit=100")).await.read(200);
    let mut of: Vec<_> = attempts.iter().map(|attempt| attempt.message_id.clone()).collect();
    of.sort();
    of.reverse();
    assert_eq!(of, ids, "one of each event");
    let attempts: Vec<_> = attempts.into_iter().map(|attempt| attempt.id).collect();
    assert!(attempts.is_sorted_by(|one, next| one > next), "by their own time");
    keeps_the_conventions(&project, &path, &attempts).await;
    keeps_the_conventions(
        &project,
        &format!("/webhooks/delivery-attempts?endpoint_id={}", endpoint.id),
        &attempts,
    )
    .await;
}

#[tokio::test]
async fn a_messages_attempts_are_listed_by_the_conventions() {
    let project = Stack::shared().await.project().await;
    let receiver = Receiver::start().await;
    for _ in 0..ITEMS {
        project.create_endpoint(&receiver.url("/"), &["*"]).await;
    }
    let event = project.post_event("task.created", json!({})).await;
    project.wait_for_message(&event.id, "succeeded").await;
    let mut ids: Vec<_> =
        project.attempts(&event.id).await.into_iter().map(|attempt| attempt.id).collect();
    ids.reverse();
    keeps_the_conventions(
        &project,
        &format!("/webhooks/delivery-attempts?message_id={}", event.id),
        &ids,
    )
    .await;
}

#[tokio::test]
async fn keys_are_listed_by_the_conventions() {
    let stack = Stack::shared().await;
    let (project, operator) = (stack.project().await, stack.operator());
    let path = format!("/projects/{}/keys", project.project());
    for _ in 1..ITEMS {
        operator.new_key(project.project(), &["read"]).await;
    }
    let ids = operator.get(&format!("{path}?limit=100")).await.ids();
    assert!(ids.is_sorted_by(|a, b| a > b) && ids.len() == ITEMS);
    keeps_the_conventions(&operator, &path, &ids).await;
}

#[tokio::test]
async fn a_list_of_nothing_is_an_empty_array() {
    let project = Stack::shared().await.project().await;
    for path in ["/events", "/webhooks/messages", "/webhooks/endpoints"] {
        let answer = project.send(project.request(Method::GET, path)).await;
        assert_eq!(
            (answer.status, answer.text.as_str(), answer.header("has-more"), answer.header("link")),
            (200, "[]", "false", "")
        );
    }
}
