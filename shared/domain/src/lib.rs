//! What Posthaste knows and decides, without AWS, without HTTP and without a clock.
//!
//! Nothing here does I/O; time and randomness are arguments. Read it in this order:
//!
//! 1. [`id`], [`time`]: names and moments; everything sorts by time.
//! 2. [`model`]: project, key, topic, endpoint, event, attempt, as plain types whose constructors
//!    hold the rules; [`endpoint_url`]: where a request may go.
//! 3. [`json`]: the one byte form of a payload; [`shape`]: the body around it; [`signing`]: secrets
//!    and signatures over those bytes.
//! 4. [`schedule`]: when to try again; [`delivery`]: how it ends; [`health`]: what to do with an
//!    endpoint that keeps failing; [`rate`]: how fast to send; [`recovery`]: which deliveries an
//!    endpoint gets again.
//! 5. [`work`]: what is on the queues: deliveries ([`message`]), or the ids of those that have a
//!    row ([`delivery_row`]), which remembers their attempts ([`history`]); [`job`]: what is done
//!    by rows.
//!
//! [`schema`] serves the API's document (`tests/tests/document`); no function runs it.

pub mod budget;
mod by_name;
pub mod delivery;
pub mod delivery_row;
pub mod endpoint_url;
pub mod health;
pub mod history;
pub mod id;
pub mod job;
pub mod json;
pub mod message;
pub mod model;
pub mod rate;
pub mod recovery;
pub mod schedule;
pub mod schema;
pub mod shape;
pub mod signing;
pub mod system_event;
pub mod time;
pub mod usage;
pub mod work;
