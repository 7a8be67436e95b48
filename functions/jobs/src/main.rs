//! The `jobs` function.

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use runtime::{
    aws, clock,
    deadline::deadline,
    settings::Settings,
    start::{init_logs, or_exit},
};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    init_logs();
    let started = jobs::App::new(&aws::config().await, &Settings::from_env());
    let app = Arc::new(or_exit(started));
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| {
        let app = Arc::clone(&app);
        let deadline = deadline(event.context.deadline, clock::now());
        async move { jobs::run(&app, deadline).await.map_err(Error::from) }
    }))
    .await
}
