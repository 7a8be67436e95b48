//! The `deliver` function: takes batches of deliveries from SQS and makes the requests.
//!
//! [`handle`] is the story of a batch; [`delivery`] that of one message in it; [`request`] makes what is sent, [`verdict`] judges what came back, and
//! [`settle`] writes it all down. [`health`] notes how receivers are doing, and [`circuit`] looks after those that are down. Easy to get wrong: the order in `settle`. A message is given up only when the log or another queue has what it said.

use std::{collections::HashSet, sync::Arc, time::Duration};

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use shared::{
    announce::Announcer,
    publish::Publisher,
    queue::Queue,
    schedule::Schedule,
    settings::{SdkConfig, Settings, SettingsError},
    signing::Vault,
    store::{
        Table,
        attempts::AttemptLog,
        deliveries::{DeliveryEndpoints, Receivers},
        endpoints::ProjectViews,
        events::EventWriter,
        health::HealthStore,
        parked::ParkedStore,
        rates::RateStore,
        recoveries::RecoveryProgress,
        secrets_key::{KeyCheck, KeyCheckError},
        targets::TargetStore,
    },
    target::{ClientError, DeliveryClient},
    time::Timestamp,
    work::{Unreadable, Work},
};

mod circuit;
mod deadline;
mod delivery;
mod health;
mod hosts;
mod incoming;
mod jobs;
mod rate;
mod recovery;
mod request;
mod settle;
mod tasks;
mod verdict;

pub use deadline::deadline;

use delivery::{Fate, Handled};
use hosts::Hosts;
use incoming::Incoming;
use tasks::Tasks;

/// How long a message of newer code waits at least: a deploy is about to replace this code.
const DEPLOY: Duration = Duration::from_mins(1);

/// All that a batch needs.
#[derive(Clone)]
pub struct App {
    endpoints: DeliveryEndpoints,
    attempts: AttemptLog,
    health: HealthStore,
    parked: ParkedStore,
    announcer: Announcer,
    disable_after: Duration,
    rates: RateStore,
    recoveries: RecoveryProgress,
    targets: TargetStore,
    deliveries: Queue,
    retries: Queue,
    dead_letters: Queue,
    /// The end of the retries queue's ARN: its name.
    retries_name: String,
    client: DeliveryClient,
    timeout_seconds: u8,
    schedule: Schedule,
    brand: String,
    vault: Arc<Vault>,
    key_check: KeyCheck,
    clock: Clock,
}

/// Tells the time.
type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Why the function can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The secrets key doesn't belong to the config table, or that can't be told.
    #[error(transparent)]
    SecretsKey(#[from] KeyCheckError),
    /// A setting is missing or wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The HTTP client can't be built.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// Why a whole batch comes back.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// A record has no id to report it by, and an empty one would fail the batch anyway.
    #[error("a record of the batch has no message id")]
    Nameless,
}

impl App {
    /// As [`Self::new`], only with the secrets key that belongs to the table.
    pub async fn start(aws: &SdkConfig, settings: &Settings) -> Result<Self, StartError> {
        let app = Self::new(aws, settings)?;
        app.key_check.verify(&app.vault).await?;
        Ok(app)
    }

    /// With the settings that the template gives.
    pub fn new(aws: &SdkConfig, settings: &Settings) -> Result<Self, StartError> {
        let dynamodb = aws_sdk_dynamodb::Client::new(aws);
        let sqs = aws_sdk_sqs::Client::new(aws);
        let queue = |name| Ok::<_, SettingsError>(Queue::new(sqs.clone(), settings.text(name)?));
        let retries_url = settings.text("RETRIES_QUEUE_URL")?;
        let config = Table::new(dynamodb.clone(), settings.text("CONFIG_TABLE")?);
        let log = Table::new(dynamodb, settings.text("LOG_TABLE")?);
        let retention_days = settings.parsed("EVENT_RETENTION_DAYS")?;
        let deliveries = queue("DELIVERIES_QUEUE_URL")?;
        let publisher = Publisher::new(EventWriter::new(log.clone(), retention_days), deliveries.clone());
        Ok(Self {
            endpoints: DeliveryEndpoints::new(config.clone(), log.clone()),
            attempts: AttemptLog::new(log.clone(), retention_days),
            key_check: KeyCheck::new(config.clone()),
            health: HealthStore::new(log.clone()),
            parked: ParkedStore::new(log.clone()),
            announcer: Announcer::new(ProjectViews::new(config.clone()), publisher),
            disable_after: health::days(settings.parsed("DISABLE_AFTER_DAYS")?),
            rates: RateStore::new(log.clone()),
            recoveries: RecoveryProgress::new(config, log.clone()),
            targets: TargetStore::new(log),
            deliveries,
            retries: queue("RETRIES_QUEUE_URL")?,
            dead_letters: queue("DEAD_LETTER_QUEUE_URL")?,
            retries_name: retries_url.rsplit('/').next().unwrap_or_default().to_owned(),
            client: DeliveryClient::new(settings.parsed("TARGET_POLICY")?)?,
            timeout_seconds: settings.parsed("DEFAULT_TIMEOUT_SECONDS")?,
            schedule: settings.parsed("DEFAULT_RETRY_SCHEDULE")?,
            brand: settings.text("BRAND")?.to_owned(),
            vault: Arc::new(settings.parsed("SECRETS_KEY")?),
            clock: Arc::new(Timestamp::now),
        })
    }

    /// The same by another clock than the system's, which only a caller in this process can give.
    #[must_use]
    pub fn with_clock(self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }
}

/// Handles a batch until `deadline`, when Lambda ends the invocation. What comes back as failed stays on its queue.
pub async fn handle(app: Arc<App>, event: SqsEvent, deadline: Timestamp) -> Result<SqsBatchResponse, BatchError> {
    let incoming =
        event.records.into_iter().map(|record| Incoming::read(record, &app.retries_name, app.now())).collect::<Result<Vec<_>, _>>()?;
    let messages = incoming.iter().filter_map(Incoming::message);
    let receivers = app.endpoints.load(messages).await.map(Arc::new);
    let handled = match &receivers {
        Ok(receivers) => make_requests(&app, incoming, receivers, deadline).await,
        Err(error) => {
            tracing::error!(%error, "could not read the endpoints of a batch; all of it comes again");
            incoming.iter().map(|item| Handled::postponed(&item.record)).collect()
        }
    };
    let kept = settle::settle(&app, handled, &receivers.unwrap_or_default()).await;

    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = kept
        .into_iter()
        .map(|id| {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = id;
            failure
        })
        .collect();
    Ok(response)
}

/// All at once, each in a task of its own, so that a panic costs one message.
async fn make_requests(app: &Arc<App>, incoming: Vec<Incoming>, receivers: &Arc<Receivers>, deadline: Timestamp) -> Vec<Handled> {
    let hosts = Arc::new(Hosts::default());
    let mut tasks = Tasks::new();
    let mut seen = HashSet::new();
    let mut handled = Vec::new();
    for item in incoming {
        // Twins (SQS or a redrive may bring some) go one after the other, so that the second finds the first one's attempt in the log.
        if item.message().is_some_and(|message| !seen.insert((message.event.id, message.endpoint))) {
            handled.push(Handled::postponed(&item.record));
            continue;
        }
        let kept = Handled::kept(&item.record);
        let (app, hosts, receivers) = (Arc::clone(app), Arc::clone(&hosts), Arc::clone(receivers));
        tasks.spawn(kept, async move { handle_one(&app, item, &receivers, &hosts, deadline).await });
    }
    handled.extend(tasks.finish().await);
    handled
}

async fn handle_one(app: &App, item: Incoming, receivers: &Receivers, hosts: &Hosts, deadline: Timestamp) -> Handled {
    let Incoming { record, work } = item;
    match work {
        Ok(Work::Delivery(message)) => delivery::handle(app, &record, *message, receivers, hosts, deadline).await,
        Ok(Work::Circuit(step)) => jobs::settled(app, &record, step.endpoint, circuit::step(app, &step, deadline).await),
        Ok(Work::Recovery(step)) => {
            let done = jobs::in_time(app, deadline, Box::pin(recovery::step(app, &step))).await;
            jobs::settled(app, &record, step.endpoint, done)
        }
        Err(Unreadable::Newer(version)) => {
            tracing::warn!(message = record.id, version, "a message of newer code waits for it");
            Handled { fate: Fate::Hide(DEPLOY.max(record.pause())), ..Handled::kept(&record) }
        }
        Err(Unreadable::Poison(error)) => {
            tracing::error!(message = record.id, %error, "a message that is none of ours goes to the dead-letter queue");
            Handled { fate: Fate::Dead, ..Handled::kept(&record) }
        }
    }
}
