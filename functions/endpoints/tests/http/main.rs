//! The `endpoints` function as API Gateway meets it, on the stand-ins for AWS and with its own
//! role.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod automations;
mod changing;
mod creating;
mod faults;
mod limits;
mod project_secret;
mod reading;
mod topics;
mod workers;

use std::sync::Arc;

use domain::model::Scope;
use emulator::testing::{Api, AwsStandIn};
use runtime::settings::Settings;
use serde_json::{Value as Json, json};

/// A stand-in and the function on it.
struct Started {
    api: Api,
    // Held, as it ends when it is dropped.
    aws: AwsStandIn,
}

/// With receivers on this machine allowed.
async fn start() -> Started {
    let aws = AwsStandIn::start().await;
    let settings = aws.settings_of("endpoints");
    start_with(aws, &settings).await
}

async fn start_with(aws: AwsStandIn, settings: &Settings) -> Started {
    aws.plant(&[]).await;
    let app = endpoints::App::new(&aws.sdk_config_of("endpoints"), settings).unwrap();
    Started { api: Api::new(&aws, api::router(endpoints::routes(), Arc::new(app))), aws }
}

/// Creates an endpoint and returns the answer's body.
async fn create(api: &Api, body: Json) -> Json {
    let answer = api.ask("POST", "/webhooks/endpoints", body).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.body
}

fn minimal() -> Json {
    json!({"url": "https://example.com/hooks", "topics": ["task.created"]})
}

fn path_of(endpoint: &Json) -> String {
    format!("/webhooks/endpoints/{}", endpoint["id"].as_str().unwrap())
}

/// Another project than the samples', asked with a key of its own that may do everything.
async fn stranger(started: &Started) -> Api {
    started.api.with_key(&started.aws.key_of("proj_01JZ0000000000000000000009", &Scope::ALL).await)
}
