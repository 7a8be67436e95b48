//! The parts of the function, and what each of them gets: tables, queues, settings.

use std::{sync::Arc, time::Duration};

use domain::{signing::Vault, time::Timestamp};
use runtime::{
    aws::SdkConfig,
    settings::{Settings, SettingsError},
};
use store::{
    Table, announce::Announcer, attempts::AttemptLog, deliveries::DeliveryEndpoints,
    events::EventWriter, health::HealthStore, parked::ParkedStore, project_config::ProjectConfigs,
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

/// What the parts are made of.
struct Resources {
    config: Table,
    log: Table,
    deliveries: Queue,
    retries: Queue,
    dead_letters: Queue,
    retention_days: u32,
    clock: Clock,
}

impl Resources {
    fn new(aws: &SdkConfig, settings: &Settings, clock: Clock) -> Result<Self, SettingsError> {
        let (dynamodb, sqs) = (aws_sdk_dynamodb::Client::new(aws), aws_sdk_sqs::Client::new(aws));
        let table = |name| Ok(Table::new(dynamodb.clone(), settings.text(name)?));
        let queue = |name| Ok(Queue::new(sqs.clone(), settings.text(name)?));
        Ok(Self {
            config: table("CONFIG_TABLE")?,
            log: table("LOG_TABLE")?,
            deliveries: queue("DELIVERIES_QUEUE_URL")?,
            retries: queue("RETRIES_QUEUE_URL")?,
            dead_letters: queue("DEAD_LETTER_QUEUE_URL")?,
            retention_days: settings.parsed("EVENT_RETENTION_DAYS")?,
            clock,
        })
    }

    fn attempts(&self) -> AttemptLog {
        AttemptLog::new(self.log.clone(), self.retention_days)
    }

    fn endpoints(&self) -> DeliveryEndpoints {
        DeliveryEndpoints::new(self.config.clone(), self.log.clone())
    }

    fn steps(&self) -> StepQueue {
        StepQueue(self.retries.clone())
    }

    fn schedule(&self) -> CircuitSchedule {
        let rows = HealthStore::new(self.log.clone());
        CircuitSchedule { rows, steps: self.steps(), clock: self.clock.clone() }
    }

    fn health(&self, settings: &Settings) -> Result<EndpointHealth, SettingsError> {
        let events = EventWriter::new(self.log.clone(), self.retention_days);
        let publisher = Publisher::new(events, self.deliveries.clone());
        Ok(EndpointHealth {
            rows: HealthStore::new(self.log.clone()),
            endpoints: self.endpoints(),
            announcer: Announcer::new(ProjectConfigs::new(self.config.clone()), publisher),
            schedule: self.schedule(),
            disable_after: days(settings.parsed("DISABLE_AFTER_DAYS")?),
            clock: self.clock.clone(),
        })
    }

    fn recoveries(&self) -> Recoveries {
        Recoveries {
            rows: RecoveryProgress::new(self.config.clone(), self.log.clone()),
            targets: TargetStore::new(self.log.clone()),
            attempts: self.attempts(),
            deliveries: self.deliveries.clone(),
            steps: self.steps(),
            clock: self.clock.clone(),
        }
    }

    fn settlement(&self, health: EndpointHealth) -> Settlement {
        Settlement {
            attempts: self.attempts(),
            parked: ParkedStore::new(self.log.clone()),
            health,
            deliveries: self.deliveries.clone(),
            retries: self.retries.clone(),
            dead_letters: self.dead_letters.clone(),
            clock: self.clock.clone(),
        }
    }
}

impl App {
    /// As [`Self::new`], with a clock of the caller's instead of the system's. Only code in this
    /// process can pass one.
    pub fn by_clock(
        aws: &SdkConfig,
        settings: &Settings,
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Result<Self, StartError> {
        let clock = Clock::new(now);
        let made = Resources::new(aws, settings, clock.clone())?;
        let vault: Arc<Vault> = Arc::new(settings.parsed("SECRETS_KEY")?);
        let sender = Arc::new(Sender::new(settings, Arc::clone(&vault), clock.clone())?);
        let health = made.health(settings)?;
        let retries_url = settings.text("RETRIES_QUEUE_URL")?;
        Ok(Self {
            endpoints: made.endpoints(),
            deliveries: DeliveryHandler {
                sender: Arc::clone(&sender),
                attempts: made.attempts(),
                rates: RateLimiter {
                    slots: RateStore::new(made.log.clone()),
                    clock: clock.clone(),
                },
                schedule: settings.parsed("DEFAULT_RETRY_SCHEDULE")?,
                clock: clock.clone(),
            },
            circuits: Circuits {
                rows: HealthStore::new(made.log.clone()),
                schedule: made.schedule(),
                health: health.clone(),
                parked: ParkedStore::new(made.log.clone()),
                endpoints: made.endpoints(),
                attempts: made.attempts(),
                sender,
                deliveries: made.deliveries.clone(),
                dead_letters: made.dead_letters.clone(),
                default_schedule: settings.parsed("DEFAULT_RETRY_SCHEDULE")?,
                clock: clock.clone(),
            },
            recoveries: made.recoveries(),
            settlement: made.settlement(health),
            retries_name: retries_url.rsplit('/').next().unwrap_or_default().to_owned(),
            vault,
            key_check: KeyCheck::new(made.config),
            clock,
        })
    }
}

/// A setting in days.
fn days(count: u64) -> Duration {
    Duration::from_secs(count * 86_400)
}
