//! Where a request may go, and the only way to send one there.
//!
//! Customers choose the URLs that this service sends requests to, from inside a network that they
//! can't see into. So a URL is judged three times: its text when it is given
//! ([`EndpointUrl::parse`]), its text again when it is used (the policy may have changed since),
//! and the addresses behind its name when a connection is made ([`resolver`]).
//!
//! Easy to get wrong: a resolver is never asked about an IP literal, and a name that was harmless
//! when the endpoint was created may point at `169.254.169.254` a minute later. Both halves are
//! needed, and [`DeliveryClient`] is the one place where they meet; `clippy.toml` keeps anyone from
//! building another client.

pub mod address;
mod body;
mod client;
mod error;
mod failure;
mod judge;
mod names;
mod outcome;
mod own_host;
mod policy;
pub mod resolver;
pub mod retry_after;
mod reuse;
mod url;

#[cfg(test)]
mod tests;

pub use self::{
    body::RESPONSE_BODY_LIMIT,
    client::{
        ClientError, ClientOptions, DeliveryClient, MAX_IDLE_PER_HOST, MAX_TIMEOUT, Outgoing,
    },
    error::TargetError,
    judge::{Judge, Targets},
    outcome::{Exchange, Outcome, UnreachableClass},
    own_host::{NotAHost, OwnHost},
    policy::{TargetPolicy, UnknownPolicy},
    url::{EndpointUrl, MAX_URL_LENGTH},
};
