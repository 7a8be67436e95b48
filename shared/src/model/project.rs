//! A project: one customer of the platform, who owns everything below it.

use serde::{Deserialize, Serialize};

use crate::{id::ProjectId, time::Timestamp};

/// The longest name of anything that has one, in characters.
pub const MAX_NAME: usize = 200;

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
    /// When it was made.
    pub created_at: Timestamp,
}
