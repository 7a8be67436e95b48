//! The same request again: one event, one answer.

use domain::id::EventId;
use futures::future::join_all;
use runtime::clock;
use serde_json::json;

use super::support::{api, event, start};

#[tokio::test]
async fn an_id_that_posthaste_has_made_is_taken() {
    let started = start().await;
    let first = started.api.ask("POST", "/events", event()).await;
    assert_eq!(started.messages().await.len(), 1);
    let with = |data: u8| {
        let data = json!({"id": format!("task_{data}")});
        json!({"kind": "task.created", "data": data, "id": first.text("id")})
    };
    let keyed = started.api.with_header("idempotency-key", "k");
    for data in [1, 2, 1] {
        let again = started.api.ask("POST", "/events", with(data)).await;
        assert_eq!((again.status, again.text("kind")), (422, "unprocessable"));
        assert!(again.text("message").contains(first.text("id")), "{}", again.body);
        let batch = json!({"events": [event(), with(data)]});
        assert_eq!(keyed.ask("POST", "/events/batch", batch).await.status, 422);
    }
    assert!(started.messages().await.is_empty());
    let logged = started.logged(first.text("id")).await.unwrap();
    assert_eq!((logged.event.data.get(), logged.targets.len()), (r#"{"id":"task_1"}"#, 1));
    let batch = json!({"events": [event()]});
    assert_eq!(keyed.ask("POST", "/events/batch", batch).await.status, 202, "the key is free");
}

#[tokio::test]
async fn a_key_is_visible_ascii_and_spaces() {
    let started = start().await;
    for (key, status) in [
        ("order 1", 202),
        (" order 2 ", 202),
        (&"k".repeat(255), 202),
        ("", 400),
        (" ", 400),
        ("order\t3", 400),
        (&"k".repeat(256), 400),
    ] {
        let api = started.api.with_header("idempotency-key", key);
        let answer = api.ask("POST", "/events", event()).await;
        let field = if status == 400 { "Idempotency-Key" } else { "" };
        assert_eq!((answer.status, answer.text("field")), (status, field), "{key:?}");
    }
}

#[tokio::test]
async fn a_repeat_gets_the_same_answer_and_sends_nothing() {
    let started = start().await;
    let api = started.api.with_header("idempotency-key", "order 1");
    let first = api.ask("POST", "/events", event()).await;
    let second = api.ask("POST", "/events", event()).await;
    assert_eq!((first.status, second.status, &first.body), (202, 202, &second.body));
    assert_eq!(started.messages().await.len(), 1);
    let other =
        started.api.with_header("idempotency-key", "order 2").ask("POST", "/events", event()).await;
    assert_ne!(other.text("id"), first.text("id"));
}

#[tokio::test]
async fn a_batch_is_repeated_as_a_whole() {
    let started = start().await;
    let api = started.api.with_header("idempotency-key", "k");
    let batch = json!({"events": [event(), event(), event()]});
    let first = api.ask("POST", "/events/batch", batch.clone()).await;
    let second = api.ask("POST", "/events/batch", batch).await;
    assert_eq!((first.status, &first.body), (202, &second.body));
    assert_eq!(started.messages().await.len(), 3);
}

#[tokio::test]
async fn the_same_key_for_something_else_is_refused() {
    let started = start().await;
    let api = started.api.with_header("idempotency-key", "k");
    assert_eq!(api.ask("POST", "/events", event()).await.status, 202);
    let answer =
        api.ask("POST", "/events", json!({"kind": "task.created", "data": {"id": "task_2"}})).await;
    assert_eq!((answer.status, answer.text("kind")), (422, "unprocessable"));
    assert_eq!(started.messages().await.len(), 1);
}

#[tokio::test]
async fn while_the_first_is_at_it_the_second_is_told_to_wait() {
    let started = start().await;
    let api = started.api.with_header("idempotency-key", "k");
    assert_eq!(api.ask("POST", "/events", event()).await.status, 202);
    started.interrupt_leases(clock::now().seconds() + 60).await;
    let answer = api.ask("POST", "/events", event()).await;
    assert_eq!(
        (answer.status, answer.text("kind"), answer.header("retry-after")),
        (409, "conflict", "1")
    );
}

#[tokio::test]
async fn after_a_crash_the_repeat_takes_over_with_the_same_ids_and_asks_the_log_first() {
    let started = start().await;
    let api = started.api.with_header("idempotency-key", "k");
    let batch = json!({"events": [event(), event()]});
    let first = api.ask("POST", "/events/batch", batch.clone()).await;
    assert!(started.messages().await.iter().all(|message| !message.recheck));
    started.interrupt_leases(clock::now().seconds() - 1).await;

    let second = api.ask("POST", "/events/batch", batch.clone()).await;
    assert_eq!((second.status, &second.body), (202, &first.body));
    let messages = started.messages().await;
    assert!(messages.len() == 2 && messages.iter().all(|message| message.recheck), "{messages:?}");

    assert_eq!(api.ask("POST", "/events/batch", batch).await.body, first.body);
    assert!(started.messages().await.is_empty(), "it is done now");
}

#[tokio::test]
async fn after_a_failure_of_ours_a_repeat_takes_over_at_once() {
    let started = start().await;
    let nowhere = started.aws.queue_url("DeliveriesQueue") + "-gone";
    let broken = api(&started.aws, Some(&nowhere)).with_header("idempotency-key", "k");
    assert_eq!(broken.ask("POST", "/events", event()).await.status, 503);
    let answer =
        started.api.with_header("idempotency-key", "k").ask("POST", "/events", event()).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    let [message] = started.messages().await.try_into().unwrap();
    assert_eq!((message.event.id.to_string().as_str(), message.recheck), (answer.text("id"), true));
}

#[tokio::test]
async fn of_many_at_once_with_one_key_one_makes_the_event() {
    let started = start().await;
    let api = started.api.with_header("idempotency-key", "k");
    let answers = join_all((0..30).map(|_| {
        let api = api.clone();
        async move { api.ask("POST", "/events", event()).await }
    }))
    .await;
    let accepted: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status == 202)
        .map(|answer| answer.text("id"))
        .collect();
    assert!(!accepted.is_empty() && accepted.iter().all(|id| *id == accepted[0]), "{accepted:?}");
    assert!(answers.iter().all(|answer| [202, 409].contains(&answer.status)));
    assert_eq!(started.messages().await.len(), 1);
}

#[tokio::test]
async fn an_events_own_id_makes_its_repeat_known() {
    let started = start().await;
    let id = EventId::new(clock::now(), 7);
    let with_id = json!({"kind": "task.created", "data": {}, "id": id});
    let first = started.api.ask("POST", "/events", with_id.clone()).await;
    assert_eq!((first.status, first.text("id")), (202, id.to_string().as_str()), "{}", first.body);
    let batch =
        started.api.ask("POST", "/events/batch", json!({"events": [event(), with_id]})).await;
    assert_eq!((batch.status, &batch.body[1]), (202, &first.body));
    assert_eq!(started.messages().await.len(), 2, "the one that is new, and the first");
    let other = started
        .api
        .ask("POST", "/events", json!({"kind": "task.updated", "data": {}, "id": id}))
        .await;
    assert_eq!(other.status, 422);
}

#[tokio::test]
async fn a_key_under_which_nothing_was_done_is_free_for_something_else() {
    let started = start().await;
    let id = EventId::new(clock::now(), 7);
    let event_with = |data: u8| json!({"kind": "task.created", "data": data, "id": id});
    assert_eq!(started.api.ask("POST", "/events", event_with(1)).await.status, 202);
    let keyed = started.api.with_header("idempotency-key", "k");
    assert_eq!(keyed.ask("POST", "/events", event_with(2)).await.status, 422, "the id was used");
    let answer = keyed.ask("POST", "/events", event()).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert_eq!(keyed.ask("POST", "/events", event()).await.body, answer.body);
}

#[tokio::test]
async fn an_own_id_is_known_under_any_key() {
    let started = start().await;
    let with_id = json!({"kind": "task.created", "data": {}, "id": EventId::new(clock::now(), 7)});
    for key in ["k", "l"] {
        let answer = started
            .api
            .with_header("idempotency-key", key)
            .ask("POST", "/events", with_id.clone())
            .await;
        assert_eq!(answer.status, 202, "{}", answer.body);
    }
    assert_eq!(started.messages().await.len(), 1);
}
