//! The `stream` function.

use std::sync::Arc;

use shared::{
    settings::{self, Settings},
    start::or_exit,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    settings::init_logs();
    let started = stream::App::new(&settings::aws().await, &Settings::from_env());
    let app = Arc::new(or_exit(started));
    lambda_http::run_with_streaming_response(shared::http::router(stream::routes(), app)).await
}
