//! The `stream` function.

use std::sync::Arc;

use shared::settings::{self, Settings};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    settings::init_logs();
    let app = Arc::new(stream::App::new(&settings::aws().await, &Settings::from_env())?);
    lambda_http::run_with_streaming_response(shared::http::router(stream::routes(), app)).await
}
