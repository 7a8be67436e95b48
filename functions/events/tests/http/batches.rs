//! `POST /events/batch`.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::support::{event, start};

#[tokio::test]
async fn a_batch_is_accepted_in_its_order_and_in_few_calls() {
    let started = start().await;
    let events: Vec<_> =
        (0..100).map(|number| json!({"kind": "task.created", "data": number})).collect();
    let answer = started.api.ask("POST", "/events/batch", json!({"events": events})).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    let accepted = answer.body.as_array().unwrap();
    assert!(accepted.iter().enumerate().all(|(place, event)| event["data"] == place));
    let ids: Vec<_> =
        accepted.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect();
    assert!(ids.is_sorted(), "so that lists have the batch's order");
    let sent: BTreeSet<_> =
        started.messages().await.iter().map(|message| message.event.id.to_string()).collect();
    assert_eq!(sent, ids.into_iter().collect());
    let expected = json!([
        ["BatchWriteItem", "ok", 4],
        ["GetItem", "ok", 3],
        // That the project has events in this hour.
        ["PutItem", "ok", 1],
        ["Query", "ok", 1],
        ["SendMessageBatch", "ok", 10]
    ]);
    assert_eq!(started.calls(), expected);
}

#[tokio::test]
async fn one_bad_entry_refuses_the_batch_and_every_bad_one_is_named() {
    let started = start().await;
    let events = json!([event(), {"kind": "nope", "data": {}}, event(), {"kind": "task.created"}]);
    let answer = started.api.ask("POST", "/events/batch", json!({"events": events})).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    let errors = answer.body["errors"].as_array().unwrap();
    let named: Vec<_> = errors
        .iter()
        .map(|error| (error["index"].as_u64().unwrap(), error["field"].as_str().unwrap()))
        .collect();
    assert_eq!(named, [(1, "events[1].kind"), (3, "events[3].data")]);
    assert!(started.messages().await.is_empty(), "all or none");
}

#[tokio::test]
async fn a_batch_has_1_to_100_events() {
    let started = start().await;
    for count in [0, 101] {
        let events: Vec<_> = (0..count).map(|_| event()).collect();
        let answer = started.api.ask("POST", "/events/batch", json!({"events": events})).await;
        assert_eq!((answer.status, answer.text("field")), (400, "events"), "{count}");
    }
    let answer = started.api.ask("POST", "/events/batch", Json::Null).await;
    assert_eq!((answer.status, answer.text("kind")), (400, "malformed_request"));
}

#[tokio::test]
async fn an_id_twice_in_a_batch_is_refused() {
    let started = start().await;
    let id = domain::id::EventId::new(runtime::clock::now(), 1);
    let twice = json!({"kind": "task.created", "data": {}, "id": id});
    for api in [started.api.clone(), started.api.with_header("idempotency-key", "k")] {
        let answer =
            api.ask("POST", "/events/batch", json!({"events": [twice, event(), twice]})).await;
        assert_eq!(
            (answer.status, &answer.body["errors"][0]["index"]),
            (400, &json!(2)),
            "{}",
            answer.body
        );
    }
}
