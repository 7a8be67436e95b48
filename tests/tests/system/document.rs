//! The API's own document, and what it says of keys.

use http::Method;
use serde_json::{Value as Json, json};
use system_tests::{Stack, workspace};

#[tokio::test]
async fn everybody_can_read_the_document_as_it_is_committed() {
    let answer = Stack::shared().await.operator().with_key("nobody").get("/openapi.json").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert!(
        answer.text == committed(),
        "another document than openapi.json is served: build the functions again"
    );
}

#[tokio::test]
async fn each_operation_takes_the_scopes_that_the_document_names_and_no_other() {
    let operator = Stack::shared().await.operator();
    let project = operator.new_project().await;
    let document: Json = serde_json::from_str(&committed()).unwrap();
    for scope in ["endpoints", "events", "read"] {
        let (_, client) = operator.new_key(project.project(), &[scope]).await;
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in
                methods.as_object().unwrap().iter().filter(|(name, _)| *name != "servers")
            {
                let security = operation["security"].as_array().unwrap();
                let open = security.contains(&json!({}))
                    || security.contains(&json!({"projectKey": [scope]}));
                if open && path == "/events/stream" {
                    // It would last, and has tests of its own.
                    continue;
                }
                let method: Method = method.to_uppercase().parse().unwrap();
                let request = client.request(method.clone(), &path.replace(['{', '}'], ""));
                let body =
                    operation["requestBody"]["content"]["application/json"]["example"].to_string();
                let answer = client
                    .send(request.header("content-type", "application/json").body(body))
                    .await;
                assert_eq!(
                    answer.status != 403,
                    open,
                    "{method} {path} with the scope {scope}: {}",
                    answer.text
                );
                if !open {
                    // Who may not hears so first, whatever else is wrong.
                    for (content_type, body) in [
                        ("application/json", "{"),
                        ("application/json", r#"{"colour": 1}"#),
                        ("text/csv", "a,b"),
                    ] {
                        let request = client.request(
                            method.clone(),
                            &format!("{}?colour=red", path.replace(['{', '}'], "")),
                        );
                        let answer = client
                            .send(request.header("content-type", content_type).body(body))
                            .await;
                        assert_eq!(
                            answer.status, 403,
                            "{method} {path} with the scope {scope} and {body}: {}",
                            answer.text
                        );
                    }
                }
            }
        }
    }
}

fn committed() -> String {
    std::fs::read_to_string(workspace().join("functions/admin/openapi.json")).unwrap()
}
