//! What Posthaste keeps: rows in three DynamoDB tables, messages in SQS queues ([`queue`]), and the
//! one place that writes an event to the log before it enqueues its deliveries ([`publish`]).
//!
//! Each capability over a table is a small type of its own, so that the fields of a function say
//! what its IAM role must allow.
//!
//! Whatever belongs to a project is read and written through an [`Access`], which is only made from
//! an authenticated key's row, or from our own rows and messages. No function here takes a bare
//! project id that a request names.
//!
//! [`row_keys`] has the table of all rows.

mod access;
pub mod api_keys;
pub mod attempt_reader;
mod attempt_row;
pub mod attempts;
pub mod automations;
pub mod budgets;
pub mod deliveries;
pub mod delivery_rows;
pub mod due;
pub mod endpoints;
mod error;
mod event_row;
pub mod events;
pub mod failures;
pub mod feed;
pub mod health;
pub mod idempotency;
mod item;
pub mod list;
mod merge;
mod moments;
pub mod news;
pub mod operator_keys;
mod packed;
pub mod project_config;
mod project_rows;
pub mod projects;
pub mod publish;
pub mod queue;
pub mod rates;
pub mod receivers;
pub mod recoveries;
mod row_keys;
pub mod runs;
pub mod secrets;
pub mod secrets_key;
pub mod standings;
mod table;
pub mod tally;
pub mod topics;
pub mod usage;
pub mod viewers;

pub use access::Access;
pub use error::StoreError;
pub use list::{Order, Page, PageRequest};
pub use table::Table;
