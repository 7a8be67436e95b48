//! Secrets at rest: sealed by a key that is not in the table.
//!
//! AES-256-GCM, with the owner's id (an endpoint's or a project's) as additional data: a sealed
//! secret that is copied to another owner's row can't be opened there.
//!
//! # Pitfalls
//!
//! There may be several; the first seals, any opens, so a new one is put in front and the old one
//! stays.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use serde::{Deserialize, Serialize};

use super::Secret;

/// Secrets Manager generates a key as 43 letters and digits: base64 of 32 bytes, with two bits too
/// many and no padding.
const GENERATED: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);
/// What a sealed secret starts with: the version of its form.
const VERSION: &str = "v1.";

/// Seals and opens secrets. Its `Debug` shows nothing of its keys.
pub struct Vault(Vec<LessSafeKey>);

/// A secret as the table holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SealedSecret(String);

/// Keys that can't be used, or a secret that can't be opened. Says nothing of either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// Not the base64 of 32 bytes, or several of them separated by commas.
    #[error("must be the base64 of 32 bytes, or several separated by commas")]
    Keys,
    /// Sealed by a key that this vault doesn't have, for another owner, or damaged.
    #[error("a secret can't be opened: it was sealed by another key or for another owner")]
    Sealed,
}

impl Vault {
    /// Seals a secret for its owner. `nonce` must be random: it must never repeat under one key.
    pub fn seal(
        &self,
        secret: &Secret,
        owner: &impl fmt::Display,
        nonce: [u8; NONCE_LEN],
    ) -> Result<SealedSecret, VaultError> {
        let key = self.0.first().ok_or(VaultError::Keys)?;
        let mut text = secret.reveal().as_bytes().to_vec();
        let sealed = key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            bound_to(owner),
            &mut text,
        );
        sealed.map_err(|_| VaultError::Sealed)?;
        Ok(SealedSecret(format!(
            "{VERSION}{}",
            STANDARD.encode([nonce.as_slice(), &text].concat())
        )))
    }

    /// Opens a secret that was sealed for this owner.
    pub fn open(
        &self,
        sealed: &SealedSecret,
        owner: &impl fmt::Display,
    ) -> Result<Secret, VaultError> {
        let bytes = sealed
            .0
            .strip_prefix(VERSION)
            .and_then(|text| STANDARD.decode(text).ok())
            .ok_or(VaultError::Sealed)?;
        let (nonce, text) = bytes.split_at_checked(NONCE_LEN).ok_or(VaultError::Sealed)?;
        let open = |key: &LessSafeKey| {
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let mut text = text.to_vec();
            let secret = key.open_in_place(nonce, bound_to(owner), &mut text).ok()?;
            std::str::from_utf8(secret).ok()?.parse().ok()
        };
        self.0.iter().find_map(open).ok_or(VaultError::Sealed)
    }
}

fn bound_to(owner: &impl fmt::Display) -> Aad<String> {
    Aad::from(owner.to_string())
}

/// Reads the base64 of one or more keys.
impl std::str::FromStr for Vault {
    type Err = VaultError;

    fn from_str(text: &str) -> Result<Self, VaultError> {
        let key = |text: &str| {
            let bytes = GENERATED.decode(text.trim()).map_err(|_| VaultError::Keys)?;
            UnboundKey::new(&AES_256_GCM, &bytes)
                .map(LessSafeKey::new)
                .map_err(|_| VaultError::Keys)
        };
        text.split(',').map(key).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{id::EndpointId, time::Timestamp};

    fn vault(keys: &[u8]) -> Vault {
        keys.iter()
            .map(|key| STANDARD.encode([*key; 32]))
            .collect::<Vec<_>>()
            .join(",")
            .parse()
            .unwrap()
    }

    fn endpoint(n: u128) -> EndpointId {
        EndpointId::new(Timestamp::from_seconds(1), n)
    }

    #[test]
    fn what_is_sealed_opens_for_its_endpoint_only_and_shows_nothing() {
        let secret = Secret::new([7; 32]);
        let sealed = vault(&[1]).seal(&secret, &endpoint(1), [0; NONCE_LEN]).unwrap();
        assert_eq!(vault(&[1]).open(&sealed, &endpoint(1)), Ok(secret.clone()));
        assert_eq!(vault(&[1]).open(&sealed, &endpoint(2)), Err(VaultError::Sealed));
        assert_eq!(vault(&[2]).open(&sealed, &endpoint(1)), Err(VaultError::Sealed));
        assert!(!format!("{sealed:?}").contains(secret.reveal()));
        assert_eq!(format!("{:?}", vault(&[1])), "Vault(…)");
    }

    #[test]
    fn a_new_key_in_front_seals_and_the_old_one_still_opens() {
        let secret = Secret::new([7; 32]);
        let old = vault(&[1]).seal(&secret, &endpoint(1), [0; NONCE_LEN]).unwrap();
        let new = vault(&[2, 1]).seal(&secret, &endpoint(1), [1; NONCE_LEN]).unwrap();
        assert_eq!(vault(&[2, 1]).open(&old, &endpoint(1)), Ok(secret.clone()));
        assert_eq!(vault(&[2]).open(&new, &endpoint(1)), Ok(secret));
    }

    #[test]
    fn damaged_and_foreign_texts_are_refused() {
        let sealed = vault(&[1]).seal(&Secret::new([7; 32]), &endpoint(1), [0; NONCE_LEN]).unwrap();
        for text in [
            "",
            "v1.",
            "v1.AAAA",
            "v2.AAAA",
            &sealed.0[..sealed.0.len() - 4],
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        ] {
            assert_eq!(
                vault(&[1]).open(&SealedSecret(text.to_owned()), &endpoint(1)),
                Err(VaultError::Sealed),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_key_of_43_generated_letters_and_digits_seals_and_opens() {
        let secret = Secret::new([7; 32]);
        for text in ["z".repeat(43), "0123456789abcdefghijABCDEFGHIJ0123456789xyZ".to_owned()] {
            let vault: Vault = text.parse().unwrap();
            let sealed = vault.seal(&secret, &endpoint(1), [0; NONCE_LEN]).unwrap();
            assert_eq!(
                text.parse::<Vault>().unwrap().open(&sealed, &endpoint(1)),
                Ok(secret.clone())
            );
        }
    }

    #[test]
    fn keys_that_are_none_are_refused() {
        for text in
            ["", "abc", &STANDARD.encode([0; 31]), &format!("{},", STANDARD.encode([0; 32]))]
        {
            assert_eq!(text.parse::<Vault>().map(|_| ()), Err(VaultError::Keys), "{text:?}");
        }
    }
}
