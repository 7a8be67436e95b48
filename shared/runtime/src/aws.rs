//! The configuration of the AWS clients.

use std::time::Duration;

pub use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;

/// How long one try of a call may take. DynamoDB and SQS answer within milliseconds; the largest
/// requests, of 1 MiB and more, within a second.
const CALL_TRY_TIMEOUT: Duration = Duration::from_millis(2_500);
/// How long a call may take with all of its tries. It is less than the 8 s that `deliver` reserves
/// to record its attempts, and less than half of the 15 s of the API's functions: where a call
/// hangs, and the call that cleans up after it hangs too, the API still answers with its own 503.
const CALL_TIMEOUT: Duration = Duration::from_secs(6);

/// Region, credentials and, on one machine, `AWS_ENDPOINT_URL`, from the environment.
pub async fn config() -> SdkConfig {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_call_of_aws_can_outlast_the_function() {
        let timeouts = config().await.timeout_config().cloned().unwrap();
        assert_eq!(
            (timeouts.operation_attempt_timeout(), timeouts.operation_timeout()),
            (Some(CALL_TRY_TIMEOUT), Some(CALL_TIMEOUT))
        );
        assert!(timeouts.connect_timeout().is_none_or(|timeout| timeout < CALL_TIMEOUT));
    }
}
