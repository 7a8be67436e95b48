//! An endpoint: a URL that wants events of some topics.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    headers::CustomHeaders,
    topic::{Selector, Topic},
};
use crate::{
    id::{EndpointId, ProjectId},
    schedule::Schedule,
    shape::BodyShape,
    signing::{SealedSecret, Secret, SignatureStyle, Vault, VaultError},
    target::EndpointUrl,
    time::Timestamp,
};

/// The most topic selectors of an endpoint.
pub const MAX_SELECTORS: usize = 100;
/// The most entries of an endpoint's metadata.
pub const MAX_METADATA: usize = 50;
/// The longest key and value of its metadata, in characters.
pub const MAX_METADATA_KEY: usize = 40;
/// See [`MAX_METADATA_KEY`].
pub const MAX_METADATA_VALUE: usize = 500;
/// The longest description, in characters.
pub const MAX_DESCRIPTION: usize = 1_000;
/// Seconds that a receiver may be given.
pub const TIMEOUT_SECONDS: std::ops::RangeInclusive<u8> = 1..=30;

/// Where events go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its id.
    pub id: EndpointId,
    /// Who owns it.
    pub project: ProjectId,
    /// Its URL, judged at creation and again before every request.
    pub url: EndpointUrl,
    /// What it subscribes to.
    pub topics: Vec<Selector>,
    /// Its name, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The owner's own notes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Headers that each request carries beside ours.
    #[serde(default, skip_serializing_if = "CustomHeaders::is_empty")]
    pub headers: CustomHeaders,
    /// How requests are signed; several at once while a receiver migrates.
    pub signatures: Vec<SignatureStyle>,
    /// What the request's body looks like.
    pub body: BodyShape,
    /// Seconds until an exchange is given up; the deployment's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u8>,
    /// Waits between attempts; the deployment's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_schedule: Option<Schedule>,
    /// Whether it gets events.
    pub status: Status,
    /// Why Posthaste disabled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_reason: Option<String>,
    /// The secret that its requests are signed with.
    pub secret: SealedSecret,
    /// Earlier secrets that sign beside it for a while, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retiring_secrets: Vec<RetiringSecret>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Counts its changes, so that two at once can't undo each other.
    pub revision: u64,
}

/// A secret that was replaced, and signs until its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetiringSecret {
    /// The secret.
    pub secret: SealedSecret,
    /// When it stops signing.
    pub until: Timestamp,
}

/// The most secrets that retire at a time.
pub const MAX_RETIRING: usize = 4;

impl Endpoint {
    /// An active endpoint that has only what every endpoint must have; the rest is by default.
    pub fn new(id: EndpointId, project: ProjectId, url: EndpointUrl, topics: Vec<Selector>, secret: SealedSecret, now: Timestamp) -> Self {
        Self {
            id,
            project,
            url,
            topics,
            name: None,
            description: None,
            metadata: BTreeMap::new(),
            headers: CustomHeaders::default(),
            signatures: vec![SignatureStyle::STANDARD],
            body: BodyShape::EVENT,
            timeout_seconds: None,
            retry_schedule: None,
            status: Status::Active,
            disabled_reason: None,
            secret,
            retiring_secrets: Vec::new(),
            created_at: now,
            updated_at: now,
            revision: 1,
        }
    }

    /// The secrets that sign at this moment, newest first.
    pub fn live_secrets(&self, now: Timestamp, vault: &Vault) -> Result<Vec<Secret>, VaultError> {
        let retiring = self.retiring_secrets.iter().filter(|retiring| retiring.until > now);
        let live = std::iter::once(&self.secret).chain(retiring.map(|retiring| &retiring.secret));
        live.map(|secret| vault.open(secret, self.id)).collect()
    }

    /// The endpoint with a new secret; its present one goes on signing until `until`. With none left of [`MAX_RETIRING`], the oldest stops at once.
    #[must_use]
    pub fn with_rotated_secret(self, secret: SealedSecret, until: Timestamp, now: Timestamp) -> Self {
        let replaced = RetiringSecret { secret: self.secret, until };
        let mut retiring_secrets: Vec<_> = std::iter::once(replaced).chain(self.retiring_secrets).filter(|old| old.until > now).collect();
        retiring_secrets.truncate(MAX_RETIRING);
        Self { secret, retiring_secrets, ..self }
    }

    /// Whether an event of this topic is to be delivered here now.
    pub fn wants(&self, topic: &Topic) -> bool {
        self.status == Status::Active && self.topics.iter().any(|selector| selector.matches(topic))
    }
}

/// Whether an endpoint gets events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It does.
    Active,
    /// Its owner stopped it for now.
    Paused,
    /// Posthaste stopped it; the reason is on the endpoint. Its owner can activate it again.
    Disabled,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::TargetPolicy;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn vault() -> Vault {
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".parse().unwrap()
    }

    fn sealed(n: u8) -> SealedSecret {
        vault().seal(&Secret::new([n; 32]), EndpointId::new(at(0), 0), [n; 12]).unwrap()
    }

    fn live(endpoint: &Endpoint, seconds: u64) -> Vec<Secret> {
        endpoint.live_secrets(at(seconds), &vault()).unwrap()
    }

    fn endpoint() -> Endpoint {
        let url = EndpointUrl::parse("https://example.com/", TargetPolicy::Strict).unwrap();
        Endpoint::new(EndpointId::new(at(0), 0), ProjectId::new(at(0), 0), url, vec![Selector::All], sealed(0), at(0))
    }

    #[test]
    fn a_replaced_secret_signs_until_its_time_and_the_new_one_comes_first() {
        let rotated = endpoint().with_rotated_secret(sealed(1), at(100), at(10));
        assert_eq!(live(&rotated, 99), [Secret::new([1; 32]), Secret::new([0; 32])]);
        assert_eq!(live(&rotated, 100), [Secret::new([1; 32])]);
    }

    #[test]
    fn without_overlap_the_old_secret_is_void_at_once() {
        let rotated = endpoint().with_rotated_secret(sealed(1), at(10), at(10));
        assert_eq!(live(&rotated, 10), [Secret::new([1; 32])]);
        assert_eq!(rotated.retiring_secrets, []);
    }

    #[test]
    fn many_rotations_keep_the_newest_few() {
        let rotated = (1..=9).fold(endpoint(), |endpoint, n| endpoint.with_rotated_secret(sealed(n), at(100), at(10)));
        assert_eq!(live(&rotated, 50), [9, 8, 7, 6, 5].map(|n| Secret::new([n; 32])));
    }

    #[test]
    fn only_an_active_endpoint_wants_events() {
        let topic = "task.created".parse().unwrap();
        assert!(endpoint().wants(&topic));
        for status in [Status::Paused, Status::Disabled] {
            assert!(!Endpoint { status, ..endpoint() }.wants(&topic));
        }
    }
}
