//! The `admin` function.

use std::sync::Arc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shared::settings::init_logs();
    let app = Arc::new(admin::App::from_env().await?);
    lambda_http::run(shared::http::router(admin::routes(), app)).await
}
