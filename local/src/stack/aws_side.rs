//! DynamoDB and SQS of a stack: the embedded ones, or other emulators.
//!
//! Other emulators get one access key for everyone, since some keep data apart by it. So nothing is
//! counted there, and roles aren't enforced.

use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::error::StackError;
use super::foreign::foreign_access_key;
use super::plan::Plan;
use super::url::url_of;
use emulator::aws::iam::Policies;
use emulator::aws::{AwsServer, Caller, Clients, Stores, clients};
use emulator::poller::Polls;
use emulator::runtime::environment::Surroundings;
use emulator::sqs::Clock;
use sam_template::Template;

/// How often expired items are deleted. DynamoDB takes up to a few days; readers filter what has
/// expired anyway.
const SWEEP_EVERY: Duration = Duration::from_mins(1);

/// How far the tables' indexes lag behind: a random time up to this. DynamoDB's take less as a
/// rule, and promise nothing.
const INDEX_LAG: Duration = Duration::from_secs(1);

pub(super) struct AwsSide {
    url: String,
    /// Where functions and pollers call: the same, or a proxy before it.
    called_at: String,
    clients: Clients,
    foreign_access_key: Option<String>,
    embedded: Option<Embedded>,
}

struct Embedded {
    server: AwsServer,
    sweeper: JoinHandle<()>,
}

impl AwsSide {
    /// Starts the embedded ones on `listener`; without one, uses the emulators at `--aws-endpoint`.
    pub(super) fn start(plan: &Plan, listener: Option<TcpListener>) -> Result<Self, StackError> {
        let Some(listener) = listener else {
            let url = plan.args.aws_endpoint.clone().unwrap_or_default();
            let key = foreign_access_key();
            return Ok(Self {
                clients: Clients::new(&url, &key),
                called_at: url.clone(),
                url,
                foreign_access_key: Some(key),
                embedded: None,
            });
        };
        let url = url_of(listener.local_addr()?);
        let stores = Stores::open(plan.data.path(), &url, &plan.settings, Clock::system())?;
        let dynamo = stores.dynamo.clone();
        dynamo.let_indexes_lag(INDEX_LAG);
        let server = AwsServer::start(listener, stores, plan.settings.clone())?;
        let sweeper = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(SWEEP_EVERY);
            loop {
                ticks.tick().await;
                dynamo.sweep_expired().await;
            }
        });
        let clients = Clients::new(&url, &Caller::Stack.access_key());
        let called_at = match &plan.args.aws_proxy {
            Some(proxy) => format!("{proxy}/{}", url.trim_start_matches("http://")),
            None => url.clone(),
        };
        Ok(Self {
            url,
            called_at,
            clients,
            foreign_access_key: None,
            embedded: Some(Embedded { server, sweeper }),
        })
    }

    /// Endpoint of both services.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Clients of the stack itself.
    pub(super) fn stack_clients(&self) -> &Clients {
        &self.clients
    }

    /// SDK configuration of the stack itself, for the embedded ones.
    pub(super) fn stack_config(&self) -> aws_config::SdkConfig {
        clients::sdk_config(&self.url, &Caller::Stack.access_key())
    }

    /// Clients of the SQS pollers.
    pub(super) fn poller_clients(&self) -> Clients {
        match &self.foreign_access_key {
            Some(_) => self.clients.clone(),
            None => Clients::new(&self.called_at, &Caller::Poller.access_key()),
        }
    }

    /// How the pollers ask for messages.
    pub(super) fn polls(&self) -> Polls {
        if self.embedded.is_some() { Polls::Long } else { Polls::Short }
    }

    /// What functions need to know to call AWS.
    pub(super) fn surroundings(&self, strict_targets: bool) -> Surroundings {
        Surroundings {
            aws_endpoint: self.called_at.clone(),
            access_key: self.foreign_access_key.clone(),
            strict_targets,
        }
    }

    /// Holds functions to their roles from now on.
    pub(super) fn enforce(&self, policies: Policies) {
        if let Some(embedded) = &self.embedded {
            embedded.server.enforce(policies);
        }
    }

    /// From now on, of a hundred calls of functions so many go wrong.
    pub(super) fn trouble(&self, percent: u32, template: &Template) {
        let Some(embedded) = &self.embedded else { return };
        let indexed = template.tables.iter().filter(|table| !table.indexes.is_empty());
        let indexed = indexed.map(|table| table.arn.clone()).collect();
        embedded.server.faults().at_random(percent, indexed);
    }

    /// Makes every received message visible again: its receiver has ended.
    pub(super) async fn release_received(&self) -> Result<(), StackError> {
        let Some(embedded) = &self.embedded else { return Ok(()) };
        let released = embedded.server.stores().sqs.release_received().await;
        released.map(drop).map_err(|error| StackError::Release(error.to_string()))
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.sweeper.abort();
    }
}
