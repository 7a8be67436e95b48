//! The `events` function as API Gateway meets it, on the stand-ins for AWS and with its own role.

mod batches;
mod idempotency;
mod single;
mod support;
