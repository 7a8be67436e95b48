//! What a function reads from its environment, which `template.yaml` sets.
//!
//! Read once, at start: a missing or malformed setting stops the function there, with its name, not at the first request.

use std::{env, fmt::Display, str::FromStr};

/// A setting that is missing or can't be read. Names the variable, never its value.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Not set, or empty.
    #[error("environment variable {0} is not set")]
    Missing(&'static str),
    /// Set to something that it can't be.
    #[error("environment variable {name}: {reason}")]
    Malformed {
        /// The variable.
        name: &'static str,
        /// What is wrong.
        reason: String,
    },
}

/// A variable's text.
pub fn text(name: &'static str) -> Result<String, SettingsError> {
    optional(name).ok_or(SettingsError::Missing(name))
}

/// A variable's text, if it is set and not empty.
pub fn optional(name: &'static str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// A variable's value.
pub fn parsed<T: FromStr<Err: Display>>(name: &'static str) -> Result<T, SettingsError> {
    text(name)?.parse().map_err(|error: T::Err| SettingsError::Malformed { name, reason: error.to_string() })
}

/// The configuration of the AWS clients: region, credentials and, on one machine, `AWS_ENDPOINT_URL`, from the environment.
pub async fn aws() -> aws_config::SdkConfig {
    aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await
}

/// JSON log lines as Lambda's log format setting asks for, at the level of `AWS_LAMBDA_LOG_LEVEL`.
pub fn init_logs() {
    lambda_runtime::tracing::init_default_subscriber();
}
