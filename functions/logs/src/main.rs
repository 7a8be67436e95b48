//! The `logs` function.

use std::sync::Arc;

use shared::settings::{self, Settings};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    settings::init_logs();
    let app = Arc::new(logs::App::new(&settings::aws().await, &Settings::from_env())?);
    lambda_http::run(shared::http::router(logs::routes(), app)).await
}
