//! Row B: automations, and tasks with a URL of their own. No endpoint is ever registered.

use serde_json::{Value as Json, json};
use system_tests::{Client, Receiver};

use crate::{
    platform::{platform, post, project_secret},
    proofs::timestamped_is_of,
    servers::{Server, answer_once_it_knows},
};

/// The task that the platform publishes, as it stands in the event.
const TASK: &str = r#"{"id":"task_123abc","object":"task","kind":"nsfw","status":"completed","results":{"nsfw":false,"confidence":0.98},"project_id":"proj_xyz","created":"2025-01-10T12:34:56Z","completed":"2025-01-10T12:35:22Z"}"#;

async fn ittybit() -> Client {
    let defaults = json!({"signatures": ["timestamped"], "body": "data"});
    platform("Ittybit", defaults, &["media.created", "task.completed"]).await
}

fn notifying(topic: &str, steps: &[(&str, String)]) -> Json {
    let steps: Vec<_> = steps
        .iter()
        .map(|(name, url)| json!({"kind": "webhook", "url": url, "ref": name}))
        .collect();
    json!({"name": "Tell our server", "trigger": {"kind": "event", "event": topic},
        "workflow": steps})
}

#[tokio::test]
async fn an_automation_is_managed_as_the_platform_documents_it() {
    let project = ittybit().await;
    let wanted =
        notifying("media.created", &[("notify-server", "https://example.com/webhooks".to_owned())]);
    let created = project.post("/automations", wanted.clone()).await.expect(201);
    for field in ["name", "trigger", "workflow"] {
        assert_eq!(created[field], wanted[field]);
    }
    let id = created["id"].as_str().unwrap();
    assert!(id.starts_with("auto_"));
    let path = format!("/automations/{id}");
    assert_eq!(project.get(&path).await.expect(200), created);
    assert_eq!(project.get("/automations").await.expect(200), json!([created]));
    assert_eq!(
        project.patch(&path, json!({"name": "Renamed"})).await.expect(200)["name"],
        "Renamed"
    );
    assert_eq!(project.delete(&path).await.expect(200), json!({"success": true}));
    project.get(&path).await.is_error(404, "not_found", "automation", None);
}

#[tokio::test]
async fn each_step_of_an_automation_gets_the_resource_signed_with_the_projects_secret() {
    let project = ittybit().await;
    let receiver = Receiver::with_tls().await;
    let steps =
        [("notify-server", receiver.url("/first")), ("tell-the-crm", receiver.url("/second"))];
    let automation =
        project.post("/automations", notifying("task.completed", &steps)).await.expect(201);
    let other = notifying("media.created", &[("never", receiver.url("/other"))]);
    project.post("/automations", other).await.expect(201);

    post(&project, &format!(r#"{{"kind":"task.completed","data":{TASK}}}"#)).await;
    let secret = project_secret(&project).await;
    let with_id =
        format!(r#"{},"automation_id":{}}}"#, TASK.strip_suffix('}').unwrap(), automation["id"]);
    for request in receiver.wait_for(2).await {
        assert!(timestamped_is_of(&request, "ittybit-signature", &secret), "{}", request.path);
        assert_eq!(request.text(), with_id, "the bare resource, and the automation's id in it");
    }
    assert_eq!(
        (receiver.received_at("/first").len(), receiver.received_at("/second").len()),
        (1, 1)
    );
    assert!(receiver.received_at("/other").is_empty(), "it waits for another topic");
}

#[tokio::test]
async fn a_paused_or_deleted_automation_sends_nothing() {
    let project = ittybit().await;
    let receiver = Receiver::start().await;
    let mut paths = Vec::new();
    for name in ["paused", "deleted", "on"] {
        let automation = notifying("media.created", &[(name, receiver.url(&format!("/{name}")))]);
        let id = project.post("/automations", automation).await.expect(201)["id"]
            .as_str()
            .unwrap()
            .to_owned();
        paths.push(format!("/automations/{id}"));
    }
    project.patch(&paths[0], json!({"status": "paused"})).await.expect(200);
    project.delete(&paths[1]).await.expect(200);
    let event = project.post_event("media.created", json!({"id": "med_1"})).await;
    assert_eq!(project.wait_for_message(&event.id, "succeeded").await.deliveries.len(), 1);
    assert_eq!(
        receiver.received().into_iter().map(|request| request.path).collect::<Vec<_>>(),
        ["/on"]
    );
}

#[tokio::test]
async fn a_tasks_own_url_gets_its_results() {
    let project = ittybit().await;
    let receiver = Receiver::with_tls().await;
    let url = receiver.url("/task?of=me");
    post(&project, &format!(r#"{{"kind":"task.completed","data":{TASK},"webhook_url":"{url}"}}"#))
        .await;
    let request = receiver.wait_for(1).await.remove(0);
    assert_eq!((request.path.as_str(), request.text()), ("/task?of=me", TASK));
    assert!(timestamped_is_of(&request, "ittybit-signature", &project_secret(&project).await));
    assert_eq!(
        project.get("/webhooks/endpoints").await.expect(200),
        json!([]),
        "nothing was registered"
    );
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story")]
async fn such_deliveries_are_retried_and_logged_and_sent_again_like_any_others() {
    let project = ittybit().await;
    let receiver = Receiver::start().await;
    receiver.failing_at("/step", 1);
    receiver.failing_at("/task", 1);
    let steps = [("notify-server", receiver.url("/step"))];
    let automation =
        project.post("/automations", notifying("task.completed", &steps)).await.expect(201);
    let event = post(
        &project,
        &format!(
            r#"{{"kind":"task.completed","data":{TASK},"webhook_url":"{}"}}"#,
            receiver.url("/task")
        ),
    )
    .await;

    let message = project.wait_for_message(&event, "succeeded").await;
    let attempts = project.attempts(&event).await;
    let secret = project_secret(&project).await;
    assert_eq!(
        (message.deliveries.len(), attempts.len(), receiver.received().len()),
        (2, 4, 4),
        "each failed once"
    );
    for (delivery, path) in message.deliveries.iter().zip(["/step", "/task"]) {
        assert_eq!((&delivery.url, delivery.attempts), (&receiver.url(path), 2));
        for list in [
            "/webhooks/delivery-attempts?order=asc&endpoint_id=",
            "/webhooks/endpoints/{}/deliveries?order=asc",
        ] {
            let list = if list.contains("{}") {
                list.replace("{}", &delivery.endpoint_id)
            } else {
                format!("{list}{}", delivery.endpoint_id)
            };
            let told = project.get(&list).await.expect(200);
            let told: Vec<_> = told
                .as_array()
                .unwrap()
                .iter()
                .map(|attempt| (&attempt["message_id"], &attempt["outcome"]))
                .collect();
            assert_eq!(
                told,
                [(&json!(event), &json!("http_error")), (&json!(event), &json!("succeeded"))],
                "{list}"
            );
        }
        let again = json!({"endpoint_id": delivery.endpoint_id});
        project.post(&format!("/webhooks/messages/{event}/resend"), again).await.expect(202);
    }
    for request in receiver.wait_for(6).await {
        assert!(timestamped_is_of(&request, "ittybit-signature", &secret));
        let of_the_step = request.path == "/step";
        assert_eq!(
            request.json()["automation_id"],
            if of_the_step { automation["id"].clone() } else { Json::Null },
            "{}",
            request.path
        );
    }
    let attempts = project.wait_for_attempts(&event, 6).await;
    assert_eq!(attempts.iter().filter(|attempt| attempt.trigger == "manual").count(), 2);
}

#[tokio::test]
async fn customers_servers_verify_with_the_library_of_stripe() {
    let project = ittybit().await;
    for mut server in Server::in_each_language("automations").await {
        let url = server.url();
        let event = post(
            &project,
            &format!(r#"{{"kind":"task.completed","data":{TASK},"webhook_url":"{url}"}}"#),
        )
        .await;
        let secret = project_secret(&project).await;
        assert_eq!(
            answer_once_it_knows(&mut server, &secret, &project, &event).await,
            "task task_123abc"
        );
    }
}
