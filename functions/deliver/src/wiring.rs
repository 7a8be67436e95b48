//! The parts of the function, and what each of them gets: tables, queues, settings.

use std::{sync::Arc, time::Duration};

use domain::{signing::Vault, time::Timestamp};
use runtime::{
    aws::SdkConfig,
    settings::{Settings, SettingsError},
};
use store::{
    Table, announce::Announcer, attempts::AttemptLog, deliveries::DeliveryEndpoints,
    endpoints::ProjectViews, events::EventWriter, health::HealthStore, parked::ParkedStore,
    publish::Publisher, queue::Queue, rates::RateStore, recoveries::RecoveryProgress,
    secrets_key::KeyCheck, targets::TargetStore,
};

use crate::{
    App, StartError,
    background::{CircuitSchedule, Circuits, Recoveries, StepQueue},
    clock::Clock,
    delivery::DeliveryHandler,
    health::EndpointHealth,
    rate::RateLimiter,
    sender::Sender,
    settlement::Settlement,
};

impl App {
    /// As [`Self::new`], by another clock than the system's, which only a caller in this process
    /// can give.
    pub fn by_clock(
        aws: &SdkConfig,
        settings: &Settings,
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Result<Self, StartError> {
        let (dynamodb, sqs) = (aws_sdk_dynamodb::Client::new(aws), aws_sdk_sqs::Client::new(aws));
        let queue = |name| Ok::<_, SettingsError>(Queue::new(sqs.clone(), settings.text(name)?));
        let config = Table::new(dynamodb.clone(), settings.text("CONFIG_TABLE")?);
        let log = Table::new(dynamodb, settings.text("LOG_TABLE")?);
        let (deliveries, retries) = (queue("DELIVERIES_QUEUE_URL")?, queue("RETRIES_QUEUE_URL")?);
        let dead_letters = queue("DEAD_LETTER_QUEUE_URL")?;
        let retention_days = settings.parsed("EVENT_RETENTION_DAYS")?;
        let vault: Arc<Vault> = Arc::new(settings.parsed("SECRETS_KEY")?);
        let clock = Clock::new(now);

        let attempts = AttemptLog::new(log.clone(), retention_days);
        let endpoints = DeliveryEndpoints::new(config.clone(), log.clone());
        let (rows, parked) = (HealthStore::new(log.clone()), ParkedStore::new(log.clone()));
        let steps = StepQueue(retries.clone());
        let schedule =
            CircuitSchedule { rows: rows.clone(), steps: steps.clone(), clock: clock.clone() };
        let publisher =
            Publisher::new(EventWriter::new(log.clone(), retention_days), deliveries.clone());
        let health = EndpointHealth {
            rows: rows.clone(),
            endpoints: endpoints.clone(),
            announcer: Announcer::new(ProjectViews::new(config.clone()), publisher),
            schedule: schedule.clone(),
            disable_after: days(settings.parsed("DISABLE_AFTER_DAYS")?),
            clock: clock.clone(),
        };
        let sender = Arc::new(Sender::new(settings, Arc::clone(&vault), clock.clone())?);
        Ok(Self {
            endpoints: endpoints.clone(),
            deliveries: DeliveryHandler {
                sender: Arc::clone(&sender),
                attempts: attempts.clone(),
                rates: RateLimiter { slots: RateStore::new(log.clone()), clock: clock.clone() },
                schedule: settings.parsed("DEFAULT_RETRY_SCHEDULE")?,
                clock: clock.clone(),
            },
            circuits: Circuits {
                rows,
                schedule,
                health: health.clone(),
                parked: parked.clone(),
                endpoints,
                attempts: attempts.clone(),
                sender,
                deliveries: deliveries.clone(),
                dead_letters: dead_letters.clone(),
                default_schedule: settings.parsed("DEFAULT_RETRY_SCHEDULE")?,
                clock: clock.clone(),
            },
            recoveries: Recoveries {
                rows: RecoveryProgress::new(config.clone(), log.clone()),
                targets: TargetStore::new(log),
                attempts: attempts.clone(),
                deliveries: deliveries.clone(),
                steps,
                clock: clock.clone(),
            },
            settlement: Settlement {
                attempts,
                parked,
                health,
                deliveries,
                retries,
                dead_letters,
                clock: clock.clone(),
            },
            retries_name: settings
                .text("RETRIES_QUEUE_URL")?
                .rsplit('/')
                .next()
                .unwrap_or_default()
                .to_owned(),
            vault,
            key_check: KeyCheck::new(config),
            clock,
        })
    }
}

/// A setting in days.
fn days(count: u64) -> Duration {
    Duration::from_secs(count * 86_400)
}
