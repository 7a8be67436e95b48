//! The `stream` function.

use std::sync::Arc;

use runtime::{
    aws,
    settings::Settings,
    start::{init_logs, or_exit},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    init_logs();
    let started = stream::App::new(&aws::config().await, &Settings::from_env());
    let app = Arc::new(or_exit(started));
    lambda_http::run_with_streaming_response(api::router(stream::routes(), app)).await
}
