//! How a function starts, or says in one log line why it can't.

use std::fmt::Display;

use store::secrets_key::KeyCheckError;

use crate::settings::SettingsError;

/// Why a function can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is missing or wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The secrets key doesn't belong to the config table, or that can't be told.
    #[error(transparent)]
    SecretsKey(#[from] KeyCheckError),
}

/// Writes log lines as JSON or text (`AWS_LAMBDA_LOG_FORMAT`), from the level
/// `AWS_LAMBDA_LOG_LEVEL` on.
pub fn init_logs() {
    lambda_runtime::tracing::init_default_subscriber();
}

/// What was started; or ends the process. Lambda counts that as an error of the function and starts
/// it again with the next event.
pub fn or_exit<T, E: Display>(started: Result<T, E>) -> T {
    started.unwrap_or_else(|error| {
        tracing::error!(%error, "the function can't start");
        std::process::exit(1)
    })
}
