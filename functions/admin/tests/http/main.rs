//! The `admin` function as API Gateway meets it, on the stand-ins for AWS and with its own role.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod faults;
mod keys;
mod nowhere;
mod operator_keys;
mod projects;
mod secrets_key;

use std::sync::Arc;

use emulator::{
    samples,
    testing::{Api, AwsStandIn},
};
use serde_json::{Value as Json, json};

/// A stand-in and the function on it, asked by the operator for no project in particular.
struct Started {
    aws: AwsStandIn,
    api: Api,
}

async fn start() -> Started {
    let aws = AwsStandIn::start().await;
    let app = admin::App::new(&aws.sdk_config_of("admin"), &aws.settings_of("admin")).unwrap();
    let api = Api::new(&aws, api::router(admin::routes(), Arc::new(app)));
    Started { api: api.with_key(samples::OPERATOR_KEY), aws }
}

/// Creates a project and returns its id.
async fn project(api: &Api, name: &str) -> String {
    let answer = api.ask("POST", "/projects", json!({"name": name})).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.text("id").to_owned()
}

/// Creates a key and returns the answer's body.
async fn key(api: &Api, project: &str, body: Json) -> Json {
    let answer = api.ask("POST", &format!("/projects/{project}/keys"), body).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.body
}
