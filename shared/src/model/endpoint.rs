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
    signing::{Secret, SignatureStyle},
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
    pub secret: Secret,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Counts its changes, so that two at once can't undo each other.
    pub revision: u64,
}

impl Endpoint {
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
