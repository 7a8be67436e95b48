//! `POST /webhooks/endpoints/{id}/recover`, and what can be read of recoveries. Their steps are
//! those of `jobs`.

use std::time::Duration;

use domain::{
    model::{Scope, Status},
    recovery::{Finding, Recovery},
    time::Timestamp,
};
use emulator::samples;
use futures::TryStreamExt;
use runtime::clock;
use serde_json::{Value as Json, json};
use store::{
    Table,
    due::{DueList, DueRow},
    recoveries::RecoveryProgress,
};

use super::support::{STRANGER, Started, minute, start, start_with};

fn path() -> String {
    format!("/webhooks/endpoints/{}/recover", samples::ENDPOINT)
}

fn state(started: &Started) -> Table {
    let dynamodb = aws_sdk_dynamodb::Client::new(&started.aws.sdk_config());
    Table::new(dynamodb, started.aws.table_name("StateTable"))
}

/// What `jobs` finds.
async fn due(started: &Started) -> Vec<DueRow> {
    let list = DueList::new(state(started));
    let due: Vec<_> = list.until(Timestamp::MAX).try_collect().await.unwrap();
    due.into_iter().map(|due| due.row).collect()
}

fn progress(started: &Started) -> RecoveryProgress {
    RecoveryProgress::new(state(started))
}

async fn row(started: &Started, id: &str) -> Recovery {
    progress(started)
        .load(
            samples::PROJECT.parse().unwrap(),
            samples::ENDPOINT.parse().unwrap(),
            id.parse().unwrap(),
        )
        .await
        .unwrap()
        .unwrap()
}

#[tokio::test]
async fn it_answers_with_the_recovery_which_is_due_at_once() {
    let started = start().await;
    let (since, until) = (minute(1).seconds(), minute(2).seconds());
    let answer = started.api.ask("POST", &path(), json!({"since": since, "until": until})).await;
    let id = answer.text("id").to_owned();
    let expected = json!({"id": id, "object": "recovery", "endpoint_id": samples::ENDPOINT,
        "status": "running", "dry_run": false, "include_succeeded": false,
        "since": since, "until": until, "examined": 0, "failed": 0, "missed": 0,
        "succeeded": 0, "enqueued": 0, "stopped_because": null,
        "created_at": answer.body["created_at"], "finished_at": null});
    assert_eq!((answer.status, &answer.body), (202, &expected));
    let row = |id: &str| {
        DueRow::Recovery(
            samples::PROJECT.parse().unwrap(),
            samples::ENDPOINT.parse().unwrap(),
            id.parse().unwrap(),
        )
    };
    assert_eq!(due(&started).await, [row(&id)]);

    let list = format!("/webhooks/endpoints/{}/recoveries", samples::ENDPOINT);
    assert_eq!(started.api.ask("GET", &format!("{list}/{id}"), Json::Null).await.body, expected);
    assert_eq!(started.api.ask("GET", &list, Json::Null).await.body, json!([expected]));
}

#[tokio::test]
async fn of_an_endpoint_that_was_just_changed_it_waits_for_what_is_being_accepted() {
    let mut changed = samples::endpoint(samples::RECEIVER).unwrap();
    changed.updated_at = clock::now();
    let started = start_with(changed.clone()).await;
    let answer = started.api.ask("POST", &path(), json!({"since": minute(1).seconds()})).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    let due = DueList::new(state(&started));
    let all: Vec<_> = due.until(Timestamp::MAX).try_collect().await.unwrap();
    assert_eq!(all[0].at, changed.updated_at + Duration::from_secs(16));
}

#[tokio::test]
async fn asked_twice_it_answers_with_the_running_one_and_refuses_another_range() {
    let started = start().await;
    let since = minute(1).seconds();
    let first = started.api.ask("POST", &path(), json!({"since": since})).await;
    for body in [json!({"since": since}), json!({"since": since, "dry_run": false})] {
        let again = started.api.ask("POST", &path(), body).await;
        assert_eq!((again.status, &again.body), (200, &first.body));
    }
    let other = started.api.ask("POST", &path(), json!({"since": since, "until": since + 5})).await;
    assert_eq!((other.status, other.text("kind")), (409, "conflict"));
    assert!(other.text("message").contains(first.text("id")), "{}", other.body);
    assert_eq!(
        started.api.ask("POST", &path(), json!({"since": since, "dry_run": true})).await.status,
        202,
        "it only counts"
    );
    assert_eq!(due(&started).await.len(), 2, "the running one, and the dry run");
}

#[tokio::test]
async fn of_many_at_once_one_begins() {
    let started = start().await;
    let since = minute(1).seconds();
    let (path, body) = (path(), json!({"since": since}));
    let answers =
        futures::future::join_all((0..10).map(|_| started.api.ask("POST", &path, body.clone())))
            .await;
    let ids: std::collections::BTreeSet<_> =
        answers.iter().map(|answer| answer.text("id").to_owned()).collect();
    let begun = answers.iter().filter(|answer| answer.status == 202).count();
    assert_eq!((ids.len(), begun), (1, 1), "{answers:?}");
}

#[tokio::test]
async fn the_next_may_begin_once_one_is_over_even_if_it_could_not_give_back_its_turn() {
    let started = start().await;
    let mut before = String::new();
    for released in [true, false] {
        let answer = started.api.ask("POST", &path(), json!({"since": minute(1).seconds()})).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        assert_ne!(answer.text("id"), before);
        answer.text("id").clone_into(&mut before);
        let recovery = row(&started, &before).await;
        let event = domain::id::EventId::new(minute(1), 1);
        let over = recovery.after(&[Finding::Failed], Some(event), false, clock::now());
        let over = over.after(&[], None, false, clock::now());
        progress(&started).advance(&recovery, &over, clock::now()).await.unwrap();
        if released {
            progress(&started).release(&over).await.unwrap();
        }
    }
    assert_eq!(
        started.api.ask("POST", &path(), json!({"since": minute(2).seconds()})).await.status,
        202
    );
    let list = format!("/webhooks/endpoints/{}/recoveries?limit=1", samples::ENDPOINT);
    let newest = started.api.ask("GET", &list, Json::Null).await;
    assert_eq!(
        (newest.body[0]["status"].as_str(), newest.header("has-more")),
        (Some("running"), "true"),
        "newest first"
    );
    let after = started
        .api
        .ask("GET", &format!("{list}&after={}", newest.body[0]["id"].as_str().unwrap()), Json::Null)
        .await;
    assert_eq!((&after.body[0]["id"], &after.body[0]["status"]), (&json!(before), &json!("done")));
}

#[tokio::test]
async fn bad_input_is_refused_by_field_and_rule() {
    let started = start().await;
    let (now, day) = (clock::now().seconds(), 86_400);
    for (body, field) in [
        (json!({}), "since"),
        (json!({"since": null}), "since"),
        (json!({"since": "yesterday"}), "since"),
        (json!({"since": -1}), "since"),
        (json!({"since": now - 31 * day}), "since"),
        (json!({"since": 0}), "since"),
        (json!({"since": now + day}), "since"),
        (json!({"since": now - 10, "until": now - 10}), "since"),
        (json!({"since": now - 10, "until": now - 20}), "since"),
        (json!({"since": now - 10, "until": now + day}), "until"),
        (json!({"since": now - 10, "until": 1.5}), "until"),
        (json!({"since": now - 10, "dry_run": "yes"}), "dry_run"),
        (json!({"since": now - 10, "dryrun": true}), "dryrun"),
    ] {
        let answer = started.api.ask("POST", &path(), body.clone()).await;
        assert_eq!((answer.status, answer.text("field")), (400, field), "{body}: {}", answer.body);
    }
    assert_eq!(due(&started).await, []);
}

#[tokio::test]
async fn an_endpoint_that_takes_nothing_can_only_be_counted_for() {
    for status in [Status::Paused, Status::Disabled] {
        let mut endpoint = samples::endpoint(samples::RECEIVER).unwrap();
        endpoint.status = status;
        let started = start_with(endpoint).await;
        let since = minute(1).seconds();
        let answer = started.api.ask("POST", &path(), json!({"since": since})).await;
        assert_eq!((answer.status, answer.text("kind")), (409, "conflict"));
        assert_eq!(
            started.api.ask("POST", &path(), json!({"since": since, "dry_run": true})).await.status,
            202
        );
    }
}

#[tokio::test]
async fn it_needs_the_scope_to_send_and_another_projects_key_finds_nothing() {
    let started = start().await;
    let body = json!({"since": minute(1).seconds()});
    let id = started.api.ask("POST", &path(), body.clone()).await.text("id").to_owned();
    let list = format!("/webhooks/endpoints/{}/recoveries", samples::ENDPOINT);
    let reader = started.api.with_key(&started.aws.key_of(samples::PROJECT, &[Scope::Read]).await);
    assert_eq!(reader.ask("POST", &path(), body.clone()).await.status, 403);
    assert_eq!(reader.ask("GET", &format!("{list}/{id}"), Json::Null).await.status, 200);
    let stranger = started.api.with_key(&started.aws.key_of(STRANGER, &Scope::ALL).await);
    assert_eq!(stranger.ask("POST", &path(), body).await.status, 404);
    for path in [list.clone(), format!("{list}/{id}"), format!("{list}/rcv_1")] {
        assert_eq!(stranger.ask("GET", &path, Json::Null).await.status, 404, "{path}");
    }
}
