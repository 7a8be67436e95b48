//! What attempts say of their endpoints: which of them fail, recover, open a circuit or are
//! disabled; and the system events about that.
//!
//! # Pitfalls
//!
//! None of this may cost a delivery. It happens after the attempts are on record, and what fails
//! here is only logged: the endpoint's next failure does it.

use std::{collections::HashMap, time::Duration};

use domain::{
    health::Health,
    id::EndpointId,
    job::STALLED,
    model::{Attempt, Endpoint, Outcome},
    time::Timestamp,
};
use store::{
    announce::{Announcer, SystemEvent, may_cause_system_event},
    deliveries::{DeliveryEndpoints, Receivers},
    health::HealthStore,
};

use crate::{
    background::{CircuitSchedule, StepError},
    clock::Clock,
};

/// What an owner reads on an endpoint that answered 410.
const GONE: &str = "the receiver answered 410 Gone";

/// What attempts have shown of one endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    successes: u64,
    failures: u64,
    first_failure: Option<Timestamp>,
}

impl Seen {
    /// One failure, of an attempt that began then.
    pub(crate) fn failure(at: Timestamp) -> Self {
        Self { failures: 1, first_failure: Some(at), ..Self::default() }
    }

    /// Per endpoint, of those of the batch's recorded attempts that say something of their
    /// receivers.
    pub(crate) fn by_endpoint<'a>(
        attempts: impl IntoIterator<Item = &'a Attempt>,
    ) -> HashMap<EndpointId, Self> {
        let mut all: HashMap<EndpointId, Self> = HashMap::new();
        for attempt in attempts {
            let seen = all.entry(attempt.endpoint).or_default();
            match attempt.outcome {
                Outcome::Succeeded => seen.successes += 1,
                // A target that must not be reached counts as down like any other: otherwise its
                // deliveries would fill the retries queue, and its owner would not be told.
                Outcome::HttpError | Outcome::Unreachable | Outcome::Timeout | Outcome::Refused => {
                    seen.failures += 1;
                    seen.first_failure = Some(
                        seen.first_failure
                            .map_or(attempt.created_at, |first| first.min(attempt.created_at)),
                    );
                }
            }
        }
        all
    }
}

/// Records the health of endpoints, and announces its changes.
#[derive(Clone, Debug)]
pub(crate) struct EndpointHealth {
    pub(crate) rows: HealthStore,
    pub(crate) endpoints: DeliveryEndpoints,
    pub(crate) announcer: Announcer,
    pub(crate) schedule: CircuitSchedule,
    /// After so long without a success an endpoint is disabled.
    pub(crate) disable_after: Duration,
    pub(crate) clock: Clock,
}

impl EndpointHealth {
    /// Notes what a batch saw.
    pub(crate) async fn note_all(&self, receivers: &Receivers, seen: HashMap<EndpointId, Seen>) {
        let now = self.clock.now();
        for (id, seen) in seen {
            let Some(Ok(endpoint)) = receivers.endpoints.get(&id) else { continue };
            self.note(endpoint, receivers.health.get(&id), seen).await;
        }
        for health in receivers.health.values().filter(|health| health.must_hurry(now)) {
            if health.is_stalled(now) {
                tracing::error!(endpoint = %health.endpoint, "{STALLED}");
            }
            if let Err(error) = self.schedule.run_step_now(health).await {
                tracing::error!(endpoint = %health.endpoint, %error, "could not send a circuit's \
                    step once more");
            }
        }
    }

    /// Notes what was seen of one endpoint. An endpoint with a success is not down, whatever else
    /// failed.
    pub(crate) async fn note(&self, endpoint: &Endpoint, health: Option<&Health>, seen: Seen) {
        let was_failing = health.filter(|health| health.failures > 0 || health.is_open());
        let noted = match (seen, was_failing) {
            (Seen { successes: 1.., .. }, Some(health)) => {
                self.note_success(endpoint, health).await
            }
            (Seen { successes: 0, failures: 1.., .. }, _) => {
                self.note_failures(endpoint, seen).await
            }
            _ => Ok(()),
        };
        if let Err(error) = noted {
            tracing::error!(endpoint = %endpoint.id, %error, "could not note how an endpoint is \
                doing");
        }
    }

    /// Notes a success after failures.
    pub(crate) async fn note_success(
        &self,
        endpoint: &Endpoint,
        known: &Health,
    ) -> Result<(), StepError> {
        let before = self.rows.succeeded(known, self.clock.now()).await?;
        if before.announced {
            self.announce(endpoint, &SystemEvent::Recovered).await;
        }
        // What is parked need not wait for a probe that may be minutes away.
        if before.is_open() { self.schedule.run_step_now(&before).await } else { Ok(()) }
    }

    async fn note_failures(&self, endpoint: &Endpoint, seen: Seen) -> Result<(), StepError> {
        let now = self.clock.now();
        let first = seen.first_failure.unwrap_or(now);
        let health =
            self.rows.failed(endpoint.project, endpoint.id, seen.failures, first, now).await?;
        if health.must_open() {
            self.schedule.open(&health).await?;
        }
        if health.is_failing() && !health.announced && self.rows.announced(endpoint.id).await? {
            let event = SystemEvent::Failing {
                consecutive_failures: health.failures,
                failing_since: health.failing_since,
            };
            self.announce(endpoint, &event).await;
        }
        if health.must_be_disabled(self.disable_after) {
            let days = self.disable_after.as_secs() / 86_400;
            self.disable(endpoint, &format!("no delivery has succeeded for {days} days")).await;
        }
        Ok(())
    }

    /// Disables an endpoint that answered 410, or a worker's webhook. A URL without an endpoint has
    /// no row to say so in: only this delivery is given up.
    pub(crate) async fn disable_gone(&self, endpoint: &Endpoint) {
        self.disable(endpoint, GONE).await;
    }

    async fn disable(&self, endpoint: &Endpoint, reason: &str) {
        match self.endpoints.disable(endpoint, reason, self.clock.now()).await {
            Ok(true) => {
                self.announce(endpoint, &SystemEvent::Disabled { reason: reason.to_owned() }).await;
            }
            // The owner changed, paused, disabled or deleted the endpoint meanwhile, which takes
            // precedence. Or it is a URL without an endpoint.
            Ok(false) => {}
            // Its next failure disables it.
            Err(error) => {
                tracing::error!(endpoint = %endpoint.id, %error, "could not disable an endpoint");
            }
        }
    }

    /// Tells the project, as far as that goes.
    pub(crate) async fn announce(&self, about: &Endpoint, event: &SystemEvent) {
        if let SystemEvent::DeliveryFailed { kind, .. } = event
            && !may_cause_system_event(kind)
        {
            return;
        }
        if let Err(error) = self.announcer.announce(about, event, || self.clock.now()).await {
            tracing::error!(endpoint = %about.id, %error, "could not publish a system event");
        }
    }
}
