//! A project: one customer of the platform, who owns everything below it.

use serde::{Deserialize, Serialize};

use super::secrets::SecretRing;
use crate::{
    budget::Limits,
    id::ProjectId,
    shape::BodyShape,
    signing::{Secret, SignatureStyle, Vault, VaultError},
    time::Timestamp,
};

/// The longest name of anything that has one, in characters.
pub const MAX_NAME: usize = 200;

/// Whether a project may do anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProjectStatus {
    /// It may.
    #[default]
    Active,
    /// The operator has stopped it: its keys are refused, and its deliveries wait.
    Suspended,
}

/// One customer of the platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// Its name, for people.
    pub name: String,
    /// The name in brand-specific headers (`<Brand>-Signature`); the deployment's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    /// How requests are signed where an endpoint doesn't say; by [`SignatureStyle::STANDARD`] when
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signatures: Option<Vec<SignatureStyle>>,
    /// The form of the body for endpoints that set no `body`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<BodyShape>,
    /// Whether it may do anything.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub status: ProjectStatus,
    /// What it may cause, where the operator has set that.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub limits: Limits,
    /// When it was made.
    pub created_at: Timestamp,
    /// Counts its changes, so that two at once can't undo each other.
    pub revision: u64,
}

impl Project {
    /// A project that has only what every project must have; the rest is by default.
    pub fn new(id: ProjectId, name: String, now: Timestamp) -> Self {
        Self {
            id,
            name,
            brand: None,
            signatures: None,
            body: None,
            status: ProjectStatus::Active,
            limits: Limits::default(),
            created_at: now,
            revision: 1,
        }
    }

    /// How requests are signed for endpoints that set no `signatures`.
    pub fn default_signatures(&self) -> Vec<SignatureStyle> {
        self.signatures.clone().unwrap_or_else(|| vec![SignatureStyle::STANDARD])
    }
}

/// What signs deliveries to URLs without an endpoint. Stored beside the project, not in it: lists
/// of projects hold no secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectSecret {
    /// The secrets.
    #[serde(flatten)]
    pub secrets: SecretRing,
    /// Whether the current secret is base64, which some signature styles need. Kept here so that no
    /// function has to decrypt the secret to know.
    pub decodable: bool,
    /// Counts its changes, so that two at once can't undo each other.
    pub revision: u64,
}

impl ProjectSecret {
    /// A project's first secret.
    pub fn new(
        secret: &Secret,
        project: ProjectId,
        vault: &Vault,
        nonce: [u8; 12],
    ) -> Result<Self, VaultError> {
        let secrets = SecretRing::new(vault.seal(secret, &project, nonce)?);
        Ok(Self { secrets, decodable: secret.is_decodable(), revision: 1 })
    }
}
