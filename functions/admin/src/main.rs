//! The `admin` function.

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use shared::{
    settings::{self, Settings},
    start::or_exit,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    settings::init_logs();
    let started = admin::App::start(&settings::aws().await, &Settings::from_env()).await;
    let app = Arc::new(or_exit(started));
    let api = shared::http::router(admin::routes(), Arc::clone(&app));
    lambda_runtime::run(service_fn(|event: LambdaEvent<_>| {
        let (app, api) = (Arc::clone(&app), api.clone());
        async move { admin::handle(&app, api, event).await.map_err(Error::from) }
    }))
    .await
}
