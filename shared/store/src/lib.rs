//! What Posthaste keeps: rows in two DynamoDB tables, messages in SQS queues ([`queue`]), and the
//! one place that writes an event to the log before it enqueues its deliveries ([`publish`]).
//!
//! Each capability over a table is a small type of its own, so that the fields of a function say
//! what its IAM role must allow.
//!
//! Whatever belongs to a project is read and written through an [`Access`], which is only made from
//! an authenticated key's row, or from our own rows and messages. No function here takes a bare
//! project id that a request names.
//!
//! | table | pk | sk | item |
//! |---|---|---|---|
//! | config | `PROJECTS` | `<proj>` | project, for the operator's list |
//! | config | `PROJ#<proj>` | `PROJ` · `SECRET` | project, secret for URLs without an endpoint |
//! | config | `PROJ#<proj>` | `EP#<we>` · `AUTO#<auto>` | endpoint, automation |
//! | config | `PROJ#<proj>` | `TOPIC#<name>` · `KEY#<key>` | topic, API key |
//! | config | `PROJ#<proj>` | `WORKER#<worker id>` | a worker's webhook: an endpoint |
//! | config | `KEY#<sha-256>` | `KEY` | API key |
//! | config | `OPERATORS` | `<opk>` | operator key, for the operator's list |
//! | config | `OPERATOR#<sha-256>` | `KEY` | operator key |
//! | config | `SECRETS_KEY` | `CHECK` | proof of the key that seals the secrets of this table |
//! | log | `PROJ#<proj>#<shard>` | `<evt>` | event and its targets |
//! | log | `PROJ#<proj>#LATE` | position in the [`feed`] | pointer to an event not at its id |
//! | log | `EP#<we>#<shard>` | `<evt>#<number>#<atm>` | attempt |
//! | log | `EP#<we>` | `HEALTH` | how an endpoint is doing that has failed |
//! | log | `PARKED#<we>#<shard>` | `<evt>#<round>#<queue message>` | waits for its receiver |
//! | log | `EP#<we>` | `RECOVERY#<rcv>` | a recovery and how far it is |
//! | log | `EP#<we>` | `RATE` | when an endpoint with a rate limit takes the next delivery |
//! | log | `EP#<we>` | `RECOVERING` | which recovery has the endpoint |
//! | log | `IDEM#<proj>#<sha-256 of the key>` | `IDEM` | idempotency lease and answer |

mod access;
pub mod announce;
pub mod attempts;
pub mod automations;
pub mod deliveries;
pub mod endpoints;
mod error;
pub mod events;
pub mod feed;
pub mod health;
mod item;
pub mod keys;
pub mod leases;
pub mod list;
mod merge;
pub mod operator_keys;
pub mod parked;
pub mod projects;
pub mod publish;
pub mod queue;
pub mod rates;
pub mod recoveries;
pub mod secrets;
pub mod secrets_key;
mod table;
pub mod targets;
pub mod topics;
mod writes;

pub use access::Access;
pub use error::StoreError;
pub use list::{Order, Page, PageRequest};
pub use table::Table;

/// Before the given try (from 0) of something that throttling left undone: none before the first,
/// then 25 ms and twice as long each time.
async fn pause(attempt: u32) {
    if attempt > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(25 << (attempt - 1).min(5))).await;
    }
}
