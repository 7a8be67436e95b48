//! Callers that send garbage, on every route of the template: each answer is a documented one, in
//! our format, and what was refused has changed nothing.
//!
//! What is sent is random but the same in each run. Requests are written to the socket as bytes,
//! since an HTTP client would tidy them. The front door refuses some of them itself, as API Gateway
//! would; those get no request id, and don't count, as they test no function.

mod garbage;
mod raw;

use std::time::{Duration, Instant};

use futures::future::join_all;
use sam_template::{HttpRoute, Settings, Template};
use serde_json::json;
use system_tests::{Client, Stack, workspace};

use garbage::{Garbage, Ids};

/// How long garbage is sent, and how much at least.
const TIME: Duration = Duration::from_secs(25);
const AT_LEAST: usize = 300;
/// Requests between two looks at the project.
const ROUND: usize = 24;
/// Requests at once.
const TOGETHER: usize = 4;

fn routes() -> Vec<HttpRoute> {
    let template =
        Template::read(&workspace().join("template.yaml"), &Settings::default()).unwrap();
    template
        .functions
        .into_iter()
        .flat_map(|function| function.routes)
        .filter(|route| route.path != "$default")
        .collect()
}

/// All that the API shows of a project.
async fn snapshot(project: &Client, operator: &Client) -> Vec<String> {
    let mut seen = Vec::new();
    for path in
        ["/webhooks/endpoints?limit=100", "/webhooks/topics", "/webhooks/messages?limit=100"]
    {
        seen.push(project.get(path).await.expect(200).to_string());
    }
    seen.push(
        operator.get(&format!("/projects/{}", project.project())).await.expect(200).to_string(),
    );
    seen.push(
        operator
            .get(&format!("/projects/{}/keys", project.project()))
            .await
            .expect(200)
            .to_string(),
    );
    seen
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story")]
async fn garbage_on_every_route_gets_a_4xx_in_our_format_and_changes_nothing() {
    let stack = Stack::start().await;
    let (project, other, operator) =
        (stack.project().await, stack.project().await, stack.operator());
    let endpoint = project
        .create_endpoint_with(json!({"url": "https://example.com/", "topics": ["run.failed"]}))
        .await;
    let foreign = other.create_endpoint("https://example.com/", &["run.failed"]).await;
    let ids = Ids {
        project: project.project().to_owned(),
        endpoint: endpoint.id,
        event: project.post_event("task.created", json!({})).await.id,
        foreign: vec![
            other.project().to_owned(),
            foreign.id,
            other.post_event("task.created", json!({})).await.id,
        ],
    };
    let routes = routes();
    let mut garbage =
        Garbage::new(stack.ready().operator_key.clone(), project.key().to_owned(), ids);

    let (started, mut sent, mut refused, mut at_the_door) = (Instant::now(), 0, 0, 0);
    let mut before = snapshot(&project, &operator).await;
    let mut next = routes.iter().cycle();
    while sent < AT_LEAST || started.elapsed() < TIME && sent < 20_000 {
        let requests: Vec<_> =
            next.by_ref().take(ROUND).map(|route| garbage.request(route)).collect();
        let mut all_refused = true;
        for together in requests.chunks(TOGETHER) {
            let answers =
                join_all(together.iter().map(|request| raw::send(stack.base_url(), request))).await;
            for (request, answer) in together.iter().zip(answers) {
                let shown = String::from_utf8_lossy(&request[..request.len().min(1_500)]);
                let answer =
                    answer.unwrap_or_else(|error| panic!("no answer ({error}) to:\n{shown}"));
                answer
                    .check()
                    .unwrap_or_else(|fault| panic!("{fault}: {answer:?}, the answer to:\n{shown}"));
                all_refused &= answer.status >= 400 || request.starts_with(b"GET ");
                refused += usize::from(answer.status >= 400);
                at_the_door += usize::from(answer.at_the_door());
                sent += 1;
            }
        }
        let after = snapshot(&project, &operator).await;
        if all_refused {
            assert_eq!(
                after,
                before,
                "refused requests have changed something; the last ones were:\n{}",
                garbage::shown(&requests)
            );
        }
        before = after;
    }
    eprintln!(
        "{sent} requests to {} routes in {:?}: {refused} refused, {at_the_door} of them at the \
            door",
        routes.len(),
        started.elapsed()
    );
    assert!(
        refused > sent / 2 && at_the_door < sent / 4,
        "this is no garbage, or it is stopped at the door"
    );
    let faults: Vec<_> = stack
        .log_lines()
        .into_iter()
        .filter(|line| line.contains("panicked") || line.contains("\"ERROR\""))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test]
async fn no_header_of_an_endpoint_can_end_its_line_or_stand_for_ours() {
    let project = Stack::shared().await.project().await;
    let names = [
        "host",
        "Content-Length",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "upgrade",
        "expect",
        "proxy-authorization",
        "webhook-id",
        "webhook-signature",
        "svix-id",
        "posthaste-signature",
        "x-posthaste-token",
        "x-forwarded-for",
        "x-amz-date",
        "cookie",
        "user-agent",
        "content-type",
        "",
        "a b",
        "a:b",
        "a\r\nb: c",
        "ä",
        "a\u{0}",
    ];
    let values =
        ["a\r\nhost: evil", "a\nb", "a\rb", "\u{0}", "é", "\u{7f}", " padded ", "tab\tbed"];
    let long = ["x".repeat(101), "x".repeat(60_000)];
    let bad = names.into_iter().chain(long.iter().map(String::as_str)).map(|name| (name, "x"));
    for (name, value) in bad
        .chain(values.map(|value| ("x-good", value)))
        .chain([("x-good", "y".repeat(1_025).as_str())])
    {
        let headers = json!({name: value});
        let answer = project
            .post(
                "/webhooks/endpoints",
                json!({"url": "https://example.com/", "topics": ["*"], "headers": headers}),
            )
            .await;
        answer.is_error(400, "validation_error", "", Some("headers"));
        assert!(answer.text.len() < 2_000, "an error doesn't repeat all that was sent");
    }
    let twice = r#"{"url":"https://example.com/","topics":["*"],"headers":{"x-a":"1","x-a":"2"}}"#;
    let answer = project.send_text(http::Method::POST, "/webhooks/endpoints", twice).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    assert!(answer.text.contains("x-a") && answer.text.contains("duplicated"), "{}", answer.text);
    assert!(project.get("/webhooks/endpoints").await.ids().is_empty());
}

#[tokio::test]
async fn a_megabyte_of_ones_own_words_is_not_repeated() {
    let project = Stack::shared().await.project().await;
    // Each quote is escaped once as JSON and once more on Lambda's way.
    let words = "\\\"".repeat(900_000);
    let batch = format!(r#"{{"events":[{{"{words}":1}}]}}"#);
    let answer = project.send_text(http::Method::POST, "/events/batch", &batch).await;
    assert_eq!((answer.status, answer.text.len() < 4_000), (400, true), "{:.500}", answer.text);
}

#[tokio::test]
async fn events_beyond_a_projects_rate_get_429_with_retry_after_and_none_of_them_is_accepted() {
    let stack = Stack::start().await;
    let (project, other) = (stack.project().await, stack.project().await);
    let changed = stack
        .operator()
        .patch(&format!("/projects/{}", project.project()), json!({"limits": {"deliveries": 1}}))
        .await
        .expect(200);
    let limits = json!({"deliveries": 1, "kilobytes": 32_000, "reads": 2_000, "viewers": 20});
    assert_eq!(changed["limits"], limits);
    let batch = json!({"events": vec![json!({"kind": "task.created", "data": 1}); 100]});
    let mut accepted = 0;
    while project.post("/events/batch", batch.clone()).await.status == 202 {
        accepted += 100;
    }
    for path in ["/events", "/events/batch"] {
        let body = if path == "/events" {
            json!({"kind": "task.created", "data": 2})
        } else {
            batch.clone()
        };
        let answer = project.post(path, body).await;
        answer.is_error(429, "rate_limited", "1 deliveries a second", None);
        let wait: u64 = answer.header("retry-after").parse().expect("seconds");
        assert!((1..=200).contains(&wait), "{wait}");
    }
    let (mut there, mut next) = (0, Some("/events?limit=100".to_owned()));
    while let Some(path) = next {
        let page = project.get(&path).await;
        there += page.ids().len();
        next = page.link("next");
    }
    assert_eq!(there, accepted, "nothing of what was refused is there");
    other.post_event("task.created", json!({})).await;
}
