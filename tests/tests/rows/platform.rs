//! The platform's side: a project that signs and shapes as the platform does, with the platform's
//! topics.

use serde_json::{Value as Json, json};
use system_tests::{Client, Stack};

/// A project of a platform with this brand: its defaults, and topics beside the deployment's.
pub(crate) async fn platform(brand: &str, defaults: Json, topics: &[&str]) -> Client {
    let stack = Stack::shared().await;
    let mut project = json!({"name": "A customer", "brand": brand});
    project.as_object_mut().unwrap().extend(defaults.as_object().unwrap().clone());
    let client = stack.operator().new_project_with(project).await;
    for topic in topics {
        client.put(&format!("/webhooks/topics/{topic}"), json!({})).await.expect(201);
    }
    client
}

/// The secret that signs what goes to URLs without an endpoint.
pub(crate) async fn project_secret(project: &Client) -> String {
    project.get("/webhooks/secret").await.expect(200)["secret"].as_str().unwrap().to_owned()
}

/// Posts an event from its text, so that its numbers are those that are written here.
pub(crate) async fn post(project: &Client, event: &str) -> String {
    project.send_text(http::Method::POST, "/events", event).await.expect(202)["id"]
        .as_str()
        .unwrap()
        .to_owned()
}
