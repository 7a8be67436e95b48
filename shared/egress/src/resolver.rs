//! The resolver of the outgoing client: names whose addresses are not all allowed do not resolve.
//!
//! The judged answers are the ones that the connection is then made to, so that nothing can change
//! in between.
//!
//! # Pitfalls
//!
//! One bad answer refuses the whole name: a name that mixes public and private addresses is an
//! attack or a mistake, and its owner should hear of it.

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
};

use domain::endpoint_url::{TargetError, TargetPolicy};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// The addresses of a name, when they come.
pub type Answers = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Finds the addresses of a name. Any `Fn(String) -> impl Future` is one, so that tests can make up
/// answers.
pub trait Lookup: Send + Sync + 'static {
    /// All addresses of the name.
    fn lookup(&self, name: String) -> Answers;
}

impl<F, Fut> Lookup for F
where
    F: Fn(String) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = io::Result<Vec<IpAddr>>> + Send + 'static,
{
    fn lookup(&self, name: String) -> Answers {
        Box::pin(self(name))
    }
}

/// Asks the operating system (`getaddrinfo`).
pub async fn system_lookup(name: String) -> io::Result<Vec<IpAddr>> {
    let answers = tokio::net::lookup_host((name, 0)).await?;
    Ok(answers.map(|answer| answer.ip()).collect())
}

/// Why a name was not connected to. Found again in the source chain of the client's error, so that
/// the attempt is recorded as refused, which waiting doesn't change, rather than as unreachable.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Refusal(#[from] pub TargetError);

/// A [`Resolve`] that lets through only what its policy allows.
pub(crate) struct JudgingResolver {
    policy: TargetPolicy,
    lookup: Arc<dyn Lookup>,
}

impl JudgingResolver {
    pub(crate) fn new(policy: TargetPolicy, lookup: Arc<dyn Lookup>) -> Self {
        Self { policy, lookup }
    }
}

impl Resolve for JudgingResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.policy;
        let answers = self.lookup.lookup(name.as_str().to_owned());
        Box::pin(async move {
            let addresses = answers.await?;
            if addresses.is_empty() {
                return Err(
                    io::Error::new(io::ErrorKind::NotFound, "the name has no addresses").into()
                );
            }
            if !addresses.iter().all(|address| policy.allows_address(*address)) {
                return Err(Refusal(TargetError::ResolvesToNotPublic).into());
            }
            // Port 0 stands for the URL's own port.
            let sockets = addresses.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(sockets) as Addrs)
        })
    }
}
