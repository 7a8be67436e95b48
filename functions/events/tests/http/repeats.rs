//! The same request again: one event, one answer.

use std::time::Duration;

use domain::{
    id::{AttemptId, EventId},
    message::SettingsSource,
    model::{Attempt, Outcome, Scope, Trigger, event::LoggedEvent},
    time::Timestamp,
};
use emulator::{samples, testing::Api};
use futures::future::join_all;
use runtime::clock;
use serde_json::{Value as Json, json};
use store::attempts::{AttemptLog, Entry};

use super::{
    audience::{OWN_URL, automation, worker},
    support::{Started, api, event, start},
};

/// The template's.
const CONFIRM_AFTER: Duration = Duration::from_secs(75);

/// The first attempt of each delivery of an event, for the log.
async fn attempted(started: &Started, id: &str, outcome: Outcome) {
    let LoggedEvent { event, targets, .. } = started.logged(id).await.unwrap();
    let now = clock::now();
    let attempts: Vec<_> = targets
        .iter()
        .map(|target| Attempt {
            id: AttemptId::new(now, rand::random::<u64>().into()),
            project: samples::PROJECT.parse().unwrap(),
            event: event.id,
            endpoint: target.endpoint,
            kind: event.kind.clone(),
            url: target.url.clone(),
            number: 1,
            round: None,
            trigger: Trigger::Scheduled,
            outcome,
            response_status: None,
            response_body: None,
            error: None,
            duration_ms: 1,
            created_at: now,
            next_attempt_at: None,
        })
        .collect();
    AttemptLog::new(started.table("LogTable"), 30).record(&Entry::of(attempts)).await.unwrap();
}

fn with_id(number: u128, data: u8) -> Json {
    json!({"kind": "task.created", "data": data, "id": EventId::new(clock::now(), number)})
}

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
    let again = started.api.ask("POST", "/events", with(2)).await;
    assert_eq!((again.status, again.text("kind")), (422, "unprocessable"));
    assert!(again.text("message").contains(first.text("id")), "{}", again.body);
    let batch = json!({"events": [event(), with(2)]});
    assert_eq!(keyed.ask("POST", "/events/batch", batch).await.status, 422);
    assert_eq!(started.api.ask("POST", "/events", with(1)).await.body, first.body, "a repeat");
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
    let id = first.text("id");
    assert_eq!(started.messages().await.len(), 1);
    attempted(&started, id, Outcome::HttpError).await;
    let second = api.ask("POST", "/events", event()).await;
    assert_eq!((first.status, second.status, &first.body), (202, 202, &second.body));
    assert_eq!((started.messages().await.len(), started.rows(id).await.len()), (0, 0));
    let other =
        started.api.with_header("idempotency-key", "order 2").ask("POST", "/events", event()).await;
    assert_ne!(other.text("id"), first.text("id"));
}

#[tokio::test]
async fn a_key_costs_one_write_more_and_an_own_id_none() {
    let started = start().await;
    let key = started.aws.key_of(emulator::samples::PROJECT, &[Scope::Events]).await;
    let api = started.api.with_key(&key);
    // A process looks the key up once, and the project's configuration.
    assert_eq!(api.ask("POST", "/events", event()).await.status, 202);
    let keyed = api.with_header("idempotency-key", "k");
    for (api, body, puts) in [(&keyed, event(), 2), (&api, with_id(7, 1), 1)] {
        started.aws.forget_calls();
        assert_eq!(api.ask("POST", "/events", body).await.status, 202);
        let expected =
            json!([["GetItem", "ok", 1], ["PutItem", "ok", puts], ["SendMessageBatch", "ok", 1]]);
        assert_eq!(started.calls(), expected);
    }
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
async fn a_delivery_without_a_trace_gets_a_row_that_is_due_when_there_would_be_one() {
    let started = start().await;
    let own = json!({"kind": "task.created", "data": {}, "webhook_url": OWN_URL, "worker_id": "w"});
    let (automation, worker) = (automation(&started, &["step"]).await, worker(&started, "w").await);
    let api = started.api.with_header("idempotency-key", "k");
    let first = api.ask("POST", "/events", own.clone()).await;
    let messages = started.messages().await;
    assert_eq!(messages.len(), 4);

    let before = clock::now();
    assert_eq!(api.ask("POST", "/events", own.clone()).await.body, first.body);
    assert!(started.messages().await.is_empty());
    let rows = started.rows(first.text("id")).await;
    assert_eq!(rows.len(), 4);
    for row in &rows {
        let message = messages.iter().find(|message| message.endpoint == row.endpoint).unwrap();
        assert_eq!((&row.via, row.trigger, row.round), (&message.via, message.trigger, None));
        let due = row.due_at().unwrap();
        assert!(before + CONFIRM_AFTER <= due && due <= clock::now() + CONFIRM_AFTER);
        assert_eq!((row.list_at, row.is_carried()), (due, false), "jobs looks at it then");
    }
    assert!(rows.iter().any(|row| row.endpoint == automation.endpoint_of(&automation.workflow[0])));
    let of_worker = rows.iter().find(|row| row.endpoint == worker).unwrap();
    assert_eq!(of_worker.via, Some(SettingsSource::Worker("w".to_owned())));

    assert_eq!(api.ask("POST", "/events", own).await.body, first.body);
    let mut again = started.rows(first.text("id")).await;
    again.sort_by_key(|row| rows.iter().position(|before| before.endpoint == row.endpoint));
    assert_eq!(again, rows, "a third request changes nothing");
}

#[tokio::test]
async fn of_a_batch_only_what_has_left_no_trace_gets_a_row() {
    let started = start().await;
    let api = started.api.with_header("idempotency-key", "k");
    let batch = json!({"events": [event(), event()]});
    let first = api.ask("POST", "/events/batch", batch.clone()).await;
    let ids: Vec<_> = (0..2).map(|place| first.body[place]["id"].as_str().unwrap()).collect();
    attempted(&started, ids[0], Outcome::Succeeded).await;
    assert_eq!(api.ask("POST", "/events/batch", batch).await.body, first.body);
    let rows = [started.rows(ids[0]).await.len(), started.rows(ids[1]).await.len()];
    assert_eq!(rows, [0, 1]);
}

#[tokio::test]
async fn after_a_request_that_died_before_its_events_were_in_the_log_the_repeat_makes_them() {
    let started = start().await;
    let api = started.api.with_header("idempotency-key", "k");
    let batch = json!({"events": [event(), with_id(3, 1), event()]});
    let first = api.ask("POST", "/events/batch", batch.clone()).await;
    let ids: Vec<_> = (0..3).map(|place| first.body[place]["id"].as_str().unwrap()).collect();
    started.messages().await;
    started.forget(ids[0]).await;
    started.forget(ids[1]).await;
    assert_eq!(api.ask("POST", "/events/batch", batch).await.body, first.body);
    let sent: Vec<_> =
        started.messages().await.iter().map(|message| message.event.id.to_string()).collect();
    assert_eq!(sent, ids[..2], "under the same ids");
    assert_eq!(started.rows(ids[2]).await.len(), 1, "this one may have been sent");
}

#[tokio::test]
async fn after_a_failure_of_ours_a_repeat_is_accepted_at_once_and_its_deliveries_have_rows() {
    let started = start().await;
    let nowhere = started.aws.queue_url("DeliveriesQueue") + "-gone";
    let broken = api(&started.aws, &[("DELIVERIES_QUEUE_URL", &nowhere)])
        .with_header("idempotency-key", "k");
    assert_eq!(broken.ask("POST", "/events", event()).await.status, 503);
    let answer =
        started.api.with_header("idempotency-key", "k").ask("POST", "/events", event()).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert!(started.messages().await.is_empty());
    let [row] = started.rows(answer.text("id")).await.try_into().unwrap();
    assert_eq!(row.event.to_string(), answer.text("id"));
}

/// The rules have changed: this function knows other topics, or lets a project post less.
async fn stricter(started: &Started) -> [Api; 2] {
    let limits = json!({"pk": {"S": "STATUS"}, "sk": {"S": "STATUS"},
        samples::PROJECT: {"M": {"deliveries": {"N": "1"}}}});
    started.aws.put_row(samples::CONFIG_TABLE, &limits).await;
    [api(&started.aws, &[("TOPICS", "other.topic")]), api(&started.aws, &[])]
}

#[tokio::test]
async fn what_was_accepted_keeps_its_answer_when_it_would_be_refused_now() {
    let started = start().await;
    let own = with_id(7, 1);
    let batch = json!({"events": [event(), with_id(8, 1)]});
    let wanted =
        [("one", "/events", event()), ("", "/events", own), ("two", "/events/batch", batch)];
    let keyed = |api: &Api, key: &str| match key {
        "" => api.clone(),
        key => api.with_header("idempotency-key", key),
    };
    for (key, path, body) in wanted {
        let first = keyed(&started.api, key).ask("POST", path, body.clone()).await;
        assert_eq!(first.status, 202, "{}", first.body);
        for (api, refusal) in stricter(&started).await.into_iter().zip([400, 429]) {
            // It is far above its limit.
            let many = json!({"events": vec![event(); 100]});
            while api.ask("POST", "/events/batch", many.clone()).await.status == 202 {}
            let again = keyed(&api, key).ask("POST", path, body.clone()).await;
            assert_eq!((again.status, &again.body), (202, &first.body));
            // What nobody has accepted is refused, with a key too: it has other content.
            let other = json!({"kind": "task.created", "data": "other"});
            let other = if path == "/events" { other } else { json!({"events": [other]}) };
            assert_eq!(keyed(&api, key).ask("POST", path, other).await.status, refusal);
        }
    }
}

#[tokio::test]
async fn what_was_not_accepted_as_a_whole_is_refused_by_the_rules_of_now() {
    let started = start().await;
    let keyed = started.api.with_header("idempotency-key", "k");
    let batch = json!({"events": [event(), event()]});
    let first = keyed.ask("POST", "/events/batch", batch.clone()).await;
    started.forget(first.body[1]["id"].as_str().unwrap()).await;
    let [stricter, _] = stricter(&started).await;
    let keyed = stricter.with_header("idempotency-key", "k");
    assert_eq!(keyed.ask("POST", "/events/batch", batch).await.status, 400);

    // It was accepted, and not with this key.
    let own = with_id(7, 1);
    assert_eq!(started.api.ask("POST", "/events", own.clone()).await.status, 202);
    assert_eq!(keyed.ask("POST", "/events", own.clone()).await.status, 400);
    assert_eq!(stricter.ask("POST", "/events", own).await.status, 202);
}

#[tokio::test]
async fn an_id_whose_event_has_expired_is_free() {
    let started = start().await;
    let id = EventId::new(clock::now(), 7);
    let expired = json!({
        "pk": {"S": format!("PROJ#{}#{}", emulator::samples::PROJECT, id.shard())},
        "sk": {"S": id.to_string()}, "expires_at": {"N": "1"},
    });
    started.aws.put_row("LogTable", &expired).await;
    let posted = json!({"kind": "task.created", "data": 1, "id": id});
    assert_eq!(started.api.ask("POST", "/events", posted).await.status, 202);
    assert_eq!(started.messages().await.len(), 1);
    let logged = started.logged(&id.to_string()).await.unwrap();
    assert!(logged.accepted_at > Timestamp::from_seconds(1));
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
    assert!(answers.iter().all(|answer| answer.status == 202));
    assert!(answers.iter().all(|answer| answer.body == answers[0].body), "one event");
    assert_eq!(started.messages().await.len(), 1);
    assert_eq!(started.rows(answers[0].text("id")).await.len(), 1, "and one row");
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
