//! The `admin` function.

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use runtime::{
    aws,
    settings::Settings,
    start::{init_logs, or_exit},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    init_logs();
    let started = admin::App::start(&aws::config().await, &Settings::from_env()).await;
    let app = Arc::new(or_exit(started));
    let api = api::router(admin::routes(), Arc::clone(&app));
    lambda_runtime::run(service_fn(|event: LambdaEvent<_>| {
        let (app, api) = (Arc::clone(&app), api.clone());
        async move { admin::handle(&app, api, event).await.map_err(Error::from) }
    }))
    .await
}
