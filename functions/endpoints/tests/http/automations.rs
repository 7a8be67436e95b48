//! `/automations`.

use domain::model::Scope;
use emulator::{samples, testing::Answer};
use futures::future::join_all;
use serde_json::{Value as Json, json};

use super::{Started, start, stranger};

fn wanted() -> Json {
    let steps = json!([{"kind": "webhook", "url": "https://example.com/a", "ref": "notify"},
        {"kind": "webhook", "url": "https://example.com/a"}]);
    json!({"name": "N", "trigger": {"kind": "event", "event": "task.created"}, "workflow": steps})
}

async fn create(started: &Started, body: Json) -> Json {
    let answer = started.api.ask("POST", "/automations", body).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.body
}

fn path_of(automation: &Json) -> String {
    format!("/automations/{}", automation["id"].as_str().unwrap())
}

/// What is wanted, with this in its place.
fn but(change: &Json) -> Json {
    let mut body = wanted();
    body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn a_created_automation_is_read_and_listed_and_its_steps_have_names() {
    let started = start().await;
    let created = create(&started, wanted()).await;
    assert_eq!(
        (&created["object"], &created["status"], &created["trigger"]),
        (&json!("automation"), &json!("active"), &wanted()["trigger"])
    );
    let steps = json!([
        {"kind": "webhook", "url": "https://example.com/a", "ref": "notify"},
        {"kind": "webhook", "url": "https://example.com/a", "ref": "step-2"},
    ]);
    assert_eq!(created["workflow"], steps);
    assert_eq!(started.api.ask("GET", &path_of(&created), Json::Null).await.body, created);
    let paused = create(
        &started,
        but(&json!({"status": "paused", "trigger": {"kind": "event", "event": "run.created"}})),
    )
    .await;
    for (query, expected) in [
        ("", vec![&paused["id"], &created["id"]]),
        ("?status=active", vec![&created["id"]]),
        ("?status=paused", vec![&paused["id"]]),
        ("?event=run.created", vec![&paused["id"]]),
        ("?event=run.created&status=active", vec![]),
    ] {
        let list = started.api.ask("GET", &format!("/automations{query}"), Json::Null).await;
        let mut ids: Vec<_> =
            list.body.as_array().unwrap().iter().map(|automation| &automation["id"]).collect();
        // Ids of one millisecond are in no order but their own.
        ids.sort_by_key(|id| {
            std::cmp::Reverse(*id == expected.first().copied().unwrap_or(&Json::Null))
        });
        assert_eq!(ids, expected, "{query}");
    }
    for (query, field) in
        [("status=disabled", "status"), ("event=*", "event"), ("colour=red", "colour")]
    {
        let answer = started.api.ask("GET", &format!("/automations?{query}"), Json::Null).await;
        assert_eq!((answer.status, answer.text("field")), (400, field));
    }
}

#[tokio::test]
async fn bad_fields_are_named() {
    let started = start().await;
    let path = path_of(&create(&started, wanted()).await);
    let step = json!({"kind": "webhook", "url": "https://example.com/"});
    let with = |change: Json| {
        let mut step = step.clone();
        step.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        json!({"workflow": [step]})
    };
    for (field, change) in [
        ("name", json!({"name": "x".repeat(201)})),
        ("trigger.kind", json!({"trigger": {"kind": "schedule", "event": "task.created"}})),
        ("trigger.event", json!({"trigger": {"kind": "event", "event": "song.released"}})),
        ("trigger.event", json!({"trigger": {"kind": "event", "event": "task.*"}})),
        ("trigger.event", json!({"trigger": {"kind": "event"}})),
        (
            "trigger.colour",
            json!({"trigger": {"kind": "event", "event": "task.created", "colour": 1}}),
        ),
        ("workflow", json!({"workflow": []})),
        ("workflow", json!({"workflow": vec![&step; 6]})),
        ("workflow[0].kind", with(json!({"kind": "email"}))),
        ("workflow[0].url", with(json!({"url": "http://10.0.0.1/"}))),
        ("workflow[0].url", with(json!({"url": "https://user:pass@example.com/"}))),
        ("workflow[0].ref", with(json!({"ref": ""}))),
        ("workflow[0].ref", with(json!({"ref": "x".repeat(65)}))),
        ("workflow[0].ref", with(json!({"ref": 7}))),
        (
            "workflow[1].ref",
            json!({"workflow": [{"kind": "webhook", "url": "https://example.com/", "ref": "step-2"},
                step]}),
        ),
        ("status", json!({"status": "disabled"})),
        ("colour", json!({"colour": "red"})),
    ] {
        for answer in [
            started.api.ask("POST", "/automations", but(&change)).await,
            started.api.ask("PATCH", &path, change.clone()).await,
        ] {
            assert_eq!(
                (answer.status, answer.text("kind"), answer.text("field")),
                (400, "validation_error", field),
                "{change}: {}",
                answer.body
            );
            assert!(!answer.text("message").is_empty());
        }
    }
    for field in ["trigger", "workflow"] {
        let mut body = wanted();
        body.as_object_mut().unwrap().remove(field);
        let answer = started.api.ask("POST", "/automations", body).await;
        assert_eq!(
            (answer.status, answer.text("field"), answer.text("message")),
            (400, field, "is required")
        );
    }
    let list = started.api.ask("GET", "/automations", Json::Null).await;
    assert_eq!(list.body.as_array().unwrap().len(), 1, "nothing was made of what was refused");
}

#[tokio::test]
async fn a_change_leaves_what_it_does_not_name_and_what_was_read_can_be_put_back() {
    let started = start().await;
    let created = create(&started, wanted()).await;
    let changed = started.api.ask("PATCH", &path_of(&created), json!({"status": "paused"})).await;
    assert_eq!((changed.status, changed.text("status")), (200, "paused"));
    for field in ["id", "name", "trigger", "workflow", "created_at"] {
        assert_eq!(changed.body[field], created[field], "{field}");
    }
    let back = started.api.ask("PATCH", &path_of(&created), changed.body.clone()).await;
    assert_eq!(
        (back.status, &back.body["workflow"], back.text("status")),
        (200, &created["workflow"], "paused")
    );
}

#[tokio::test]
async fn null_takes_away_the_name_and_nothing_that_must_be_there() {
    let started = start().await;
    let created = create(&started, wanted()).await;
    let path = path_of(&created);
    assert!(created["name"].is_string(), "{created}");
    let changed = started.api.ask("PATCH", &path, json!({"name": null})).await;
    assert_eq!((changed.status, &changed.body["name"]), (200, &Json::Null), "{}", changed.body);
    let read = started.api.ask("GET", &path, Json::Null).await.body;
    assert_eq!(read, changed.body);
    for field in ["trigger", "workflow", "status"] {
        let answer = started.api.ask("PATCH", &path, json!({ field: null })).await;
        assert_eq!(
            (answer.status, answer.text("field"), answer.text("message")),
            (400, field, "can't be null"),
            "{}",
            answer.body
        );
    }
    assert_eq!(
        started.api.ask("PATCH", &path, read).await.status,
        200,
        "what was read can be put back"
    );
    let nameless =
        json!({"name": null, "trigger": created["trigger"], "workflow": created["workflow"]});
    assert_eq!(create(&started, nameless).await["name"], Json::Null);
}

#[tokio::test]
async fn changes_at_the_same_time_lose_nothing_and_are_never_a_fault() {
    let started = start().await;
    let path = path_of(&create(&started, wanted()).await);
    let ask = |change: Json| {
        let (api, path) = (started.api.clone(), path.clone());
        async move { api.ask("PATCH", &path, change).await }
    };
    let (name, status) = tokio::join!(ask(json!({"name": "M"})), ask(json!({"status": "paused"})));
    assert_eq!((name.status, status.status), (200, 200));
    let read = started.api.ask("GET", &path, Json::Null).await;
    assert_eq!((read.text("name"), read.text("status")), ("M", "paused"));
    let many: Vec<Answer> =
        join_all((0..20).map(|number| ask(json!({"name": number.to_string()})))).await;
    for answer in many {
        assert!(
            answer.status == 200 || (answer.status, answer.text("kind")) == (409, "conflict"),
            "{}",
            answer.body
        );
    }
}

#[tokio::test]
async fn a_project_has_at_most_fifty() {
    let started = start().await;
    for _ in 0..50 {
        create(&started, wanted()).await;
    }
    let answer = started.api.ask("POST", "/automations", wanted()).await;
    assert_eq!((answer.status, answer.text("kind")), (409, "conflict"));
    assert!(answer.text("message").contains("50"), "{}", answer.body);
}

#[tokio::test]
async fn another_project_finds_nothing_and_scopes_hold() {
    let started = start().await;
    let path = path_of(&create(&started, wanted()).await);
    let foreign = stranger(&started).await;
    for (method, body) in
        [("GET", Json::Null), ("PATCH", json!({"name": "x"})), ("DELETE", Json::Null)]
    {
        for path in
            [path.as_str(), "/automations/auto_01JZ0000000000000000000009", "/automations/nonsense"]
        {
            let answer = foreign.ask(method, path, body.clone()).await;
            assert_eq!(
                (answer.status, answer.text("message")),
                (404, "no such automation"),
                "{method} {path}"
            );
        }
    }
    assert_eq!(foreign.ask("GET", "/automations", Json::Null).await.body, json!([]));

    let reader = started.api.with_key(&started.aws.key_of(samples::PROJECT, &[Scope::Read]).await);
    assert_eq!(reader.ask("GET", &path, Json::Null).await.status, 200);
    for (method, path, body) in [
        ("POST", "/automations", wanted()),
        ("PATCH", &path, json!({"name": "x"})),
        ("DELETE", &path, Json::Null),
    ] {
        let answer = reader.ask(method, path, body).await;
        assert_eq!((answer.status, answer.text("kind")), (403, "forbidden"), "{method}");
    }
    assert_eq!(started.api.ask("DELETE", &path, Json::Null).await.body, json!({"success": true}));
    assert_eq!(started.api.ask("DELETE", &path, Json::Null).await.status, 404);
}
