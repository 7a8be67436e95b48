//! The `events` function.

use std::sync::Arc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shared::settings::init_logs();
    let app = Arc::new(events::App::from_env().await?);
    lambda_http::run(shared::http::router(events::routes(), app)).await
}
