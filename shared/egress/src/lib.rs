//! The only way to send a request to a customer's URL: [`DeliveryClient`].
//!
//! The client judges the URL's text before it sends (`domain::endpoint_url`), and its resolver
//! judges the addresses behind a name when it connects ([`resolver`]).
//!
//! # Pitfalls
//!
//! An HTTP client never asks its resolver about an IP literal, and a name that was harmless when
//! its endpoint was created may point at `169.254.169.254` a minute later. So both checks are
//! needed. `clippy.toml` forbids any other client.

mod body;
mod client;
mod failure;
mod outcome;
pub mod resolver;
pub mod retry_after;
mod reuse;

pub use self::{
    body::RESPONSE_BODY_LIMIT,
    client::{
        ClientError, ClientOptions, DeliveryClient, MAX_IDLE_PER_HOST, MAX_TIMEOUT, SignedRequest,
    },
    outcome::{Exchange, ExchangeResult, UnreachableClass},
};
