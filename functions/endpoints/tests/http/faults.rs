//! Faults of AWS, at every call of every request: it is done, or answered with 503 and not done by
//! half.

use domain::{health::Failures, model::Scope};
use emulator::{
    aws::Fault,
    samples,
    testing::{Answer, Trouble},
};
use runtime::clock;
use serde_json::{Value as Json, json};
use store::{Table, health::HealthStore};

use super::{Started, create, minimal, path_of, start};

/// A request about an endpoint (its path stands for `{}`), and the status when all is well.
const REQUESTS: [(&str, &str, u16); 12] = [
    ("POST", "/webhooks/endpoints", 201),
    ("GET", "/webhooks/endpoints", 200),
    ("GET", "{}", 200),
    ("PATCH", "{}", 200),
    ("PUT", "{}", 200),
    ("DELETE", "{}", 200),
    ("GET", "{}/secret", 200),
    ("POST", "{}/secret/rotate", 200),
    ("GET", "/webhooks/topics", 200),
    ("PUT", "/webhooks/topics/own.topic", 201),
    ("GET", "/webhooks/topics/task.created", 200),
    ("DELETE", "/webhooks/topics/own.topic", 200),
];

fn body(method: &str, path: &str) -> Json {
    match (method, path) {
        ("PATCH", _) => json!({"url": "https://example.com/changed", "description": "changed"}),
        ("PUT", "{}") => {
            json!({"url": "https://example.com/changed", "topics": ["task.failed"],
                "description": "changed"})
        }
        ("POST", "/webhooks/endpoints") => minimal(),
        ("PUT", _) => json!({}),
        _ => Json::Null,
    }
}

async fn ask(started: &Started, (method, path, _): (&str, &str, u16), endpoint: &Json) -> Answer {
    started.api.ask(method, &path.replace("{}", &path_of(endpoint)), body(method, path)).await
}

/// An endpoint, and the project's own topic as the request needs it.
async fn prepare(started: &Started, (method, path, _): (&str, &str, u16)) -> Json {
    if path.ends_with("own.topic") {
        let other = if method == "PUT" { "DELETE" } else { "PUT" };
        started.api.ask(other, path, body(other, path)).await;
    }
    let endpoint = create(&started.api, minimal()).await;
    // It has failed, so that a change has something to start afresh from.
    let state = Table::new(
        aws_sdk_dynamodb::Client::new(&started.aws.sdk_config()),
        started.aws.table_name("StateTable"),
    );
    let (project, id) =
        (samples::PROJECT.parse().unwrap(), endpoint["id"].as_str().unwrap().parse().unwrap());
    HealthStore::new(state)
        .failed(project, id, Failures { all: 1, first: 1 }, clock::now(), clock::now())
        .await
        .unwrap();
    endpoint
}

/// What became of the endpoint, and of its secret: without its times.
async fn state(started: &Started, endpoint: &Json) -> (u16, Json, Json) {
    let answer = started.api.ask("GET", &path_of(endpoint), Json::Null).await;
    let secret = started.api.ask("GET", &format!("{}/secret", path_of(endpoint)), Json::Null).await;
    let mut shown = answer.body;
    shown.as_object_mut().unwrap().retain(|name, _| !name.ends_with("_at") && name != "health");
    (answer.status, shown, secret.body)
}

/// A key that reads more than a process lets through freely: its project is charged.
async fn read_very_much(started: &Started) {
    let api = started.api.with_key(&started.aws.key_of(samples::PROJECT, &[Scope::Read]).await);
    let faults = started.aws.faults();
    faults.on("endpoints", "PutItem").times(1).fail(Fault::Throttled);
    let before = faults.strikes();
    while faults.strikes() == before {
        assert_eq!(api.ask("GET", "/webhooks/endpoints", Json::Null).await.status, 200);
    }
}

#[tokio::test]
async fn every_request_survives_every_fault_at_every_call() {
    let started = start().await;
    for request in REQUESTS {
        let endpoint = prepare(&started, request).await;
        let before = started.aws.faults().calls();
        assert_eq!(ask(&started, request, &endpoint).await.status, request.2, "{request:?}");
        let calls = started.aws.faults().calls() - before;
        for trouble in Trouble::few() {
            for place in 0..calls {
                survives(&started, request, place, trouble).await;
            }
        }
    }
    read_very_much(&started).await;
    let unstruck: Vec<_> = started
        .aws
        .allowed("endpoints")
        .difference(&started.aws.faults().struck())
        .cloned()
        .collect();
    assert!(unstruck.is_empty(), "these are all calls that the function may make: {unstruck:?}");
}

async fn survives(started: &Started, request: (&str, &str, u16), place: usize, trouble: Trouble) {
    let case = format!("{request:?}, call {place}: {trouble:?}");
    let endpoint = prepare(started, request).await;
    let old = state(started, &endpoint).await;
    started.aws.trouble("endpoints", place, trouble);
    let answer = ask(started, request, &endpoint).await;
    started.aws.faults().heal();
    let new = state(started, &endpoint).await;

    // Deleted by the first try, it isn't there for the second; and what the first try has made is
    // not new to the second.
    let again = match (request.0, request.1) {
        ("DELETE", _) => 404,
        ("PUT", "/webhooks/topics/own.topic") => 200,
        _ => request.2,
    };
    let done =
        answer.status == request.2 || answer.status == again && trouble.fault == Fault::AnswerLost;
    if !done {
        assert!(!trouble.passes_unseen(), "{case}: {} {}", answer.status, answer.body);
        assert_eq!(
            (answer.status, answer.text("kind"), answer.header("retry-after")),
            (503, "unavailable", "1"),
            "{case}: {}",
            answer.body
        );
    }
    let carried_out = match (request.0, request.1) {
        ("PATCH" | "PUT", "{}") => {
            new.1["description"] == "changed"
                && new.1["url"] == "https://example.com/changed"
                && new.2 == old.2
        }
        ("DELETE", "{}") => new.0 == 404,
        ("POST", "{}/secret/rotate") => new.2 != old.2 && new.1 == old.1,
        _ => new == old,
    };
    let changes = !matches!((request.0, request.1), ("GET", _)) && request.1.starts_with("{}");
    // Without an answer the client can't know whether it was done; but it is never half done.
    let untouched = new == old && changes && trouble.fault != Fault::AnswerLost && !done;
    assert!(carried_out || untouched || new == old && !done, "{case}: {old:?} {new:?}");
    if let (true, "POST", "{}/secret/rotate") = (done, request.0, request.1) {
        assert_eq!(
            answer.body["secret"], new.2["secret"],
            "{case}: the secret that was shown is the endpoint's"
        );
    }
}

/// Every change of a project counts up the same version, so changes at the same time meet.
#[tokio::test]
async fn a_change_waits_for_other_transactions_and_is_answered_with_503_if_they_never_end() {
    let started = start().await;
    let contended = || started.aws.faults().on("endpoints", "TransactWriteItems");
    contended().times(3).fail(Fault::Contended);
    let made = create(&started.api, minimal()).await;
    let there = async || started.api.ask("GET", &path_of(&made), Json::Null).await;
    assert_eq!(there().await.status, 200);

    contended().fail(Fault::Contended);
    for (method, path, body) in [
        ("DELETE", path_of(&made), Json::Null),
        ("PATCH", path_of(&made), json!({"description": "changed"})),
        ("POST", "/webhooks/endpoints".to_owned(), minimal()),
    ] {
        let answer = started.api.ask(method, &path, body).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, "1"), "{method}");
    }
    started.aws.faults().heal();
    assert_eq!(there().await.body["description"], Json::Null, "nothing was done");
    let list = started.api.ask("GET", "/webhooks/endpoints", Json::Null).await;
    assert_eq!(list.body.as_array().map(Vec::len), Some(1), "{}", list.body);
    assert_eq!(started.api.ask("DELETE", &path_of(&made), Json::Null).await.status, 200);
}

#[tokio::test]
async fn a_list_leaves_out_an_endpoint_that_cannot_be_read() {
    let started = start().await;
    let made = create(&started.api, minimal()).await;
    let (pk, id) =
        (format!("PROJ#{}", emulator::samples::PROJECT), "we_01JZ0000000000000000000009");
    let row = json!({"pk": {"S": pk}, "sk": {"S": format!("EP#{id}")}, "id": {"S": id},
        "url": {"S": "broken"}});
    started.aws.put_row("ConfigTable", &row).await;
    let list = started.api.ask("GET", "/webhooks/endpoints", Json::Null).await;
    assert_eq!(
        (list.status, list.body.as_array().unwrap().len(), &list.body[0]["id"]),
        (200, 1, &made["id"]),
        "{}",
        list.body
    );
    assert_eq!(
        started.api.ask("GET", &format!("/webhooks/endpoints/{id}"), Json::Null).await.status,
        503
    );
    assert_eq!(
        started.api.ask("DELETE", &format!("/webhooks/endpoints/{id}"), Json::Null).await.status,
        200,
        "so that somebody can mend it"
    );
}
