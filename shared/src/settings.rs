//! What a function reads from its environment, which `template.yaml` sets.
//!
//! Read once, at start: a missing or malformed setting stops the function there, with its name, not
//! at the first request.

use std::{collections::BTreeMap, env, fmt::Display, str::FromStr, time::Duration};

pub use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;

/// How long a try of a call may take. DynamoDB and SQS answer within milliseconds; the largest
/// requests, of 1 MiB and more, within a second.
const CALL_TRY_TIMEOUT: Duration = Duration::from_millis(2_500);
/// How long a call may take with all of its tries: less than what `deliver` keeps of its time for
/// writing down (8 s), and less than half of what the functions of the API have (15 s), so that
/// where a call hangs, and the one that tidies up behind it as well, there is still our own 503 and
/// not the end of the function.
const CALL_TIMEOUT: Duration = Duration::from_secs(6);

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

/// What a function was started with. No `Debug`: an environment holds AWS credentials.
#[derive(Clone)]
pub struct Settings(BTreeMap<String, String>);

impl Settings {
    /// The process's environment. Variables that aren't UTF-8 are not ours and left out.
    pub fn from_env() -> Self {
        env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// A variable's text.
    pub fn text(&self, name: &'static str) -> Result<&str, SettingsError> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
            .ok_or(SettingsError::Missing(name))
    }

    /// A variable's value.
    pub fn parsed<T: FromStr<Err: Display>>(&self, name: &'static str) -> Result<T, SettingsError> {
        self.text(name)?
            .parse()
            .map_err(|error: T::Err| SettingsError::Malformed { name, reason: error.to_string() })
    }

    /// A variable's value, if it is set and not empty.
    pub fn optional<T: FromStr<Err: Display>>(
        &self,
        name: &'static str,
    ) -> Result<Option<T>, SettingsError> {
        match self.parsed(name) {
            Err(SettingsError::Missing(_)) => Ok(None),
            other => other.map(Some),
        }
    }
}

impl FromIterator<(String, String)> for Settings {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}

/// The configuration of the AWS clients: region, credentials and, on one machine,
/// `AWS_ENDPOINT_URL`, from the environment.
pub async fn aws() -> SdkConfig {
    aws_config::defaults(aws_config::BehaviorVersion::latest())
        .timeout_config(call_timeouts())
        .load()
        .await
}

/// The bounds on a call of AWS. By itself the SDK only bounds connecting: a call that is never
/// answered would last as long as the function.
pub fn call_timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .operation_attempt_timeout(CALL_TRY_TIMEOUT)
        .operation_timeout(CALL_TIMEOUT)
        .build()
}

/// JSON log lines as Lambda's log format setting asks for, at the level of `AWS_LAMBDA_LOG_LEVEL`.
pub fn init_logs() {
    lambda_runtime::tracing::init_default_subscriber();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        [("N", "7"), ("X", "x"), ("EMPTY", "")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .collect()
    }

    #[test]
    fn what_is_missing_or_malformed_is_named() {
        assert_eq!(settings().parsed::<u8>("N").unwrap(), 7);
        assert_eq!(
            settings().text("EMPTY").unwrap_err().to_string(),
            "environment variable EMPTY is not set"
        );
        assert!(
            settings()
                .parsed::<u8>("X")
                .unwrap_err()
                .to_string()
                .starts_with("environment variable X: ")
        );
    }

    #[tokio::test]
    async fn no_call_of_aws_can_outlast_the_function() {
        let timeouts = aws().await.timeout_config().cloned().unwrap();
        assert_eq!(
            (timeouts.operation_attempt_timeout(), timeouts.operation_timeout()),
            (Some(CALL_TRY_TIMEOUT), Some(CALL_TIMEOUT))
        );
        assert!(timeouts.connect_timeout().is_none_or(|timeout| timeout < CALL_TIMEOUT));
    }

    #[test]
    fn an_optional_setting_may_be_missing_but_not_malformed() {
        assert_eq!(settings().optional::<u8>("EMPTY").unwrap(), None);
        assert_eq!(settings().optional::<u8>("ABSENT").unwrap(), None);
        assert!(settings().optional::<u8>("X").is_err());
    }
}
