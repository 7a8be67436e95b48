//! The parts of the function, and what each of them gets: tables, queues, settings.

use std::{sync::Arc, time::Duration};

use domain::{signing::Vault, time::Timestamp};
use runtime::{
    aws::SdkConfig,
    clock::Clock,
    settings::{Settings, SettingsError},
};
use store::{
    Table,
    attempts::AttemptLog,
    deliveries::DeliveryEndpoints,
    delivery_rows::{DeliveryReader, DeliveryRows},
    health::HealthStore,
    news::NewsStore,
    project_config::ProjectConfigs,
    queue::Queue,
    rates::RateStore,
    secrets_key::KeyCheck,
    standings::Standings,
};

use crate::{
    App, StartError, delivery::DeliveryHandler, health::EndpointHealth, hidden::Hidden, news::News,
    rate::RateLimiter, sender::Sender, settlement::Settlement,
};

/// What the parts are made of.
struct Resources {
    config: Table,
    log: Table,
    state: Table,
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
            state: table("STATE_TABLE")?,
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
        DeliveryEndpoints::new(self.config.clone(), self.state.clone())
    }

    fn circuits(&self) -> HealthStore {
        HealthStore::new(self.state.clone())
    }

    fn rows(&self) -> DeliveryRows {
        DeliveryRows::new(self.state.clone())
    }

    fn health(&self, settings: &Settings) -> Result<EndpointHealth, SettingsError> {
        Ok(EndpointHealth {
            rows: self.circuits(),
            endpoints: self.endpoints(),
            news: News {
                projects: ProjectConfigs::new(self.config.clone()),
                reports: NewsStore::new(self.state.clone()),
                clock: self.clock.clone(),
            },
            disable_after: days(settings.parsed("DISABLE_AFTER_DAYS")?),
            clock: self.clock.clone(),
        })
    }

    fn settlement(&self, health: EndpointHealth) -> Settlement {
        Settlement {
            attempts: self.attempts(),
            rows: self.rows(),
            health,
            deliveries: self.deliveries.clone(),
            retries: self.retries.clone(),
            dead_letters: self.dead_letters.clone(),
            hidden: Hidden::default(),
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
            rows: DeliveryReader::new(made.state.clone(), made.log.clone()),
            attempts: made.attempts(),
            standings: Standings::new(made.config.clone()),
            endpoints: made.endpoints(),
            deliveries: DeliveryHandler {
                sender,
                attempts: made.attempts(),
                rows: made.rows(),
                circuits: made.circuits(),
                kept_for: health.disable_after,
                rates: RateLimiter {
                    slots: RateStore::new(made.log.clone()),
                    clock: clock.clone(),
                },
                schedule: settings.parsed("DEFAULT_RETRY_SCHEDULE")?,
                clock: clock.clone(),
            },
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
