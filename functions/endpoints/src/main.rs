//! The `endpoints` function.

use std::sync::Arc;

use shared::{
    settings::{self, Settings},
    start::or_exit,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    settings::init_logs();
    let started = endpoints::App::start(&settings::aws().await, &Settings::from_env()).await;
    let app = Arc::new(or_exit(started));
    lambda_http::run(shared::http::router(endpoints::routes(), app)).await
}
