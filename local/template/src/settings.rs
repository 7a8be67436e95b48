//! What the template is resolved against: the stack it is deployed to.

use std::collections::BTreeMap;

/// The region of everything on one machine.
pub const REGION: &str = "us-east-1";

/// The account of everything on one machine: twelve zeros, as other emulators have it.
pub const ACCOUNT: &str = "000000000000";

/// Where and with which parameters a template is deployed.
#[derive(Debug, Clone)]
pub struct Settings {
    /// AWS region; part of every ARN.
    pub region: String,
    /// AWS account id, twelve digits; part of every ARN.
    pub account: String,
    /// Value of `AWS::StackName`.
    pub stack_name: String,
    /// URL below which queues live when `queue_urls` doesn't say otherwise, without a trailing
    /// slash.
    pub sqs_url: String,
    /// Queue URLs as `CreateQueue` returned them, by logical id.
    pub queue_urls: BTreeMap<String, String>,
    /// The value of the secret that the stack generates, where the template refers to one.
    pub secret: String,
    /// Parameters given by the deployer; they override the template's defaults.
    pub parameters: BTreeMap<String, String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            region: REGION.to_owned(),
            account: ACCOUNT.to_owned(),
            stack_name: "posthaste".to_owned(),
            sqs_url: "http://localhost".to_owned(),
            queue_urls: BTreeMap::new(),
            secret: String::new(),
            parameters: BTreeMap::new(),
        }
    }
}

impl Settings {
    pub(super) fn pseudo_parameter(&self, name: &str) -> Option<String> {
        Some(match name {
            "AWS::Region" => self.region.clone(),
            "AWS::AccountId" => self.account.clone(),
            "AWS::StackName" => self.stack_name.clone(),
            "AWS::StackId" => format!(
                "arn:aws:cloudformation:{}:{}:stack/{}/00000000-0000-0000-0000-000000000000",
                self.region, self.account, self.stack_name
            ),
            "AWS::Partition" => "aws".to_owned(),
            "AWS::URLSuffix" => "amazonaws.com".to_owned(),
            _ => return None,
        })
    }

    /// The ARN of a DynamoDB table by its physical name.
    pub fn table_arn(&self, name: &str) -> String {
        format!("arn:aws:dynamodb:{}:{}:table/{name}", self.region, self.account)
    }

    /// The ARN of an SQS queue by its physical name.
    pub fn queue_arn(&self, name: &str) -> String {
        format!("arn:aws:sqs:{}:{}:{name}", self.region, self.account)
    }

    /// The ARN of a Lambda function by its physical name.
    pub fn function_arn(&self, name: &str) -> String {
        format!("arn:aws:lambda:{}:{}:function:{name}", self.region, self.account)
    }

    pub(super) fn queue_url(&self, logical_id: &str, name: &str) -> String {
        match self.queue_urls.get(logical_id) {
            Some(url) => url.clone(),
            None => format!("{}/{}/{name}", self.sqs_url, self.account),
        }
    }
}
