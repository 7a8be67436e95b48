//! Projects.

use api::auth::Authenticator;
use domain::model::Scope;
use futures::future::join_all;
use http::{HeaderMap, header::AUTHORIZATION};
use serde_json::{Value as Json, json};
use store::Table;

use super::{project, start};

#[tokio::test]
async fn a_project_is_made_read_changed_and_listed() {
    let started = start().await;
    let made = started.api.ask("POST", "/projects", json!({"name": "Acme", "brand": "Acme"})).await;
    let id = made.text("id").to_owned();
    assert!(id.starts_with("proj_") && made.body["created_at"].is_u64());
    let expected = json!({"id": id, "object": "project", "name": "Acme", "brand": "Acme",
        "signatures": ["standard"], "body": null, "status": "active",
        "limits": {"deliveries": 1_000, "kilobytes": 32_000, "reads": 2_000, "viewers": 20},
        "created_at": made.body["created_at"]});
    assert_eq!((made.status, &made.body), (201, &expected));

    let changed =
        started.api.ask("PATCH", &format!("/projects/{id}"), json!({"name": "Acme 2"})).await;
    assert_eq!(
        (changed.status, changed.text("name"), changed.text("brand")),
        (200, "Acme 2", "Acme")
    );
    let defaults = json!({"brand": null, "signatures": ["timestamped", "svix"], "body": "data"});
    let changed = started.api.ask("PATCH", &format!("/projects/{id}"), defaults).await;
    assert_eq!(
        (changed.status, changed.text("name"), changed.text("brand")),
        (200, "Acme 2", "Posthaste"),
        "null is the default again"
    );
    assert_eq!(
        (&changed.body["signatures"], &changed.body["body"]),
        (&json!(["timestamped", "svix"]), &json!("data"))
    );
    let clash = started
        .api
        .ask("PATCH", &format!("/projects/{id}"), json!({"signatures": ["timestamped", "digest"]}))
        .await;
    assert_eq!((clash.status, clash.text("field")), (400, "signatures"));
    let read = started.api.ask("GET", &format!("/projects/{id}"), Json::Null).await;
    assert_eq!(read.body, changed.body);
    let list = started.api.ask("GET", "/projects", Json::Null).await;
    assert_eq!(list.body, json!([changed.body]));
}

#[tokio::test]
async fn a_suspended_projects_keys_are_refused_and_no_others() {
    let started = start().await;
    let [id, other] = [project(&started.api, "Acme").await, project(&started.api, "Other").await];
    let path = format!("/projects/{id}");
    let [own, others] = [&id, &other].map(|id| started.aws.key_of(id, &Scope::ALL));
    let (own, others) = (bearer(&own.await), bearer(&others.await));
    // A process that knows nothing yet.
    let process = || {
        let dynamodb = aws_sdk_dynamodb::Client::new(&started.aws.sdk_config_of("logs"));
        Authenticator::new(Table::new(dynamodb, started.aws.table_name("ConfigTable")))
    };
    let is_refused = async |process: &Authenticator, key: &HeaderMap| {
        process.caller(key).await.is_err_and(|error| error.status() == 403)
    };
    let before = process();
    assert!(!is_refused(&before, &own).await);
    for _ in 0..2 {
        let changed = started.api.ask("PATCH", &path, json!({"status": "suspended"})).await;
        assert_eq!((changed.status, changed.text("status")), (200, "suspended"));
    }
    let after = process();
    assert!(is_refused(&after, &own).await && !is_refused(&after, &others).await);
    assert!(!is_refused(&before, &own).await, "for half a minute");
    assert_eq!(started.api.ask("GET", &path, Json::Null).await.text("status"), "suspended");
    let changed = started.api.ask("PATCH", &path, json!({"status": "active"})).await;
    assert_eq!((changed.status, changed.text("status")), (200, "active"));
    assert!(!is_refused(&process(), &own).await);
    started.api.ask("PATCH", &path, json!({"status": "suspended"})).await;
    let reset = started.api.ask("PATCH", &path, json!({"status": null})).await;
    assert_eq!((reset.status, reset.text("status")), (200, "active"));
    let wrong = started.api.ask("PATCH", &path, json!({"status": "stopped"})).await;
    assert_eq!((wrong.status, wrong.text("field")), (400, "status"));
}

fn bearer(key: &str) -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, format!("Bearer {key}").parse().unwrap())])
}

#[tokio::test]
async fn without_a_brand_of_its_own_a_project_has_the_deployments() {
    let started = start().await;
    let id = project(&started.api, "Acme").await;
    assert_eq!(
        started.api.ask("GET", &format!("/projects/{id}"), Json::Null).await.text("brand"),
        "Posthaste"
    );
}

#[tokio::test]
async fn bad_fields_are_named() {
    let started = start().await;
    for (field, body) in [
        ("name", json!({})),
        ("name", json!({"name": " "})),
        ("name", json!({"name": "x".repeat(201)})),
        ("brand", json!({"name": "x", "brand": "a b"})),
        ("colour", json!({"name": "x", "colour": "red"})),
    ] {
        let answer = started.api.ask("POST", "/projects", body).await;
        assert_eq!((answer.status, answer.text("field")), (400, field), "{}", answer.body);
    }
}

#[tokio::test]
async fn only_the_operator_sees_projects() {
    let started = start().await;
    let id = project(&started.api, "Acme").await;
    let own = started.api.with_key(&started.aws.key_of(&id, &Scope::ALL).await);
    for (method, path, body) in [
        ("GET", "/projects".to_owned(), Json::Null),
        ("POST", "/projects".to_owned(), json!({"name": "x"})),
        ("GET", format!("/projects/{id}"), Json::Null),
        ("GET", format!("/projects/{id}/keys"), Json::Null),
        ("POST", format!("/projects/{id}/keys"), json!({})),
    ] {
        let answer = own.ask(method, &path, body).await;
        assert_eq!((answer.status, answer.text("kind")), (403, "forbidden"), "{method} {path}");
        assert_eq!(
            started.api.with_key("phk_x").ask(method, &path, Json::Null).await.status,
            401,
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn changes_at_the_same_time_do_not_undo_each_other() {
    let started = start().await;
    let path = format!("/projects/{}", project(&started.api, "Acme").await);
    let (name, brand) = tokio::join!(
        started.api.ask("PATCH", &path, json!({"name": "N"})),
        started.api.ask("PATCH", &path, json!({"brand": "B"}))
    );
    assert_eq!((name.status, brand.status), (200, 200), "{} {}", name.body, brand.body);
    let read = started.api.ask("GET", &path, Json::Null).await;
    assert_eq!((read.text("name"), read.text("brand")), ("N", "B"));
    assert_eq!(
        started.api.ask("GET", "/projects", Json::Null).await.body,
        json!([read.body]),
        "in both of its places"
    );
}

#[tokio::test]
async fn a_change_that_loses_too_often_is_a_conflict_and_never_a_fault() {
    let started = start().await;
    let path = format!("/projects/{}", project(&started.api, "Acme").await);
    let answers = join_all(
        (0..20).map(|number| started.api.ask("PATCH", &path, json!({"name": number.to_string()}))),
    )
    .await;
    assert!(answers.iter().any(|answer| answer.status == 200));
    for answer in answers {
        assert!(
            answer.status == 200 || (answer.status, answer.text("kind")) == (409, "conflict"),
            "{}",
            answer.body
        );
    }
}

#[tokio::test]
async fn the_operator_sets_limits_one_by_one_and_null_resets_them() {
    let started = start().await;
    let id = project(&started.api, "Acme").await;
    let path = format!("/projects/{id}");
    let default = json!({"deliveries": 1_000, "kilobytes": 32_000, "reads": 2_000, "viewers": 20});
    for (change, part, value) in [
        (json!({"deliveries": 5, "reads": 7}), "deliveries", 5),
        (json!({"viewers": 3}), "reads", 7),
        (json!({"deliveries": null}), "deliveries", 1_000),
        (json!({}), "viewers", 3),
    ] {
        let changed = started.api.ask("PATCH", &path, json!({"limits": change})).await;
        assert_eq!((changed.status, &changed.body["limits"][part]), (200, &json!(value)));
    }
    let rows = started.aws.rows("ConfigTable").await;
    let standing = rows.iter().find(|row| row["pk"]["S"] == "STATUS").unwrap();
    assert_eq!(standing[&id]["M"], json!({"reads": {"N": "7"}, "viewers": {"N": "3"}}));
    let changed = started.api.ask("PATCH", &path, json!({"limits": null})).await;
    assert_eq!(changed.body["limits"], default);
    for (limits, field) in [
        (json!({"deliveries": 0}), "limits.deliveries"),
        (json!({"deliveries": "5"}), "limits.deliveries"),
        (json!({"other": 5}), "limits.other"),
        (json!(5), "limits"),
    ] {
        let refused = started.api.ask("PATCH", &path, json!({"limits": limits})).await;
        assert_eq!((refused.status, refused.text("field")), (400, field), "{}", refused.body);
    }
}
