//! The operator key of a stack: given, or made once and kept. The config table only gets its hash.

use aws_sdk_dynamodb::Client;
use domain::id::OperatorKeyId;
use domain::model::{ApiKey, OperatorKeyRecord};
use runtime::clock;
use store::{StoreError, Table, operator_keys::OperatorKeyStore};

/// The name of the key that `cargo run` prints.
const NAME: &str = "local stack";

/// A new key.
pub fn generate() -> String {
    ApiKey::for_operator(rand::random()).reveal().to_owned()
}

/// Makes the config table know this key. One that an earlier start was given opens nothing any
/// more.
pub async fn plant(dynamodb: &Client, config_table: &str, key: &str) -> Result<(), StoreError> {
    let store = OperatorKeyStore::new(Table::new(dynamodb.clone(), config_table));
    let hash = ApiKey::presented(key).hash();
    let there = store.all().await?;
    for old in there.iter().filter(|old| old.name == NAME && old.hash != hash) {
        store.revoke(old.id).await?;
    }
    if there.iter().any(|known| known.hash == hash) {
        return Ok(());
    }
    let now = clock::now();
    let id = OperatorKeyId::new(now, rand::random());
    store.create(&OperatorKeyRecord { id, hash, name: NAME.to_owned(), created_at: now }).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::CONFIG_TABLE;
    use crate::testing::AwsStandIn;

    #[tokio::test]
    async fn a_key_is_planted_once_and_takes_the_place_of_the_one_before() {
        let aws = AwsStandIn::start().await;
        let (client, table) = (Client::new(&aws.sdk_config()), aws.table_name(CONFIG_TABLE));
        for key in ["operator_a", "operator_b", "operator_b"] {
            plant(&client, &table, key).await.unwrap();
            let all =
                OperatorKeyStore::new(Table::new(client.clone(), &table)).all().await.unwrap();
            let hashes: Vec<_> = all.iter().map(|known| known.hash.as_str()).collect();
            assert_eq!(hashes, [ApiKey::presented(key).hash().as_str()]);
        }
    }

    #[test]
    fn no_two_keys_are_the_same() {
        assert_ne!(generate(), generate());
    }
}
