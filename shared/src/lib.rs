//! What Posthaste's functions share.
//!
//! Read it in this order and you know the system:
//!
//! 1. [`id`], [`time`]: names and moments; everything sorts by time.
//! 2. [`model`]: project, key, topic, endpoint, event, attempt, as plain types whose constructors
//!    hold the rules.
//! 3. [`json`]: the one byte form of a payload; [`shape`]: the body around it; [`signing`]: secrets
//!    and signatures over those bytes.
//! 4. [`schedule`]: when to try again; [`delivery`]: what to do with a message, given what the log
//!    says; [`health`]: and with an endpoint that keeps failing; [`rate`]: how fast; [`recovery`]:
//!    which deliveries an endpoint gets again.
//! 5. [`target`]: where a request may go, and the only HTTP client that may carry it.
//!
//! Up to here nothing does I/O (but for `target`'s client) and time and randomness are arguments.
//! Then the adapters:
//!
//! 6. [`work`]: what is on the queues: deliveries ([`message`]) and steps of jobs ([`job`]);
//!    [`queue`]: SQS.
//! 7. [`store`]: DynamoDB, one small type per capability, so that a function's fields say what its
//!    IAM role must allow.
//! 8. [`publish`]: first the log, then the queue; [`announce`]: events of our own about a project's
//!    endpoints.
//! 9. [`auth`], [`http`]: who is calling, and the API's conventions (errors, lists, bodies).
//! 10. [`settings`]: what a function reads from its environment; [`start`]: why one can't start.
//!
//! [`schema`] is for the API's document (`tests/tests/document`), and no part of what runs.

pub mod announce;
pub mod auth;
mod by_name;
pub mod delivery;
pub mod health;
pub mod http;
pub mod id;
pub mod job;
pub mod json;
pub mod message;
pub mod model;
pub mod publish;
pub mod queue;
pub mod rate;
pub mod recovery;
pub mod schedule;
pub mod schema;
pub mod settings;
pub mod shape;
pub mod signing;
pub mod start;
pub mod store;
pub mod target;
pub mod time;
pub mod work;
