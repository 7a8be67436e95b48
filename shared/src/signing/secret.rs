//! An endpoint's signing secret: `whsec_` and the base64 of its bytes, as Standard Webhooks writes it.

use std::{fmt, str::FromStr};

use base64::{
    Engine,
    alphabet::STANDARD as ALPHABET,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use serde::{Deserialize, Serialize};

/// What a secret starts with.
const PREFIX: &str = "whsec_";
/// The fewest and most bytes of a secret that a customer brings along (Standard Webhooks: 24 to 64).
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Customers' own secrets come with and without padding.
const LENIENT: GeneralPurpose =
    GeneralPurpose::new(&ALPHABET, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// A signing secret. Its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Secret(Vec<u8>);

/// A text that is not a secret. Says nothing of the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be `whsec_` followed by the base64 of {} to {} bytes", BYTES.start(), BYTES.end())]
pub struct SecretError;

impl Secret {
    /// A new secret of 256 random bits.
    pub fn new(random: [u8; 32]) -> Self {
        Self(random.to_vec())
    }

    /// The secret in the clear, for the answers that show it.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    /// The key of the HMAC.
    pub(super) fn key(&self) -> &[u8] {
        &self.0
    }
}

/// Reads a secret with or without its prefix and padding.
impl FromStr for Secret {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, SecretError> {
        let bytes = LENIENT.decode(text.strip_prefix(PREFIX).unwrap_or(text)).map_err(|_| SecretError)?;
        if BYTES.contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(SecretError) }
    }
}

impl TryFrom<String> for Secret {
    type Error = SecretError;

    fn try_from(text: String) -> Result<Self, SecretError> {
        text.parse()
    }
}

impl From<Secret> for String {
    fn from(secret: Secret) -> Self {
        secret.reveal()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_reads_with_and_without_prefix_and_padding() {
        let secret = Secret::new([7; 32]);
        let text = secret.reveal();
        for spelling in [text.as_str(), &text[PREFIX.len()..], text.trim_end_matches('=')] {
            assert_eq!(spelling.parse(), Ok(secret.clone()));
        }
    }

    #[test]
    fn short_long_and_garbled_secrets_are_refused() {
        for text in ["", "whsec_", "whsec_AAAA", "whsec_!!!", &format!("whsec_{}", STANDARD.encode([0; 65])), &STANDARD.encode([0; 23])] {
            assert_eq!(text.parse::<Secret>(), Err(SecretError), "{text:?}");
        }
    }

    #[test]
    fn debug_shows_nothing_of_a_secret() {
        assert_eq!(format!("{:?}", Secret::new([7; 32])), "Secret(…)");
    }
}
