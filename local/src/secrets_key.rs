//! The key that a stack's endpoint secrets are sealed with: made once and kept in the data folder,
//! beside the tables and not in them.

use base64::{Engine, engine::general_purpose::STANDARD};
use rand::RngExt;

/// A new key: the base64 of 32 random bytes.
pub fn generate() -> String {
    let bytes: [u8; 32] = rand::rng().random();
    STANDARD.encode(bytes)
}
