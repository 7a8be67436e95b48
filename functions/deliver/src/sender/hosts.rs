//! A bound on how many requests of a batch go to one host at a time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use domain::endpoint_url::EndpointUrl;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many requests a batch makes to one host at a time. A batch has at most ten messages, so at
/// most a second wave waits for a first.
const PER_HOST: usize = 5;

/// One semaphore per host.
#[derive(Default)]
pub(crate) struct Hosts(Mutex<HashMap<String, Arc<Semaphore>>>);

impl Hosts {
    /// Waits for a place; it is free again when the permit is dropped.
    pub(crate) async fn enter(&self, url: &EndpointUrl) -> Option<OwnedSemaphorePermit> {
        let host = url.host().map(|host| host.to_string()).unwrap_or_default();
        let semaphore = {
            let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(hosts.entry(host).or_insert_with(|| Arc::new(Semaphore::new(PER_HOST))))
        };
        // It is never closed, so there is always a permit to come.
        semaphore.acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use domain::endpoint_url::TargetPolicy;
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_host_has_so_many_places_whatever_the_path_and_another_host_its_own() {
        let url = |text: &str| EndpointUrl::parse(text, TargetPolicy::Strict).unwrap();
        let hosts = Hosts::default();
        let mut places = Vec::new();
        for number in 0..PER_HOST {
            places.push(hosts.enter(&url(&format!("https://example.com/{number}"))).await);
        }
        assert!(hosts.enter(&url("https://example.com/more")).now_or_never().is_none(), "it waits");
        assert!(hosts.enter(&url("https://example.org/")).now_or_never().is_some());
        places.pop();
        assert!(
            hosts.enter(&url("https://example.com/more")).now_or_never().is_some(),
            "a place is free again"
        );
    }
}
