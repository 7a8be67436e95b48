//! The operations, by resource. Each is a plain function of the store and a request: `(&mut Store,
//! Request) -> Result<Answer, SqsError>`. It runs on the store's thread, so parsing and digests,
//! which need no store, are done before it.

#![allow(
    clippy::needless_pass_by_value,
    reason = "every operation has the same shape and owns its request"
)]

pub(crate) mod batch;
pub(crate) mod delete;
pub(crate) mod draft;
pub(crate) mod moves;
pub(crate) mod queue_attributes;
pub(crate) mod queues;
pub(crate) mod receive;
pub(crate) mod send;
pub(crate) mod visibility;

use std::ops::RangeInclusive;

use serde::Deserialize;

use super::error::SqsError;

/// A request that names a queue and nothing else.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct QueueRequest {
    #[serde(default)]
    pub(crate) queue_url: String,
}

/// Refuses a number outside its documented range.
fn check_range(
    value: i64,
    parameter: &str,
    allowed: &RangeInclusive<i64>,
) -> Result<i64, SqsError> {
    if allowed.contains(&value) {
        return Ok(value);
    }
    let reason = format!("Must be between {} and {}, if provided.", allowed.start(), allowed.end());
    Err(SqsError::invalid_parameter(value, parameter, &reason))
}
