//! Row C: jobs that name a `webhook_url`, and get their payload back as it is.

use serde_json::json;
use system_tests::{Client, Receiver};

use crate::{
    platform::{platform, post, project_secret},
    proofs::digest_is_of,
    servers::{Server, answer_once_it_knows},
};

async fn ittybit() -> Client {
    platform("Ittybit", json!({"signatures": ["digest"], "body": "data"}), &[]).await
}

/// A job that ended well, with this as its metadata.
fn succeeded(id: &str, metadata: &str) -> String {
    format!(
        r#"{{"id":"{id}","status":"succeeded","kind":"video","input":"https://example.com/in.mov","output":{{"url":"https://example.com/out.mp4","format":"mp4","width":1920,"height":1080,"duration":124.5,"size":48230912}},"metadata":{metadata},"created_at":1775212200000,"completed_at":1775212274000}}"#
    )
}

fn event(kind: &str, payload: &str, webhook_url: &str) -> String {
    format!(r#"{{"kind":"{kind}","data":{payload},"webhook_url":"{webhook_url}"}}"#)
}

/// What a customer keeps in `metadata`: texts of every kind, keys in no order, numbers at the edges
/// of what JavaScript holds.
const METADATA: &str = r#"{"zeta":1,"alpha":{"b":[1.5,-0.25,1e-7,1e+21,9007199254740991],"a":null},"text":"grüße 😀 \\ \" \u0001 </script>","empty":{},"list":[]}"#;

#[tokio::test]
async fn a_job_that_ends_is_posted_to_its_url_as_it_is() {
    let project = ittybit().await;
    let receiver = Receiver::with_tls().await;
    let job = succeeded("task_a1b2c3d4", METADATA);
    post(&project, &event("task.succeeded", &job, &receiver.url("/jobs"))).await;
    let request = receiver.wait_for(1).await.remove(0);
    assert_eq!(request.text(), job, "metadata and all, to the byte");
    assert_eq!(request.header("content-type"), "application/json");
    assert!(digest_is_of(&request, "ittybit-signature", &project_secret(&project).await));
}

#[tokio::test]
async fn numbers_that_javascript_lacks_arrive_unchanged_and_the_others_as_it_writes_them() {
    let project = ittybit().await;
    let receiver = Receiver::start().await;
    let job = |numbers: &str| succeeded("task_1", &format!(r#"{{"numbers":{numbers}}}"#));
    let posted = job("[12345678901234567890, 0.1000000000000000055, 1.0, 1.50, 100e-2, -0]");
    post(&project, &event("task.succeeded", &posted, &receiver.url("/"))).await;
    let request = receiver.wait_for(1).await.remove(0);
    assert_eq!(request.text(), job("[12345678901234567890,0.1000000000000000055,1,1.5,1,0]"));
    assert!(digest_is_of(&request, "ittybit-signature", &project_secret(&project).await));
}

#[tokio::test]
async fn a_job_that_failed_says_so() {
    let project = ittybit().await;
    let receiver = Receiver::start().await;
    let job = r#"{"id":"task_a1b2c3d4","status":"failed","kind":"video","input":"https://example.com/in.mov","error":"the input is no video","metadata":{"order":7},"created_at":1775212200000,"completed_at":1775212274000}"#;
    post(&project, &event("task.failed", job, &receiver.url("/"))).await;
    assert_eq!(receiver.wait_for(1).await[0].text(), job);
}

#[tokio::test]
async fn a_job_that_comes_again_after_a_5xx_has_the_same_id_and_bytes() {
    let project = ittybit().await;
    let receiver = Receiver::start().await;
    receiver.failing(1);
    let id =
        post(&project, &event("task.succeeded", &succeeded("task_1", "{}"), &receiver.url("/")))
            .await;
    let requests = receiver.wait_for(2).await;
    assert_eq!(requests[0].body, requests[1].body);
    assert_eq!(
        requests[0].header("ittybit-signature"),
        requests[1].header("ittybit-signature"),
        "of the same bytes"
    );
    assert_eq!(requests[1].json()["id"], "task_1");
    project.wait_for_message(&id, "succeeded").await;
}

#[tokio::test]
async fn customers_servers_verify_the_raw_and_the_rewritten_body_and_know_what_comes_twice() {
    let project = ittybit().await;
    for mut server in Server::in_each_language("jobs").await {
        let job = succeeded(&format!("task_{}", server.language), METADATA);
        let id = post(&project, &event("task.succeeded", &job, server.url())).await;
        let secret = project_secret(&project).await;
        let answer = answer_once_it_knows(&mut server, &secret, &project, &id).await;
        assert_eq!(answer, format!("task_{} succeeded", server.language));

        let before = project.attempts(&id).await.len();
        project.post(&format!("/webhooks/messages/{id}/resend"), json!({})).await.expect(202);
        let again = project.wait_for_attempts(&id, before + 1).await.pop().unwrap();
        assert_eq!(again.response_body.unwrap(), format!("task_{} is known", server.language));
    }
}
