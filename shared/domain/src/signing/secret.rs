//! An endpoint's signing secret: a text.
//!
//! Ours are `whsec_` and the base64 of 32 bytes, as Standard Webhooks writes them. A customer may
//! bring one along from elsewhere: whether its decoded bytes or its text is the key depends on the
//! signature style.

use std::{fmt, str::FromStr};

use base64::{
    Engine,
    alphabet::STANDARD as ALPHABET,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use serde::{Deserialize, Serialize};

/// What a secret of Standard Webhooks starts with.
const PREFIX: &str = "whsec_";
/// What a worker's token starts with.
const TOKEN_PREFIX: &str = "whk_";
/// The fewest and most bytes that one decodes to (Standard Webhooks: 24 to 64).
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// The shortest and longest text of any secret.
const LENGTH: std::ops::RangeInclusive<usize> = 16..=256;

/// Customers' own secrets come with and without padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A signing secret. Its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Secret(String);

/// A text that is not a secret. Says nothing of the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be {} to {} visible ASCII characters without spaces", LENGTH.start(), LENGTH.end())]
pub struct SecretError;

impl Secret {
    /// What a secret must be that a style decodes.
    pub const DECODABLE: &'static str = "must be `whsec_` followed by the base64 of 24 to 64 bytes";

    /// A new secret of 256 random bits.
    pub fn new(random: [u8; 32]) -> Self {
        Self(format!("{PREFIX}{}", STANDARD.encode(random)))
    }

    /// A new token of 192 random bits, which is sent as it is.
    pub fn token(random: [u8; 24]) -> Self {
        Self(format!("{TOKEN_PREFIX}{}", hex::encode(random)))
    }

    /// The secret in the clear, for the answers that show it and the styles that sign with its
    /// text.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether it is base64 of a length that Standard Webhooks allows, with or without its prefix
    /// and padding.
    pub fn is_decodable(&self) -> bool {
        BYTES.contains(&self.decoded().len())
    }

    /// Its bytes; none of them if it isn't base64.
    pub(super) fn decoded(&self) -> Vec<u8> {
        LENIENT.decode(self.0.strip_prefix(PREFIX).unwrap_or(&self.0)).unwrap_or_default()
    }
}

impl FromStr for Secret {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, SecretError> {
        text.to_owned().try_into()
    }
}

impl TryFrom<String> for Secret {
    type Error = SecretError;

    fn try_from(text: String) -> Result<Self, SecretError> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if visible && LENGTH.contains(&text.len()) { Ok(Self(text)) } else { Err(SecretError) }
    }
}

impl From<Secret> for String {
    fn from(secret: Secret) -> Self {
        secret.0
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
    fn a_secret_decodes_with_and_without_prefix_and_padding() {
        let secret = Secret::new([7; 32]);
        let text = secret.reveal();
        for spelling in [text, &text[PREFIX.len()..], text.trim_end_matches('=')] {
            assert_eq!(spelling.parse::<Secret>().unwrap().decoded(), [7; 32]);
        }
    }

    #[test]
    fn short_long_and_garbled_secrets_are_refused() {
        for text in [
            "",
            "whsec_",
            "fifteen_letters",
            "sixteen letters!",
            "sixteen_létters",
            &"x".repeat(257),
        ] {
            assert_eq!(text.parse::<Secret>(), Err(SecretError), "{text:?}");
        }
    }

    #[test]
    fn a_text_that_is_no_base64_of_the_right_length_is_not_decodable() {
        let decodable = |text: &str| text.parse::<Secret>().unwrap().is_decodable();
        assert!(!decodable("my-own-secret-of-long-ago"));
        assert!(!decodable(&format!("whsec_{}", STANDARD.encode([0; 65]))));
        assert!(!decodable(&format!("whsec_{}", STANDARD.encode([0; 23]))));
        assert!(decodable(&format!("whsec_{}", STANDARD.encode([0; 24]))));
    }

    #[test]
    fn debug_shows_nothing_of_a_secret() {
        assert_eq!(format!("{:?}", Secret::new([7; 32])), "Secret(…)");
    }
}
