//! DynamoDB and SQS for the tests of other crates: in process, on a port of their own, with the
//! tables and queues of the repository's `template.yaml`.
//!
//! Every test starts its own [`AwsStandIn`] and needs nothing from the others; all of it is gone
//! when it is dropped.

mod api;
mod batches;
mod receiver;
mod sse;
mod trouble;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::{Region, SdkConfig};
use domain::id::KeyId;
use domain::message::Message;
use domain::model::{ApiKey, Endpoint, KeyRecord, Scope};
use domain::work::{self, Again, Work};
use runtime::clock;
use store::{Table, api_keys::KeyStore};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::aws::iam::Policies;
use crate::aws::provision::provision;
use crate::aws::{AwsServer, Caller, Clients, CountersReport, Faults, Stores, clients};
use crate::operator_key;
use crate::runtime::environment::TARGET_POLICY;
use crate::samples;
use crate::sqs::Clock;
use sam_template::{REGION, Settings, Template};

pub use api::{Answer, Api, HOST};
pub use receiver::{TestReceiver, Webhook};
pub use sse::{Shown, SseParser};
pub use trouble::Trouble;

/// The operator key of every stand-in.
pub use crate::samples::OPERATOR_KEY;

/// The text of a sample event of the repository's `events/`.
///
/// # Panics
/// If there is no such file.
pub fn sample(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../events").join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => text,
        #[expect(clippy::panic, reason = "only tests use this, and a panic is how a test fails")]
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

/// The delivery in a message's text, with its payload.
///
/// # Panics
/// If there is none.
#[expect(clippy::panic, reason = "only tests use this, and a panic is how a test fails")]
pub fn delivery_in(body: &str) -> Message {
    match work::decode(body) {
        Ok(Work::First(message)) => *message,
        other => panic!("{other:?}"),
    }
}

/// The message about a delivery that has a row, in its text.
///
/// # Panics
/// If it is none.
#[expect(clippy::panic, reason = "only tests use this, and a panic is how a test fails")]
pub fn again_in(body: &str) -> Again {
    match work::decode(body) {
        Ok(Work::Again(again)) => again,
        other => panic!("{other:?}"),
    }
}

/// What the SDK waits before it tries a call again.
const BACKOFF: Duration = Duration::from_millis(2);

/// A running stand-in for AWS.
pub struct AwsStandIn {
    server: AwsServer,
    template: Template,
    // Dropped last: the server's files are in it.
    _directory: TempDir,
}

impl AwsStandIn {
    /// Starts DynamoDB and SQS and creates the template's tables and queues.
    ///
    /// # Panics
    /// If that fails, since a test can't go on then.
    pub async fn start() -> Self {
        Self::start_by(Clock::system()).await
    }

    /// As [`Self::start`], with queues that go by a clock of the test.
    ///
    /// # Panics
    /// If that fails.
    pub async fn start_by(clock: Clock) -> Self {
        match Self::try_start(clock).await {
            Ok(stand_in) => stand_in,
            #[expect(
                clippy::panic,
                reason = "only tests use this, and a panic is how a test fails"
            )]
            Err(error) => panic!("the stand-in for AWS doesn't start: {error}"),
        }
    }

    async fn try_start(clock: Clock) -> Result<Self, Box<dyn std::error::Error>> {
        let path = Template::find(Path::new(env!("CARGO_MANIFEST_DIR")))
            .ok_or("there is no template.yaml")?;
        let directory = tempfile::tempdir()?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let mut settings = Settings {
            sqs_url: url.clone(),
            secret: samples::SECRETS_KEY.to_owned(),
            ..Settings::default()
        };
        let stores = Stores::open(directory.path(), &url, &settings, clock)?;
        let server = AwsServer::start(listener, stores, settings.clone())?;
        let template = Template::read(&path, &settings)?;
        let clients = Clients::new(&url, &Caller::Stack.access_key());
        settings.queue_urls = provision(&template, &clients).await?;
        if let Some(table) = template.table(samples::CONFIG_TABLE) {
            operator_key::plant(&clients.dynamodb, &table.name, OPERATOR_KEY).await?;
        }
        let template = Template::read(&path, &settings)?;
        server.enforce(Policies::of(&template.functions, &settings));
        Ok(Self { server, template, _directory: directory })
    }

    /// Base URL of both services.
    pub fn endpoint(&self) -> String {
        self.server.url()
    }

    /// SDK configuration of a caller who may do everything.
    pub fn sdk_config(&self) -> SdkConfig {
        clients::sdk_config(&self.endpoint(), "test")
    }

    /// SDK configuration of a function of the template (`deliver`), which may do what its role
    /// allows and nothing else.
    pub fn sdk_config_of(&self, function: &str) -> SdkConfig {
        let config = clients::sdk_config(
            &self.endpoint(),
            &Caller::Function(function.to_owned()).access_key(),
        );
        // As many tries as on AWS, without the seconds between them.
        let retries =
            RetryConfig::standard().with_initial_backoff(BACKOFF).with_max_backoff(BACKOFF);
        // A process's clients share a quota of retries per service and region. One test's faults
        // must not use up another's, so each is its own region.
        let region = Region::new(format!("{REGION}-{}", self.server.port()));
        config
            .into_builder()
            .retry_config(retries)
            .region(region)
            .timeout_config(runtime::aws::call_timeouts())
            .build()
    }

    /// The faults that the functions' calls will meet.
    pub fn faults(&self) -> &Faults {
        self.server.faults()
    }

    /// The template, resolved for this stand-in.
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// Physical name of a table by its logical id (`ConfigTable`); the id itself if the template
    /// has no such table.
    pub fn table_name(&self, logical_id: &str) -> String {
        self.template
            .table(logical_id)
            .map_or_else(|| logical_id.to_owned(), |table| table.name.clone())
    }

    /// URL of a queue by its logical id (`DeliveriesQueue`); the id itself if the template has no
    /// such queue.
    pub fn queue_url(&self, logical_id: &str) -> String {
        self.template
            .queue(logical_id)
            .map_or_else(|| logical_id.to_owned(), |queue| queue.url.clone())
    }

    /// The environment that a function of the template gets (`deliver`); empty if there is no such
    /// function.
    pub fn environment_of(&self, function: &str) -> BTreeMap<String, String> {
        self.template
            .function(function)
            .map(|function| function.environment.clone())
            .unwrap_or_default()
    }

    /// The samples' project with these endpoints.
    ///
    /// # Panics
    /// If they can't be written.
    pub async fn plant(&self, endpoints: &[Endpoint]) {
        #[expect(clippy::panic, reason = "only tests use this, and a panic is how a test fails")]
        if let Err(error) = samples::plant(
            &self.sdk_config(),
            &self.table_name(samples::CONFIG_TABLE),
            samples::SECRETS_KEY,
            endpoints,
        )
        .await
        {
            panic!("the samples can't be planted: {error}");
        }
    }

    /// Puts an item, in DynamoDB's JSON, into a table: a row as other code than this may have
    /// written it.
    ///
    /// # Panics
    /// If it is no item.
    pub async fn put_row(&self, logical_id: &str, item: &serde_json::Value) {
        let request = serde_json::json!({"TableName": self.table_name(logical_id), "Item": item});
        let answer = self.server.stores().dynamo.call("PutItem", &request.to_string()).await;
        assert!(answer.status.is_success(), "{}", answer.body);
    }

    /// All rows of a table, in DynamoDB's JSON.
    ///
    /// # Panics
    /// If there is no such table.
    #[expect(clippy::expect_used, reason = "only tests use this, and a panic is how a test fails")]
    pub async fn rows(&self, logical_id: &str) -> Vec<serde_json::Value> {
        let request = serde_json::json!({"TableName": self.table_name(logical_id)});
        let answer = self.server.stores().dynamo.call("Scan", &request.to_string()).await;
        let answer: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
        answer["Items"].as_array().cloned().expect("a table")
    }

    /// A new key of a project, in clear text. The project needs not be there.
    ///
    /// # Panics
    /// If it can't be written.
    #[expect(clippy::expect_used, reason = "only tests use this, and a panic is how a test fails")]
    pub async fn key_of(&self, project: &str, scopes: &[Scope]) -> String {
        let (key, now) = (ApiKey::new(rand::random()), clock::now());
        let record = KeyRecord {
            id: KeyId::new(now, rand::random()),
            project: project.parse().expect("a project's id"),
            hash: key.hash(),
            name: None,
            scopes: scopes.to_vec(),
            created_at: now,
        };
        let config = Table::new(
            aws_sdk_dynamodb::Client::new(&self.sdk_config()),
            self.table_name(samples::CONFIG_TABLE),
        );
        KeyStore::new(config).create(&record).await.expect("a new key");
        key.reveal().to_owned()
    }

    /// The settings that a function of the template starts with, for receivers on this machine.
    pub fn settings_of(&self, function: &str) -> runtime::settings::Settings {
        let mut variables = self.environment_of(function);
        let (policy, local) = TARGET_POLICY;
        if let Some(value) = variables.get_mut(policy) {
            local.clone_into(value);
        }
        variables.into_iter().collect()
    }

    /// From now on the tables' indexes follow each write after a while: up to `most`.
    pub fn let_indexes_lag(&self, most: Duration) {
        self.server.stores().dynamo.let_indexes_lag(most);
    }

    /// Starts counting calls from zero.
    pub fn forget_calls(&self) {
        self.server.counters().reset();
    }

    /// The calls made so far.
    pub fn calls(&self) -> CountersReport {
        self.server.counters().report()
    }
}
