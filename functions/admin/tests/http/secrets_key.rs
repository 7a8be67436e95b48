//! The secrets key against the table whose secrets it sealed.

use emulator::testing::AwsStandIn;
use runtime::settings::Settings;

const OURS: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const OTHER: &str = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB=";

async fn starts(aws: &AwsStandIn, key: &str) -> Result<(), String> {
    let mut variables = aws.environment_of("admin");
    variables.insert("SECRETS_KEY".to_owned(), key.to_owned());
    let settings: Settings = variables.into_iter().collect();
    let started = admin::App::start(&aws.sdk_config_of("admin"), &settings).await;
    started.map(drop).map_err(|error| error.to_string())
}

#[tokio::test]
async fn the_function_refuses_to_start_with_a_key_that_is_not_the_tables() {
    let aws = AwsStandIn::start().await;
    starts(&aws, OURS).await.unwrap();
    starts(&aws, OURS).await.unwrap();
    let refused = starts(&aws, OTHER).await.unwrap_err();
    assert!(refused.contains("SECRETS_KEY") && refused.contains("deploy again"), "{refused}");
    assert!(!refused.contains(OTHER) && !refused.contains('\n'), "{refused}");
}

#[tokio::test]
async fn a_new_key_in_front_of_the_tables_starts_and_alone_does_not() {
    let aws = AwsStandIn::start().await;
    starts(&aws, OURS).await.unwrap();
    starts(&aws, &format!("{OTHER},{OURS}")).await.unwrap();
    starts(&aws, OTHER).await.unwrap_err();
    starts(&aws, OURS).await.unwrap();
}

#[tokio::test]
async fn of_two_keys_that_meet_a_new_table_only_one_starts() {
    let aws = AwsStandIn::start().await;
    let (ours, other) = tokio::join!(starts(&aws, OURS), starts(&aws, OTHER));
    assert!(ours.is_ok() != other.is_ok(), "{ours:?}, {other:?}");
}

#[tokio::test]
async fn a_key_that_cannot_be_checked_does_not_start() {
    let aws = AwsStandIn::start().await;
    let settings = aws.settings_of("admin");
    // A role without access to this table.
    let error = admin::App::start(&aws.sdk_config_of("nobody"), &settings).await.map(drop);
    assert!(error.unwrap_err().to_string().contains("check of SECRETS_KEY"));
}
