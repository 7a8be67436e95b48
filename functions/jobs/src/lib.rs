//! The `jobs` function: background work, as rows say what is due.
//!
//! A schedule invokes it. A [`run()`] finds the circuits, recoveries and deliveries that are due,
//! and does their [`step`]s. It sends no request to a receiver, and can't decrypt a secret: it puts
//! deliveries on a queue, and `deliver` sends them.
//!
//! # Pitfalls
//!
//! An invocation may come twice, or never, or die anywhere. A row says what comes next and when,
//! and leaves the list of what is due only when all is done. So whatever a run leaves undone,
//! another run finds, and no message or invocation has to lead to the next.

use std::{sync::Arc, time::Duration};

use domain::time::Timestamp;
use runtime::{
    aws::SdkConfig,
    clock::Clock,
    settings::{Settings, SettingsError},
};
use store::{
    Table,
    attempt_reader::AttemptReader,
    budgets::Budgets,
    delivery_rows::DeliveryRows,
    due::{DueList, DueRow},
    events::{EventReader, EventWriter},
    health::HealthStore,
    news::NewsStore,
    project_config::ProjectConfigs,
    publish::Publisher,
    queue::Queue,
    receivers::ReceiverReader,
    recoveries::RecoveryProgress,
    runs::RunLease,
    usage::{UsageReader, UsageStore},
};

mod backlog;
mod circuit;
mod news;
mod outcome;
mod recovery;
mod run;
mod step;
mod usage;

use backlog::Backlog;
use circuit::Circuits;
use news::News;
pub use outcome::{Next, StepError};
use recovery::Recoveries;
pub use run::{RunError, run};
use step::Steps;
use usage::Usages;

/// The function, ready to run.
#[derive(Debug)]
pub struct App {
    due: DueList,
    lease: RunLease,
    steps: Arc<Steps>,
    clock: Clock,
}

impl App {
    /// With the settings that the template gives.
    pub fn new(aws: &SdkConfig, settings: &Settings) -> Result<Self, SettingsError> {
        Self::by_clock(aws, settings, runtime::clock::now)
    }

    /// As [`Self::new`], with a clock of the caller's instead of the system's. Only code in this
    /// process can pass one.
    pub fn by_clock(
        aws: &SdkConfig,
        settings: &Settings,
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Result<Self, SettingsError> {
        let clock = Clock::new(now);
        let (dynamodb, sqs) = (aws_sdk_dynamodb::Client::new(aws), aws_sdk_sqs::Client::new(aws));
        let table = |name| Ok(Table::new(dynamodb.clone(), settings.text(name)?));
        let (config, log, state) =
            (table("CONFIG_TABLE")?, table("LOG_TABLE")?, table("STATE_TABLE")?);
        let budgets = Budgets::new(config.clone(), state.clone());
        let (usage, hours) =
            (UsageStore::new(state.clone()), UsageReader::new(state.clone(), log.clone()));
        let news = News {
            reports: NewsStore::new(state.clone()),
            projects: ProjectConfigs::new(config.clone()),
            publisher: Publisher::new(
                EventWriter::new(log.clone(), settings.parsed("EVENT_RETENTION_DAYS")?),
                Queue::new(sqs.clone(), settings.text("DELIVERIES_QUEUE_URL")?),
            ),
            budgets: budgets.clone(),
            usage: usage.clone(),
            clock: clock.clone(),
        };
        let backlog = Arc::new(Backlog {
            rows: DeliveryRows::new(state.clone()),
            retries: Queue::new(sqs, settings.text("RETRIES_QUEUE_URL")?),
            clock: clock.clone(),
        });
        let receivers = ReceiverReader::new(config);
        let disable_after_days: u64 = settings.parsed("DISABLE_AFTER_DAYS")?;
        Ok(Self {
            due: DueList::new(state.clone()),
            lease: RunLease::new(state.clone()),
            steps: Arc::new(Steps {
                backlog: Arc::clone(&backlog),
                circuits: Circuits {
                    rows: HealthStore::new(state.clone()),
                    backlog: Arc::clone(&backlog),
                    receivers: receivers.clone(),
                    kept_for: Duration::from_secs(disable_after_days * 86_400),
                    clock: clock.clone(),
                },
                recoveries: Recoveries {
                    rows: RecoveryProgress::new(state),
                    receivers,
                    budgets,
                    usage,
                    events: EventReader::new(log.clone()),
                    attempts: AttemptReader::new(log),
                    backlog,
                    clock: clock.clone(),
                },
                news,
                usages: Usages { hours, clock: clock.clone() },
            }),
            clock,
        })
    }

    /// Does the step that a row names, if it is due.
    pub async fn step(&self, row: DueRow) -> Result<Next, StepError> {
        self.steps.take(row).await
    }
}
