//! The secrets of one owner: the present one, and those that it replaced and that sign beside it
//! for a while.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    signing::{SealedSecret, Secret, Vault, VaultError},
    time::Timestamp,
};

/// The most secrets that retire at a time.
pub const MAX_RETIRING: usize = 4;

/// The secrets of an endpoint or a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRing {
    /// The secret that requests are signed with.
    pub secret: SealedSecret,
    /// Earlier secrets that sign beside it for a while, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retiring_secrets: Vec<RetiringSecret>,
}

/// A secret that was replaced, and signs until its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetiringSecret {
    /// The secret.
    pub secret: SealedSecret,
    /// When it stops signing.
    pub until: Timestamp,
}

impl SecretRing {
    /// With one secret.
    pub fn new(secret: SealedSecret) -> Self {
        Self { secret, retiring_secrets: Vec::new() }
    }

    /// The secrets that sign at this moment, newest first.
    pub fn live(
        &self,
        owner: &impl fmt::Display,
        now: Timestamp,
        vault: &Vault,
    ) -> Result<Vec<Secret>, VaultError> {
        let retiring = self.retiring_secrets.iter().filter(|retiring| retiring.until > now);
        let live = std::iter::once(&self.secret).chain(retiring.map(|retiring| &retiring.secret));
        live.map(|secret| vault.open(secret, owner)).collect()
    }

    /// With a new secret. The current one keeps signing until `until`, and earlier ones no longer
    /// than that: a rotation without overlap leaves only the new secret valid. If there are already
    /// [`MAX_RETIRING`] old secrets, the oldest stops signing at once.
    #[must_use]
    pub fn rotated(self, secret: SealedSecret, until: Timestamp, now: Timestamp) -> Self {
        let replaced = RetiringSecret { secret: self.secret, until };
        let earlier = self
            .retiring_secrets
            .into_iter()
            .map(|old| RetiringSecret { until: old.until.min(until), ..old });
        let mut retiring_secrets: Vec<_> =
            std::iter::once(replaced).chain(earlier).filter(|old| old.until > now).collect();
        retiring_secrets.truncate(MAX_RETIRING);
        Self { secret, retiring_secrets }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: &str = "we_1";

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn vault() -> Vault {
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".parse().unwrap()
    }

    fn sealed(n: u8) -> SealedSecret {
        vault().seal(&Secret::new([n; 32]), &OWNER, [n; 12]).unwrap()
    }

    fn live(ring: &SecretRing, seconds: u64) -> Vec<Secret> {
        ring.live(&OWNER, at(seconds), &vault()).unwrap()
    }

    #[test]
    fn a_replaced_secret_signs_until_its_time_and_the_new_one_comes_first() {
        let rotated = SecretRing::new(sealed(0)).rotated(sealed(1), at(100), at(10));
        assert_eq!(live(&rotated, 99), [Secret::new([1; 32]), Secret::new([0; 32])]);
        assert_eq!(live(&rotated, 100), [Secret::new([1; 32])]);
    }

    #[test]
    fn without_overlap_the_old_secret_is_void_at_once() {
        let rotated = SecretRing::new(sealed(0)).rotated(sealed(1), at(10), at(10));
        assert_eq!(live(&rotated, 10), [Secret::new([1; 32])]);
        assert_eq!(rotated.retiring_secrets, []);
    }

    #[test]
    fn no_earlier_secret_outlives_the_overlap_of_a_later_rotation() {
        let once = SecretRing::new(sealed(0)).rotated(sealed(1), at(100), at(10));
        let longer = once.clone().rotated(sealed(2), at(200), at(20));
        assert_eq!(
            live(&longer, 100),
            [2, 1].map(|n| Secret::new([n; 32])),
            "nor is an overlap made longer"
        );
        let void = once.rotated(sealed(2), at(20), at(20));
        assert_eq!(live(&void, 20), [Secret::new([2; 32])]);
    }

    #[test]
    fn many_rotations_keep_the_newest_few() {
        let rotated = (1..=9)
            .fold(SecretRing::new(sealed(0)), |ring, n| ring.rotated(sealed(n), at(100), at(10)));
        assert_eq!(live(&rotated, 50), [9, 8, 7, 6, 5].map(|n| Secret::new([n; 32])));
    }

    #[test]
    fn secrets_open_for_their_owner_only() {
        assert_eq!(
            SecretRing::new(sealed(0)).live(&"we_2", at(0), &vault()),
            Err(VaultError::Sealed)
        );
    }
}
