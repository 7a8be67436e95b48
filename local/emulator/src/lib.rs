//! Emulators of the AWS services that Posthaste runs on, in one process: what AWS does to the
//! functions, these do too.
//!
//! - [`aws`] stands in for DynamoDB and SQS ([`sqs`]); it enforces roles, counts calls and injects
//!   faults
//! - [`runtime`] stands in for Lambda, [`recursion`] for its recursion detection
//! - [`front`] stands in for API Gateway and function URLs
//! - [`poller`] stands in for Lambda's event source mappings, [`ticker`] for rules of the time
//! - [`samples`] is what the sample events of `events/` speak of
//! - [`testing`] offers all of it to the tests of the functions
//!
//! They hold the functions to what AWS would allow and give them. Whatever is easier here than on
//! AWS is a bug.

pub mod aws;
pub mod front;
pub mod operator_key;
pub mod poller;
pub mod recursion;
pub mod runtime;
pub mod samples;
pub mod sqs;
pub mod testing;
pub mod ticker;
