//! The stand-ins for AWS behind one port: DynamoDB (in process, on an `SQLite` file) and SQS, told
//! apart by `X-Amz-Target`.
//!
//! What AWS does around its services is here too: who calls ([`caller`]), whether they may
//! ([`iam`]), and how often they did ([`counters`]); and for tests, what may go wrong there
//! ([`faults`]).
//!
//! A call is checked against IAM before anything else looks at it, as on AWS, so that a function
//! that lacks a permission fails here as it would when deployed.

pub mod caller;
pub mod clients;
pub mod counters;
mod dispatch;
pub mod dynamo;
pub mod faults;
pub mod iam;
mod indexes;
pub mod provision;
pub mod requirement;
pub mod server;
pub mod units;

pub use caller::Caller;
pub use clients::Clients;
pub use counters::{CallCount, Counters, CountersReport};
pub use faults::{Fault, Faults};
pub use server::{AwsServer, OpenError, Stores};
pub use units::Units;
