//! API keys: random, shown once, known afterwards only by their SHA-256.
//!
//! A plain hash is enough (no salt, no slow hash): a key has 256 random bits, so there is nothing
//! to guess.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    id::{KeyId, OperatorKeyId, ProjectId},
    time::Timestamp,
};

/// An API key in the clear. Its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// What a project's key starts with, so that secret scanners can find leaked ones.
    pub const PREFIX: &'static str = "phk_";

    /// What an operator key starts with, for the same reason.
    pub const OPERATOR_PREFIX: &'static str = "operator_";

    /// A project's key, of 256 random bits.
    pub fn new(random: [u8; 32]) -> Self {
        Self(format!("{}{}", Self::PREFIX, URL_SAFE_NO_PAD.encode(random)))
    }

    /// An operator key of 256 random bits.
    pub fn for_operator(random: [u8; 32]) -> Self {
        Self(format!("{}{}", Self::OPERATOR_PREFIX, hex::encode(random)))
    }

    /// A key as a caller presented it.
    pub fn presented(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Whether it can only be a project's key, not the operator's.
    pub fn is_project_key(&self) -> bool {
        self.0.starts_with(Self::PREFIX)
    }

    /// What is kept of it.
    pub fn hash(&self) -> ApiKeyHash {
        ApiKeyHash(hex::encode(Sha256::digest(&self.0)))
    }

    /// The key in the clear, for the one answer that shows it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// The SHA-256 of a key, in lower-case hex.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ApiKeyHash(String);

impl ApiKeyHash {
    /// The hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a project's key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Manage endpoints, their secrets and the project's topics.
    Endpoints,
    /// Post events and resend messages.
    Events,
    /// Read everything but secrets.
    Read,
}

impl Scope {
    /// Every scope: what a key gets when it is made without naming any.
    pub const ALL: [Self; 3] = [Self::Endpoints, Self::Events, Self::Read];

    /// Its name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Endpoints => "endpoints",
            Self::Events => "events",
            Self::Read => "read",
        }
    }
}

/// What is kept of a project's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// Its handle.
    pub id: KeyId,
    /// The project that it opens.
    pub project: ProjectId,
    /// SHA-256 of the key.
    pub hash: ApiKeyHash,
    /// Its name, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What is kept of an operator key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorKeyRecord {
    /// Its handle.
    pub id: OperatorKeyId,
    /// SHA-256 of the key.
    pub hash: ApiKeyHash,
    /// Its name, for people; no two have the same.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_prefixed_and_hashes_as_sha_256() {
        let key = ApiKey::presented("abc");
        // FIPS 180-2, appendix B.1.
        assert_eq!(
            key.hash().as_str(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(ApiKey::new([0; 32]).reveal().len(), 4 + 43);
    }

    #[test]
    fn debug_shows_nothing_of_a_key() {
        assert_eq!(format!("{:?}", ApiKey::presented("phk_secret")), "ApiKey(…)");
    }

    #[test]
    fn no_operator_key_can_be_taken_for_a_projects() {
        let key = ApiKey::for_operator([7; 32]);
        assert_eq!(key.reveal().len(), "operator_".len() + 64);
        assert!(!key.is_project_key() && ApiKey::new([7; 32]).is_project_key());
    }
}
