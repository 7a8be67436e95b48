//! A secrets key that is not the config table's.

use emulator::testing::AwsStandIn;
use runtime::settings::Settings;
use store::{Table, secrets_key::KeyCheck};

async fn starts(aws: &AwsStandIn, key: &str) -> Result<(), String> {
    let mut variables = aws.environment_of("deliver");
    variables.insert("SECRETS_KEY".to_owned(), key.to_owned());
    let settings: Settings = variables.into_iter().collect();
    let started = deliver::App::start(&aws.sdk_config_of("deliver"), &settings).await;
    started.map(drop).map_err(|error| error.to_string())
}

#[tokio::test]
async fn deliver_starts_with_the_key_that_the_table_is_marked_with_and_with_no_other() {
    let aws = AwsStandIn::start().await;
    let (ours, other) = (aws.environment_of("deliver")["SECRETS_KEY"].clone(), "B".repeat(43));
    starts(&aws, &other).await.unwrap();
    let client = aws_sdk_dynamodb::Client::new(&aws.sdk_config());
    let check = KeyCheck::new(Table::new(client, aws.table_name("ConfigTable")));
    check.verify_or_mark(&ours.parse().unwrap(), [7; 12]).await.unwrap();
    starts(&aws, &ours).await.unwrap();
    let refused = starts(&aws, &other).await.unwrap_err();
    assert!(refused.contains("SECRETS_KEY") && !refused.contains(&other), "{refused}");
}
