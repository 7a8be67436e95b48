//! The operator key of a stack: given, or made once and kept.
//!
//! Easy to get wrong: functions only ever see its SHA-256 (template parameter `OperatorKeySha256`), as deployed.

use std::fmt::Write as _;

use rand::RngExt;
use sha2::{Digest, Sha256};

/// Template parameter that takes the key's SHA-256.
pub const PARAMETER: &str = "OperatorKeySha256";

/// A new key with 256 random bits.
pub fn generate() -> String {
    let bytes: [u8; 32] = rand::rng().random();
    format!("operator_{}", hex(&bytes))
}

/// The SHA-256 of a key, 64 lower-case hex digits.
pub fn sha256_hex(key: &str) -> String {
    hex(&Sha256::digest(key.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn no_two_keys_are_the_same() {
        assert_ne!(generate(), generate());
    }
}
