//! Posthaste on one machine: one process that reads `template.yaml` and gives the functions what
//! AWS would.
//!
//! In reading order:
//!
//! - [`cli`] is what a user can ask for; [`stack`] starts and stops it all, with [`data`],
//!   [`build`], [`demo`], [`ready`] and [`banner`]
//! - [`template`] reads the one source of truth
//! - [`aws`] stands in for DynamoDB and SQS ([`sqs`]), enforces roles and counts calls
//! - [`runtime`] stands in for Lambda, [`front`] for API Gateway, [`poller`] for Lambda's event
//!   source mappings
//! - [`listen`] is the receiver, [`calls`] prints what a delivery costs
//! - [`samples`] is what the sample events speak of, [`testing`] offers DynamoDB and SQS to the
//!   tests of other crates
//!
//! This is for development and small single-machine use. It holds the functions to what AWS would
//! allow and give them; whatever it makes easier than AWS is a bug here.

pub mod aws;
pub mod banner;
pub mod build;
pub mod calls;
pub mod cli;
pub mod data;
pub mod demo;
pub mod front;
mod http_client;
pub mod listen;
pub mod operator_key;
pub mod poller;
pub mod ready;
pub mod recursion;
pub mod runtime;
pub mod samples;
pub mod secrets_key;
pub mod shutdown;
pub mod sqs;
pub mod stack;
pub mod template;
pub mod testing;
