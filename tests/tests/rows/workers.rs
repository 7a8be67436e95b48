//! Row E: one webhook per worker, with a token.

use serde_json::{Value as Json, json};
use system_tests::{Client, Receiver, Reply, eventually};

use crate::{
    platform::platform,
    proofs::members,
    servers::{Server, answer_once_it_knows},
};

async fn handinger() -> Client {
    platform("Handinger", json!({"body": "data"}), &[]).await
}

fn webhook(worker: &str) -> String {
    format!("/api/workers/{worker}/webhook")
}

fn event(worker: &str, number: usize) -> Json {
    let data = json!({"id": format!("task_{number}"), "object": "task",
        "title": format!("Task {number}")});
    json!({"kind": "task.succeeded", "data": data, "worker_id": worker})
}

async fn executions(project: &Client, worker: &str, page: usize) -> Json {
    project.get(&format!("{}/executions?page={page}", webhook(worker))).await.expect(200)
}

#[tokio::test]
async fn a_webhook_is_put_read_and_removed_as_the_platform_documents_it() {
    let project = handinger().await;
    let (path, none) = (webhook("worker_1"), json!({"token": null, "url": null}));
    assert_eq!(project.get(&path).await.expect(200), none);
    let first = project.put(&path, json!({"url": "https://example.com/a"})).await.expect(200);
    assert_eq!(
        (members(&first), &first["url"]),
        (vec!["token", "url"], &json!("https://example.com/a"))
    );
    assert!(first["token"].as_str().unwrap().starts_with("whk_"));
    let second = project.put(&path, json!({"url": "https://example.com/b"})).await.expect(200);
    assert_eq!(
        second,
        json!({"token": first["token"], "url": "https://example.com/b"}),
        "later ones keep the token"
    );
    assert_eq!(project.get(&path).await.expect(200), second);

    assert_eq!(project.put(&path, json!({"url": null})).await.expect(200), none);
    assert_eq!(project.get(&path).await.expect(200), none);
    let third = project.put(&path, json!({"url": "https://example.com/c"})).await.expect(200);
    assert_ne!(third["token"], first["token"], "the token was cleared");
    assert_eq!(project.delete(&path).await.expect(200), none);
    assert_eq!(project.get(&path).await.expect(200), none);

    let url =
        |length: usize| json!({"url": format!("https://example.com/{}", "x".repeat(length - 20))});
    project.put(&path, url(2048)).await.expect(200);
    project.put(&path, url(2049)).await.is_error(400, "validation_error", "2048", Some("url"));
    project.put(&path, json!({"url": "no URI"})).await.is_error(
        400,
        "validation_error",
        "",
        Some("url"),
    );
    project.put(&path, json!({})).await.is_error(400, "validation_error", "url", Some("url"));
}

#[tokio::test]
async fn each_delivery_carries_the_token_and_a_regenerated_one_at_once() {
    let project = handinger().await;
    let receiver = Receiver::with_tls().await;
    let path = webhook("worker_1");
    let regenerate = format!("{path}/regenerate-token");
    project.post(&regenerate, json!({})).await.is_error(404, "not_found", "webhook", None);
    let old = project.put(&path, json!({"url": receiver.url("/")})).await.expect(200);
    project.post("/events", event("worker_1", 1)).await.expect(202);
    let request = receiver.wait_for(1).await.remove(0);
    assert_eq!(request.header("x-handinger-token"), old["token"].as_str().unwrap());
    assert!(
        !request.headers.keys().any(|name| name.as_str().contains("signature")),
        "there is no HMAC: {:?}",
        request.headers
    );

    let new = project.post(&regenerate, json!({})).await.expect(200);
    assert_eq!((&new["url"], project.get(&path).await.expect(200)), (&old["url"], new.clone()));
    assert_ne!(new["token"], old["token"]);
    project.post("/events", event("worker_1", 2)).await.expect(202);
    assert_eq!(
        receiver.wait_for(2).await[1].header("x-handinger-token"),
        new["token"].as_str().unwrap(),
        "the old one is void at once"
    );
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story")]
async fn executions_come_fifty_a_page_newest_first() {
    let project = handinger().await;
    let receiver = Receiver::start().await;
    project.put(&webhook("worker_1"), json!({"url": receiver.url("/")})).await.expect(200);
    assert_eq!(
        executions(&project, "worker_1", 1).await,
        json!({"logs": [], "page": 1, "pageCount": 0, "totalCount": 0})
    );

    let events: Vec<_> = (0..53).map(|number| event("worker_1", number)).collect();
    let posted = project.post("/events/batch", json!({"events": events})).await.expect(202);
    let mut ids: Vec<_> = posted
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort_unstable();
    eventually("all executions are on record", async || {
        (executions(&project, "worker_1", 1).await["totalCount"] == 53).then_some(())
    })
    .await;
    let (first, second) =
        (executions(&project, "worker_1", 1).await, executions(&project, "worker_1", 2).await);
    assert_eq!(
        (&first["page"], &first["pageCount"], &first["totalCount"]),
        (&json!(1), &json!(2), &json!(53))
    );
    assert_eq!(
        (&second["page"], &second["pageCount"], &second["totalCount"]),
        (&json!(2), &json!(2), &json!(53))
    );
    let logs = |page: &Json| page["logs"].as_array().unwrap().clone();
    assert_eq!((logs(&first).len(), logs(&second).len()), (50, 3));
    let all = [logs(&first), logs(&second)].concat();
    let mut tasks: Vec<_> =
        all.iter().map(|log| log["taskId"].as_str().unwrap().to_owned()).collect();
    tasks.sort_unstable();
    tasks.dedup();
    assert_eq!(tasks.len(), 53, "each once");
    for log in &all {
        let published = [
            "createdAt",
            "durationMs",
            "errorMessage",
            "id",
            "requestStatus",
            "responseStatus",
            "taskId",
            "taskTitle",
            "url",
            "workerId",
        ];
        assert_eq!(members(log), published);
        let number = log["taskId"].as_str().unwrap().strip_prefix("task_").unwrap();
        assert_eq!(
            (&log["taskTitle"], &log["workerId"]),
            (&json!(format!("Task {number}")), &json!("worker_1"))
        );
        assert_eq!(
            (&log["requestStatus"], &log["responseStatus"]),
            (&json!("success"), &json!(200))
        );
        assert_eq!((&log["errorMessage"], &log["url"]), (&Json::Null, &json!(receiver.url("/"))));
        assert!(
            log["durationMs"].is_u64() && log["createdAt"].as_str().unwrap().ends_with('Z'),
            "{log}"
        );
    }

    project.post("/events", event("worker_1", 99)).await.expect(202);
    eventually("the newest execution is on record", async || {
        (executions(&project, "worker_1", 1).await["totalCount"] == 54).then_some(())
    })
    .await;
    assert_eq!(
        executions(&project, "worker_1", 1).await["logs"][0]["taskId"],
        "task_99",
        "newest first"
    );
    assert_eq!(executions(&project, "worker_1", 3).await["logs"], json!([]));
    for page in ["0", "-1", "x"] {
        let answer = project.get(&format!("{}/executions?page={page}", webhook("worker_1"))).await;
        answer.is_error(400, "validation_error", "1 to", Some("page"));
    }
}

#[tokio::test]
async fn a_failed_execution_says_why() {
    let project = handinger().await;
    let receiver = Receiver::start().await;
    receiver.always(Reply::status(500));
    project.put(&webhook("worker_1"), json!({"url": receiver.url("/")})).await.expect(200);
    project.post("/events", event("worker_1", 1)).await.expect(202);
    let log = eventually("an execution", async || {
        executions(&project, "worker_1", 1).await["logs"].as_array()?.last().cloned()
    })
    .await;
    assert_eq!(
        (&log["requestStatus"], &log["responseStatus"], &log["taskTitle"]),
        (&json!("error"), &json!(500), &json!("Task 1"))
    );
    assert!(log["errorMessage"].as_str().is_some_and(|message| message.contains("500")), "{log}");
}

#[tokio::test]
async fn workers_know_nothing_of_each_other() {
    let project = handinger().await;
    let receiver = Receiver::start().await;
    let ours =
        project.put(&webhook("worker_1"), json!({"url": receiver.url("/1")})).await.expect(200);
    let theirs =
        project.put(&webhook("worker_2"), json!({"url": receiver.url("/2")})).await.expect(200);
    assert_ne!(ours["token"], theirs["token"]);
    project.post("/events", event("worker_1", 1)).await.expect(202);
    let mut nobodys = event("worker_1", 2);
    nobodys.as_object_mut().unwrap().remove("worker_id");
    project.post("/events", nobodys).await.expect(202);
    let last = project.post("/events", event("worker_1", 3)).await.expect(202)["id"]
        .as_str()
        .unwrap()
        .to_owned();
    project.wait_for_message(&last, "succeeded").await;
    eventually("both executions", async || {
        (executions(&project, "worker_1", 1).await["totalCount"] == 2).then_some(())
    })
    .await;
    assert_eq!(executions(&project, "worker_2", 1).await["totalCount"], 0);
    assert!(receiver.received_at("/2").is_empty());
    assert_eq!(receiver.received().len(), 2, "an event without a worker goes to none");
    project.delete(&webhook("worker_1")).await.expect(200);
    assert_eq!(project.get(&webhook("worker_2")).await.expect(200), theirs);
}

#[tokio::test]
async fn customers_servers_compare_the_token() {
    let project = handinger().await;
    for mut server in Server::in_each_language("workers").await {
        let worker = format!("worker_{}", server.language);
        let put = project.put(&webhook(&worker), json!({"url": server.url()})).await.expect(200);
        let id = project.post("/events", event(&worker, 1)).await.expect(202)["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let answer =
            answer_once_it_knows(&mut server, put["token"].as_str().unwrap(), &project, &id).await;
        assert_eq!(answer, "task task_1");
    }
}
