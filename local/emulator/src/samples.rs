//! What the sample events of `events/` speak of: a project, and an endpoint of it that wants
//! everything.
//!
//! `--aws-only` puts both there, so that `cargo lambda invoke` has something to work on, and so do
//! the functions' tests. The project has no key, so that only the operator can act for it.

use aws_config::SdkConfig;
use domain::endpoint_url::{EndpointUrl, TargetPolicy};
use domain::id::EndpointId;
use domain::model::project::ProjectSecret;
use domain::model::{Endpoint, Project};
use domain::signing::Vault;
use store::Access;
use store::endpoints::EndpointStore;
use store::projects::ProjectStore;
use store::{StoreError, Table};

/// The project that the sample events belong to.
pub const PROJECT: &str = "proj_01JZ0000000000000000000000";
/// Its endpoint.
pub const ENDPOINT: &str = "we_01JZ0000000000000000000000";
/// The endpoint's secret, for `posthaste listen --secret`.
pub const SECRET: &str = "whsec_cG9zdGhhc3RlIHNhbXBsZSBzZWNyZXQh";
/// The operator key that the sample requests carry.
pub const OPERATOR_KEY: &str = "operator";
/// The key that the tests' stand-in seals secrets with, as everybody knows it fit for nothing else.
pub const SECRETS_KEY: &str = "cG9zdGhhc3RlIHNhbXBsZSBzZWNyZXRzJyBrZXkhISE=";
/// The endpoint's address by default. Not the default port of `posthaste listen`, which `cargo
/// lambda watch` uses as well.
pub const RECEIVER: &str = "http://127.0.0.1:9001/";

/// Logical id of the table that they are in.
pub const CONFIG_TABLE: &str = "ConfigTable";

/// Why the samples' project or endpoint isn't there.
#[derive(Debug, thiserror::Error)]
pub enum SamplesError {
    /// The table doesn't take them.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An id, URL or secret isn't one.
    #[error("malformed: {0}")]
    Malformed(String),
}

/// The project; made at the time in its id.
pub fn project() -> Result<Project, SamplesError> {
    let id: domain::id::ProjectId = PROJECT.parse().map_err(malformed)?;
    Ok(Project::new(id, "Samples".to_owned(), id.time()))
}

/// The endpoint's id.
pub fn id() -> Result<EndpointId, SamplesError> {
    ENDPOINT.parse().map_err(malformed)
}

/// The endpoint, at `url`, its secret sealed with [`SECRETS_KEY`].
pub fn endpoint(url: &str) -> Result<Endpoint, SamplesError> {
    endpoint_of(id()?, url, SECRETS_KEY)
}

/// As [`endpoint`], of another id and for functions with this key: a sealed secret is bound to
/// both.
pub fn endpoint_of(id: EndpointId, url: &str, secrets_key: &str) -> Result<Endpoint, SamplesError> {
    let vault: Vault = secrets_key.parse().map_err(malformed)?;
    let secret =
        vault.seal(&SECRET.parse().map_err(malformed)?, &id, rand::random()).map_err(malformed)?;
    let url = EndpointUrl::parse(url, TargetPolicy::Local).map_err(malformed)?;
    let everything = vec!["*".parse().map_err(malformed)?];
    Ok(Endpoint {
        name: Some("Samples".to_owned()),
        ..Endpoint::new(id, project()?.id, url, everything, secret, id.time())
    })
}

/// Writes the project, with its secret for functions with this key, and these endpoints of it,
/// unless they are there.
pub async fn plant(
    aws: &SdkConfig,
    config_table: &str,
    secrets_key: &str,
    endpoints: &[Endpoint],
) -> Result<(), SamplesError> {
    let config = Table::new(aws_sdk_dynamodb::Client::new(aws), config_table);
    let project = project()?;
    let vault: Vault = secrets_key.parse().map_err(malformed)?;
    let secret = SECRET.parse().map_err(malformed)?;
    let secret =
        ProjectSecret::new(&secret, project.id, &vault, rand::random()).map_err(malformed)?;
    unless_there(ProjectStore::new(config.clone()).create(&project, &secret).await)?;
    for endpoint in endpoints {
        unless_there(
            EndpointStore::new(config.clone()).create(Access::of_project(&project), endpoint).await,
        )?;
    }
    Ok(())
}

fn unless_there(written: Result<(), StoreError>) -> Result<(), StoreError> {
    match written {
        Err(StoreError::Conflict) => Ok(()),
        other => other,
    }
}

fn malformed(error: impl std::fmt::Display) -> SamplesError {
    SamplesError::Malformed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::AwsStandIn;

    #[tokio::test]
    async fn what_was_done_with_the_samples_is_left_as_it_is() {
        let aws = AwsStandIn::start().await;
        let first = endpoint(RECEIVER).unwrap();
        aws.plant(std::slice::from_ref(&first)).await;
        aws.plant(&[endpoint("http://127.0.0.1:1/").unwrap()]).await;
        let config = Table::new(
            aws_sdk_dynamodb::Client::new(&aws.sdk_config()),
            aws.table_name(CONFIG_TABLE),
        );
        let there = EndpointStore::new(config)
            .get(Access::of_project(&project().unwrap()), ENDPOINT.parse().unwrap())
            .await
            .unwrap();
        assert_eq!(there, Some(first));
    }
}
