//! The `deliver` function.

use std::sync::Arc;

use aws_lambda_events::sqs::SqsEvent;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use runtime::{
    aws, clock,
    deadline::deadline,
    settings::Settings,
    start::{init_logs, or_exit},
};

// More threads than a batch has messages: a receiver that floods us keeps the thread that reads it
// busy for as long as tokio lets it, 60 MiB at a stretch, and others must not time out meanwhile.
#[tokio::main(flavor = "multi_thread", worker_threads = 12)]
async fn main() -> Result<(), Error> {
    init_logs();
    let started = deliver::App::start(&aws::config().await, &Settings::from_env()).await;
    let app = Arc::new(or_exit(started));
    lambda_runtime::run(service_fn(|event: LambdaEvent<SqsEvent>| {
        let (app, deadline) = (Arc::clone(&app), deadline(event.context.deadline, clock::now()));
        async move { deliver::handle(app, event.payload, deadline).await.map_err(Error::from) }
    }))
    .await
}
