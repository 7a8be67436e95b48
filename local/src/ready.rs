//! The ready file: how to reach a stack, written once it serves and removed when it stops.
//!
//! A program that waits for the file reads it as soon as it exists, so it must never exist in part.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::data::write_atomically;

/// What the ready file holds. With `--aws-only`, the fields of the API and its project are null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// Base URL of the API.
    pub base_url: Option<String>,
    /// The operator key in clear text.
    pub operator_key: String,
    /// The demo project's id.
    pub project_id: Option<String>,
    /// The demo project's key in clear text.
    pub project_key: Option<String>,
    /// Endpoint of DynamoDB.
    pub dynamodb_url: String,
    /// Endpoint of SQS.
    pub sqs_url: String,
    /// Process id of the stack.
    pub pid: u32,
}

impl Ready {
    /// Writes the file, whole or not at all; only its owner can read it, since there are keys in
    /// it.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        write_atomically(path, &format!("{text}\n"))
    }

    /// Reads the file.
    pub fn read(path: &Path) -> io::Result<Self> {
        Ok(serde_json::from_str(&std::fs::read_to_string(path)?)?)
    }
}
