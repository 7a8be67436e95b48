//! wip
pub mod aws;
pub mod front;
pub mod operator_key;
pub mod poller;
pub mod runtime;
pub mod sqs;
pub mod template;
pub mod testing;
