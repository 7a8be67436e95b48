//! An endpoint: a URL that wants events of some topics.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    headers::CustomHeaders,
    secrets::SecretRing,
    topic::{Selector, Topic, selects},
};
use crate::{
    endpoint_url::EndpointUrl,
    id::{EndpointId, ProjectId},
    schedule::Schedule,
    shape::BodyShape,
    signing::{SealedSecret, Secret, SignatureStyle, Vault, VaultError},
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
/// The most bytes of all of them: with the rest, an endpoint stays well within DynamoDB's 400 KB.
pub const MAX_METADATA_BYTES: usize = 16 * 1_024;
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
    /// A description for your own use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The owner's own notes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Headers that each request carries beside ours.
    #[serde(default, skip_serializing_if = "CustomHeaders::is_empty")]
    pub headers: CustomHeaders,
    /// How requests are signed. Use several at once while a receiver migrates.
    pub signatures: Vec<SignatureStyle>,
    /// What the request's body looks like.
    pub body: BodyShape,
    /// Seconds until an exchange is given up; the deployment's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u8>,
    /// Waits between attempts; the deployment's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_schedule: Option<Schedule>,
    /// Deliveries a second that it takes at most; any number when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<u16>,
    /// Whether it gets events.
    pub status: Status,
    /// Why Posthaste disabled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_reason: Option<String>,
    /// The secrets that its requests are signed with.
    #[serde(flatten)]
    pub secrets: SecretRing,
    /// Whose secrets they are.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub secret_owner: SecretOwner,
    /// The worker whose webhook it is; then it gets that worker's events, of every topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_id: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Counts its changes, so that two at once can't undo each other.
    pub revision: u64,
}

/// Whose secrets an endpoint signs with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretOwner {
    /// Its own.
    #[default]
    Endpoint,
    /// The project's: a URL without an endpoint has none of its own.
    Project,
}

impl Endpoint {
    /// Whether it subscribes to this topic, whatever its status.
    pub fn subscribes(&self, topic: &Topic) -> bool {
        selects(&self.topics, topic)
    }

    /// An active endpoint that has only what every endpoint must have; the rest is by default.
    pub fn new(
        id: EndpointId,
        project: ProjectId,
        url: EndpointUrl,
        topics: Vec<Selector>,
        secret: SealedSecret,
        now: Timestamp,
    ) -> Self {
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
            rate_limit: None,
            status: Status::Active,
            disabled_reason: None,
            secrets: SecretRing::new(secret),
            secret_owner: SecretOwner::Endpoint,
            worker_id: None,
            created_at: now,
            updated_at: now,
            revision: 1,
        }
    }

    /// The secrets that sign at this moment, newest first.
    pub fn live_secrets(&self, now: Timestamp, vault: &Vault) -> Result<Vec<Secret>, VaultError> {
        match self.secret_owner {
            SecretOwner::Endpoint => self.secrets.live(&self.id, now, vault),
            SecretOwner::Project => self.secrets.live(&self.project, now, vault),
        }
    }
}

/// Whether an endpoint gets events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = EndpointStatus)]
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
    use crate::endpoint_url::TargetPolicy;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn vault() -> Vault {
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".parse().unwrap()
    }

    fn sealed(owner: &impl std::fmt::Display) -> SealedSecret {
        vault().seal(&Secret::new([7; 32]), owner, [7; 12]).unwrap()
    }

    fn endpoint() -> Endpoint {
        let url = EndpointUrl::parse("https://example.com/", TargetPolicy::Strict).unwrap();
        let id = EndpointId::new(at(0), 0);
        Endpoint::new(id, ProjectId::new(at(0), 0), url, vec![Selector::All], sealed(&id), at(0))
    }

    #[test]
    fn secrets_open_for_whoever_owns_them() {
        let own = endpoint();
        assert_eq!(own.live_secrets(at(0), &vault()).unwrap(), [Secret::new([7; 32])]);
        let secrets = SecretRing::new(sealed(&own.project));
        let implicit = Endpoint { secrets, secret_owner: SecretOwner::Project, ..own };
        assert_eq!(implicit.live_secrets(at(0), &vault()).unwrap(), [Secret::new([7; 32])]);
    }
}
