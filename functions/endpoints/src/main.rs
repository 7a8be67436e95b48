//! The `endpoints` function.

use std::sync::Arc;

use runtime::{
    aws,
    settings::Settings,
    start::{init_logs, or_exit},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    init_logs();
    let started = endpoints::App::start(&aws::config().await, &Settings::from_env()).await;
    let app = Arc::new(or_exit(started));
    lambda_http::run(api::router(endpoints::routes(), app)).await
}
