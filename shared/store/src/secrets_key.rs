//! The secrets key that belongs to a config table, proved by a row that it has sealed.
//!
//! A function with another key could decrypt no secret, and would encrypt new ones that no other
//! function can decrypt. It must not start.

use domain::signing::{SealedSecret, Secret, Vault, VaultError};
use serde::{Deserialize, Serialize};

use crate::{
    StoreError, Table,
    item::{item, key},
    row_keys::{pk, sk},
};

/// Why a function must not use its secrets key.
#[derive(Debug, thiserror::Error)]
pub enum KeyCheckError {
    /// Endpoints' secrets in this table are sealed by another key.
    #[error(
        "SECRETS_KEY is not the key that sealed the secrets in this config table. Nothing is lost: \
         deploy again with the key that belongs to the table (docs/deploy.md, \"The secrets key\")"
    )]
    OtherKey,
    /// The row can't be read or written.
    #[error("the check of SECRETS_KEY against the config table failed: {0}")]
    Store(#[from] StoreError),
    /// The keys seal nothing.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

#[derive(Serialize, Deserialize)]
struct Row {
    sealed: SealedSecret,
}

/// Compares a vault's keys with those that the table's secrets are sealed by.
#[derive(Clone, Debug)]
pub struct KeyCheck(Table);

impl KeyCheck {
    /// Over the config table.
    pub fn new(config: Table) -> Self {
        Self(config)
    }

    /// Checks the keys; one read. A table without the row has no secrets yet, so that any key will
    /// do.
    pub async fn verify(&self, vault: &Vault) -> Result<(), KeyCheckError> {
        match self.0.get::<Row>(key(pk::SECRETS_KEY, sk::CHECK)).await? {
            Some(row) => opens(vault, &row),
            None => Ok(()),
        }
    }

    /// As [`Self::verify`], and marks a new table as sealed by these keys: for who writes secrets.
    /// `nonce` must be random.
    pub async fn verify_or_mark(
        &self,
        vault: &Vault,
        nonce: [u8; 12],
    ) -> Result<(), KeyCheckError> {
        if let Some(row) = self.0.get::<Row>(key(pk::SECRETS_KEY, sk::CHECK)).await? {
            return opens(vault, &row);
        }
        let row = Row { sealed: vault.seal(&Secret::new([0; 32]), &pk::SECRETS_KEY, nonce)? };
        match self.0.put_new(item(pk::SECRETS_KEY, sk::CHECK, &row)?).await {
            // Another function has just marked it, perhaps with another key.
            Err(StoreError::Conflict) => self.verify(vault).await,
            other => Ok(other?),
        }
    }
}

fn opens(vault: &Vault, row: &Row) -> Result<(), KeyCheckError> {
    vault.open(&row.sealed, &pk::SECRETS_KEY).map(drop).map_err(|_| KeyCheckError::OtherKey)
}
