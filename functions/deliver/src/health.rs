//! What a batch tells of its endpoints: who fails, who is well again, whose circuit opens, who is disabled; and telling their project.
//!
//! Easy to get wrong: none of this may cost a delivery. It happens after the attempts are on record, and what fails here is only logged: the next failure tells again.

use std::{collections::HashMap, time::Duration};

use shared::{
    announce::{News, may_cause_news},
    health::Health,
    id::{EndpointId, ProjectId},
    job::STALLED,
    model::{Attempt, Endpoint, Outcome},
    store::deliveries::Receivers,
    time::Timestamp,
};

use crate::{App, circuit, jobs::JobError};

/// What an owner reads on an endpoint that answered 410.
const GONE: &str = "the receiver answered 410 Gone";

/// What a batch saw of one endpoint.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    successes: u64,
    failures: u64,
    first_failure: Option<Timestamp>,
}

impl Seen {
    /// Per endpoint, of those of the batch's recorded attempts that say something of their receivers.
    pub(crate) fn by_endpoint<'a>(attempts: impl IntoIterator<Item = &'a Attempt>) -> HashMap<EndpointId, Self> {
        let mut all: HashMap<EndpointId, Self> = HashMap::new();
        for attempt in attempts {
            let seen = all.entry(attempt.endpoint).or_default();
            match attempt.outcome {
                Outcome::Succeeded => seen.successes += 1,
                // A target that may not be reached is down as far as deliveries go: each of them would wait on the retries queue, and nobody would be told.
                Outcome::HttpError | Outcome::Unreachable | Outcome::Timeout | Outcome::Refused => {
                    seen.failures += 1;
                    seen.first_failure = Some(seen.first_failure.map_or(attempt.created_at, |first| first.min(attempt.created_at)));
                }
            }
        }
        all
    }
}

impl App {
    /// Notes what a batch saw.
    pub(crate) async fn note_all(&self, receivers: &Receivers, seen: HashMap<EndpointId, Seen>) {
        let now = self.now();
        for (id, seen) in seen {
            let Some(Ok(endpoint)) = receivers.endpoints.get(&id) else { continue };
            let health = receivers.health.get(&id);
            self.note(endpoint.project, endpoint, health, seen.successes, seen.failures, seen.first_failure.unwrap_or(now)).await;
        }
        for health in receivers.health.values().filter(|health| health.must_hurry(now)) {
            if health.is_stalled(now) {
                tracing::error!(endpoint = %health.endpoint, "{STALLED}");
            }
            if let Err(error) = circuit::hurry(self, health).await {
                tracing::error!(endpoint = %health.endpoint, %error, "could not send a circuit's step once more");
            }
        }
    }

    /// Notes what was seen of one endpoint. Of successes and failures at once the successes count: it is not down.
    pub(crate) async fn note(
        &self,
        project: ProjectId,
        endpoint: &Endpoint,
        health: Option<&Health>,
        successes: u64,
        failures: u64,
        first_failure: Timestamp,
    ) {
        let noted = match (successes, failures, health) {
            (1.., _, Some(health)) if health.failures > 0 || health.is_open() => self.note_success(project, endpoint, health).await,
            (0, 1.., _) => self.note_failures(project, endpoint, failures, first_failure).await,
            _ => Ok(()),
        };
        if let Err(error) = noted {
            tracing::error!(endpoint = %endpoint.id, %error, "could not note how an endpoint is doing");
        }
    }

    /// Notes a success after failures.
    pub(crate) async fn note_success(&self, project: ProjectId, endpoint: &Endpoint, known: &Health) -> Result<(), JobError> {
        let before = self.health.succeeded(known, self.now()).await?;
        if before.announced {
            self.tell(project, endpoint, &News::Recovered).await;
        }
        // What is parked need not wait for a probe that may be minutes away.
        if before.is_open() { circuit::hurry(self, &before).await } else { Ok(()) }
    }

    async fn note_failures(&self, project: ProjectId, endpoint: &Endpoint, failures: u64, first: Timestamp) -> Result<(), JobError> {
        let now = self.now();
        let health = self.health.failed(project, endpoint.id, failures, first, now).await?;
        if health.must_open() {
            circuit::open(self, &health).await?;
        }
        if health.is_failing() && !health.announced && self.health.announced(endpoint.id).await? {
            let news = News::Failing { consecutive_failures: health.failures, failing_since: health.failing_since };
            self.tell(project, endpoint, &news).await;
        }
        if health.must_be_disabled(self.disable_after) {
            let days = self.disable_after.as_secs() / 86_400;
            self.disable(endpoint, &format!("no delivery has succeeded for {days} days")).await;
        }
        Ok(())
    }

    /// Disables an endpoint that said that it is gone; a worker's webhook too. A URL without an endpoint has no row to say so in: only the delivery is given up, and the next one is tried again.
    pub(crate) async fn disable_gone(&self, endpoint: &Endpoint) {
        self.disable(endpoint, GONE).await;
    }

    async fn disable(&self, endpoint: &Endpoint, reason: &str) {
        match self.endpoints.disable(endpoint, reason, self.now()).await {
            Ok(true) => self.tell(endpoint.project, endpoint, &News::Disabled { reason: reason.to_owned() }).await,
            // Changed, paused, disabled or deleted meanwhile: whoever did that knows better. Or a URL without an endpoint.
            Ok(false) => {}
            // Its next failure disables it.
            Err(error) => tracing::error!(endpoint = %endpoint.id, %error, "could not disable an endpoint"),
        }
    }

    /// Tells the project, as far as that goes.
    pub(crate) async fn tell(&self, project: ProjectId, about: &Endpoint, news: &News) {
        if let News::DeliveryFailed { kind, .. } = news
            && !may_cause_news(kind)
        {
            return;
        }
        if let Err(error) = self.announcer.tell(project, about, news, self.now()).await {
            tracing::error!(endpoint = %about.id, %error, "could not tell a project of its endpoint");
        }
    }
}

/// A setting in days.
pub(crate) fn days(count: u64) -> Duration {
    Duration::from_secs(count * 86_400)
}
