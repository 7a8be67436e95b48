//! Paths and methods.

use std::collections::BTreeSet;

use http::Method;
use system_tests::Stack;

#[tokio::test]
async fn an_unknown_path_is_not_found_in_our_own_format() {
    let project = Stack::shared().await.project().await;
    for path in [
        "/",
        "/nowhere",
        "/webhooks",
        "/webhooks/endpoints/a/b/c",
        "/events/a/b",
        "/projects/a/keys/b/c",
        "/favicon.ico",
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let answer = project.send(project.request(method.clone(), path)).await;
            eprintln!("{method} {path} → {}", answer.text);
            answer.is_error(404, "not_found", "no such route", None);
            assert_eq!(answer.header("content-type"), "application/json");
        }
    }
}

#[tokio::test]
async fn another_method_is_refused_and_the_right_ones_are_named() {
    let project = Stack::shared().await.project().await;
    for (path, method, allowed) in [
        ("/events", Method::DELETE, "GET POST"),
        ("/events/batch", Method::PUT, "POST"),
        ("/events/batch", Method::GET, "POST"),
        ("/events/evt_1", Method::PUT, "GET"),
        ("/events/stream", Method::DELETE, "GET"),
        ("/webhooks/endpoints", Method::PUT, "GET POST"),
        ("/webhooks/endpoints/we_1", Method::POST, "DELETE GET PATCH PUT"),
        ("/webhooks/endpoints/we_1/secret", Method::POST, "GET"),
        ("/webhooks/messages/evt_1/resend", Method::GET, "POST"),
        ("/webhooks/topics/task.created", Method::POST, "DELETE GET PUT"),
        ("/projects", Method::DELETE, "GET POST"),
        ("/projects/proj_1/keys/key_1", Method::GET, "DELETE"),
    ] {
        let answer = project.send(project.request(method.clone(), path)).await;
        answer.is_error(405, "method_not_allowed", "allowed", None);
        let named: BTreeSet<_> = answer.header("allow").split(", ").map(str::to_owned).collect();
        assert_eq!(named, allowed.split(' ').map(str::to_owned).collect(), "{method} {path}");
    }
}

/// API Gateway passes a decoded path to functions, in which these end the id.
#[tokio::test]
async fn an_escaped_delimiter_in_an_id_names_nothing_and_nothing_else() {
    let project = Stack::shared().await.project().await;
    let endpoint = project.create_endpoint("https://example.com/hook", &["*"]).await;
    let path = format!("/webhooks/endpoints/{}", endpoint.id);
    for escaped in
        ["%3F/recoveries/x", "%253Fx", "%23x", "%2Fsecret", "%252Fsecret", "%2F..%2Fx", "%5Csecret"]
    {
        for method in [Method::GET, Method::DELETE] {
            let answer = project.send(project.request(method.clone(), &(path.clone() + escaped)));
            let answer = answer.await;
            eprintln!("{method} {escaped} → {} {}", answer.status, answer.text);
            answer.is_error(404, "not_found", "no such", None);
        }
    }
    assert_eq!(project.get(&path).await.status, 200, "it is still there");
}
