//! Faults of AWS, at every call of every request: it is done, or answered with 503 and not done by
//! half.

use emulator::{
    aws::Fault,
    testing::{Answer, Trouble},
};
use serde_json::{Value as Json, json};

use super::{Started, key, project, start};

/// Requests about a project, whose path stands for `{}`, and its key.
const REQUESTS: [(&str, &str, u16); 9] = [
    ("POST", "/projects", 201),
    ("GET", "/projects", 200),
    ("GET", "{}", 200),
    ("PATCH", "{}", 200),
    ("POST", "{}/keys", 201),
    ("GET", "{}/keys", 200),
    ("DELETE", "{}/keys/{key}", 200),
    ("POST", "/operator-keys", 201),
    ("GET", "/operator-keys", 200),
];

async fn ask(
    started: &Started,
    (method, path, _): (&str, &str, u16),
    project: &str,
    key: &str,
) -> Answer {
    let path = path.replace("{}", &format!("/projects/{project}")).replace("{key}", key);
    let body = match (method, path.as_str()) {
        ("GET" | "DELETE", _) => Json::Null,
        // No two have the same name.
        (_, "/operator-keys") => json!({"name": rand::random::<u64>().to_string()}),
        _ => json!({"name": "Changed"}),
    };
    started.api.ask(method, &path, body).await
}

#[tokio::test]
async fn every_request_survives_every_fault_at_every_call() {
    let started = start().await;
    let (some, _) = prepare(&started).await;
    for request in REQUESTS {
        let made = key(&started.api, &some, json!({})).await;
        let before = started.aws.faults().calls();
        assert_eq!(
            ask(&started, request, &some, made["id"].as_str().unwrap()).await.status,
            request.2,
            "{request:?}"
        );
        let calls = started.aws.faults().calls() - before;
        for trouble in Trouble::few() {
            for place in 0..calls {
                survives(&started, request, place, trouble).await;
            }
        }
    }
    let unstruck: Vec<_> =
        started.aws.allowed("admin").difference(&started.aws.faults().struck()).cloned().collect();
    assert!(unstruck.is_empty(), "these are all calls that the function may make: {unstruck:?}");
}

async fn prepare(started: &Started) -> (String, Json) {
    let project = project(&started.api, "Acme").await;
    let made = key(&started.api, &project, json!({})).await;
    (project, made)
}

async fn survives(started: &Started, request: (&str, &str, u16), place: usize, trouble: Trouble) {
    let case = format!("{request:?}, call {place}: {trouble:?}");
    let (project, made) = prepare(started).await;
    started.aws.trouble("admin", place, trouble);
    let answer = ask(started, request, &project, made["id"].as_str().unwrap()).await;
    started.aws.faults().heal();

    let done = answer.status == request.2;
    if !done {
        assert!(!trouble.passes_unseen(), "{case}: {} {}", answer.status, answer.body);
        assert_eq!(
            (answer.status, answer.text("kind"), answer.header("retry-after")),
            (503, "unavailable", "1"),
            "{case}: {}",
            answer.body
        );
    }
    let unknown = !done && trouble.fault == Fault::AnswerLost;
    let named = started.api.ask("GET", &format!("/projects/{project}"), Json::Null).await;
    if request.0 == "PATCH" && !unknown {
        assert_eq!(named.text("name"), if done { "Changed" } else { "Acme" }, "{case}");
    }
    let listed = started.api.ask("GET", &format!("/projects/{project}/keys"), Json::Null).await;
    let listed: Vec<_> = listed
        .body
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["id"].as_str().unwrap().to_owned())
        .collect();
    let opens = super::keys::opens(started, made["key"].as_str().unwrap()).await;
    assert_eq!(
        listed.contains(&made["id"].as_str().unwrap().to_owned()),
        opens,
        "{case}: in both of its places or in none"
    );
    if request.0 == "DELETE" && !unknown {
        assert_eq!(opens, !done, "{case}");
    }
    if let (true, "{}/keys", "POST") = (done, request.1, request.0) {
        assert!(
            listed.contains(&answer.text("id").to_owned())
                && super::keys::opens(started, answer.text("key")).await,
            "{case}"
        );
    }
}
