//! SDK clients for one endpoint and one caller.
//!
//! Nothing is read from the user's environment or profile here; a stack on one machine must never
//! reach a real account.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};

use sam_template::REGION;

/// Secret that goes with every access key id; nothing verifies it.
pub const SECRET_ACCESS_KEY: &str = "local";

/// Clients of both services.
#[derive(Debug, Clone)]
pub struct Clients {
    /// DynamoDB.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// SQS.
    pub sqs: aws_sdk_sqs::Client,
}

impl Clients {
    /// Clients that call `endpoint` with this access key id.
    pub fn new(endpoint: &str, access_key: &str) -> Self {
        let config = sdk_config(endpoint, access_key);
        Self {
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            sqs: aws_sdk_sqs::Client::new(&config),
        }
    }
}

/// The SDK configuration for calls to `endpoint` with this access key id.
pub fn sdk_config(endpoint: &str, access_key: &str) -> SdkConfig {
    let credentials = Credentials::new(access_key, SECRET_ACCESS_KEY, None, None, "posthaste");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}
