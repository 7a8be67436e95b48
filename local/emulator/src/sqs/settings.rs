//! What the stand-in is told about the world around it.

use super::{clock::Clock, fairness::Reaction, limits};

/// Names and limits of one stand-in.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The region in queue ARNs.
    pub region: String,
    /// The account in queue ARNs and URLs: twelve digits.
    pub account: String,
    /// What queue URLs start with, without a slash at the end: `http://127.0.0.1:4566`.
    pub base_url: String,
    /// What time it is.
    pub clock: Clock,
    /// How many messages of one queue may be in flight; SQS's 120,000 unless a test wants fewer.
    pub in_flight_limit: u64,
    /// When a tenant of a fair queue counts as noisy.
    pub reaction: Reaction,
}

/// Region `us-east-1`, account `000000000000`, port 4566 of this machine, the system's clock and
/// SQS's own limits.
impl Default for Settings {
    fn default() -> Self {
        Self {
            region: "us-east-1".to_owned(),
            account: "000000000000".to_owned(),
            base_url: "http://127.0.0.1:4566".to_owned(),
            clock: Clock::system(),
            in_flight_limit: limits::IN_FLIGHT,
            reaction: Reaction::PROMPT,
        }
    }
}

impl Settings {
    /// The URL of the queue of that name.
    pub fn queue_url(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.base_url, self.account)
    }

    /// The ARN of the queue of that name.
    pub fn arn(&self, name: &str) -> String {
        format!("arn:aws:sqs:{}:{}:{name}", self.region, self.account)
    }
}
