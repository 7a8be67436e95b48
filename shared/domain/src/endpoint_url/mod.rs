//! Where a request may go: [`EndpointUrl`], and the rules that a URL must pass.
//!
//! Customers choose the URLs that Posthaste sends requests to, and must not reach Posthaste's own
//! network. A URL is judged three times: its text when a customer gives it
//! ([`EndpointUrl::parse`]), its text again when it is used (the policy may have changed since),
//! and the addresses behind its name when the `egress` crate opens a connection
//! ([`TargetPolicy::allows_address`]).

pub mod address;
mod error;
mod names;
mod own_host;
mod policy;
mod url;

#[cfg(test)]
mod tests;

pub use self::{
    error::{MAX_URL_LENGTH, TargetError},
    own_host::{NotAHost, OwnHost},
    policy::{TargetPolicy, UnknownPolicy},
    url::EndpointUrl,
};
