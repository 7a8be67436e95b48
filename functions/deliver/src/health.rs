//! What attempts say of their endpoints: which of them fail, recover, open a circuit or are
//! disabled; and the system events about that.
//!
//! # Pitfalls
//!
//! None of this may cost a delivery. It happens after the attempts are on record, and what fails
//! here is only logged: the endpoint's next failure does it.

use std::{collections::HashMap, time::Duration};

use domain::{
    health::{Failures, Health, StepResult},
    id::EndpointId,
    model::{Attempt, Endpoint, Outcome},
    system_event::SystemEvent,
    time::Timestamp,
};
use runtime::clock::Clock;
use store::{
    StoreError,
    deliveries::{DeliveryEndpoints, Receivers},
    health::HealthStore,
};

use crate::{disposition::Probe, news::News};

/// What an owner reads on an endpoint that answered 410.
const GONE: &str = "the receiver answered 410 Gone";

/// What attempts have shown of one receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    successes: u64,
    failures: Failures,
    first_failure: Option<Timestamp>,
}

impl Seen {
    /// The failure of a probe that was sent then. The circuit is open already.
    fn failed_probe(at: Timestamp) -> Self {
        let failures = Failures { all: 1, first: 0 };
        Self { failures, first_failure: Some(at), ..Self::default() }
    }

    /// Per circuit, with an endpoint of its, of those of the batch's recorded attempts that say
    /// something of their receivers.
    pub(crate) fn by_circuit<'a>(
        attempts: impl IntoIterator<Item = &'a (Attempt, EndpointId)>,
    ) -> HashMap<EndpointId, (EndpointId, Self)> {
        let mut all: HashMap<EndpointId, (EndpointId, Self)> = HashMap::new();
        for (attempt, circuit) in attempts {
            let new = (attempt.endpoint, Self::default());
            let (_, seen) = all.entry(*circuit).or_insert(new);
            match attempt.outcome {
                Outcome::Succeeded => seen.successes += 1,
                // A target that must not be reached counts as down like any other: otherwise its
                // deliveries would fill the retries queue, and its owner would not be told.
                Outcome::HttpError | Outcome::Unreachable | Outcome::Timeout | Outcome::Refused => {
                    seen.failures.all += 1;
                    seen.failures.first += u64::from(attempt.number == 1);
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

/// What a probe has shown.
#[derive(Debug)]
pub(crate) struct Probed {
    /// Where it went.
    endpoint: EndpointId,
    /// The health with the circuit that it was sent for.
    health: Health,
    shown: Shown,
    /// When it was sent.
    at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Well,
    /// Still down. With the wait that the receiver asked for.
    Down(Duration),
    /// Nothing of the receiver: it is gone, or this delivery can't be sent. The parked ones must
    /// not wait for that: each is judged for itself.
    Nothing,
}

impl Probed {
    /// What the attempt of a probe has shown.
    pub(crate) fn of(attempt: &Attempt, judges: bool, gone: bool, probe: Probe) -> Self {
        let shown = match attempt.outcome {
            Outcome::Succeeded => Shown::Well,
            _ if gone || !judges => Shown::Nothing,
            _ => Shown::Down(probe.retry_after),
        };
        Self { endpoint: attempt.endpoint, health: probe.health, shown, at: attempt.created_at }
    }
}

/// Records the health of endpoints, and announces its changes.
#[derive(Clone, Debug)]
pub(crate) struct EndpointHealth {
    pub(crate) rows: HealthStore,
    pub(crate) endpoints: DeliveryEndpoints,
    pub(crate) news: News,
    /// After so long without a success an endpoint is disabled.
    pub(crate) disable_after: Duration,
    pub(crate) clock: Clock,
}

impl EndpointHealth {
    /// Notes what a batch saw.
    pub(crate) async fn note_all(
        &self,
        receivers: &Receivers,
        seen: HashMap<EndpointId, (EndpointId, Seen)>,
    ) {
        for (circuit, (endpoint, seen)) in seen {
            let Some(Ok(endpoint)) = receivers.endpoints.get(&endpoint) else { continue };
            self.note(endpoint, circuit, receivers.health.get(&circuit), seen).await;
        }
    }

    /// Notes what a probe has shown.
    pub(crate) async fn note_probe(&self, receivers: &Receivers, probed: &Probed) {
        let Some(Ok(endpoint)) = receivers.endpoints.get(&probed.endpoint) else { return };
        if let Err(error) = self.try_note_probe(endpoint, probed).await {
            tracing::error!(project = %endpoint.project, endpoint = %endpoint.id, %error,
                "could not note what a probe has shown; there will be another");
        }
    }

    async fn try_note_probe(
        &self,
        endpoint: &Endpoint,
        Probed { health, shown, at, .. }: &Probed,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let asked = match shown {
            Shown::Well => return self.note_success(endpoint, health).await,
            Shown::Nothing => return self.rows.start_afresh(health, now).await.map(drop),
            Shown::Down(asked) => StepResult::Down(*asked),
        };
        self.note_failures(endpoint, health.endpoint, Seen::failed_probe(*at)).await?;
        // Of several probes the first that fails says when the next ones are due.
        if !health.is_probing() {
            return Ok(());
        }
        let Some(phase) = health.phase().after(asked, health.recent()) else {
            return Ok(());
        };
        match self.rows.go_on(health, phase, now + phase.wait_after(asked), now).await {
            // The receiver was found well meanwhile, or the endpoint was changed.
            Ok(_) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Notes what was seen of one receiver. A receiver with a success is not down, whatever else
    /// failed.
    async fn note(
        &self,
        endpoint: &Endpoint,
        circuit: EndpointId,
        health: Option<&Health>,
        seen: Seen,
    ) {
        let was_failing = health.filter(|health| health.failures > 0 || health.is_open());
        let noted = match (seen, was_failing) {
            (Seen { successes: 1.., .. }, Some(health)) => {
                self.note_success(endpoint, health).await
            }
            (Seen { successes: 0, failures: Failures { all: 1.., .. }, .. }, _) => {
                self.note_failures(endpoint, circuit, seen).await
            }
            _ => Ok(()),
        };
        if let Err(error) = noted {
            tracing::error!(project = %endpoint.project, endpoint = %endpoint.id, %error,
                "could not note how an endpoint is doing");
        }
    }

    /// Notes a success after failures. What is parked is released from now on.
    async fn note_success(&self, endpoint: &Endpoint, known: &Health) -> Result<(), StoreError> {
        let before = self.rows.succeeded(known, self.clock.now()).await?;
        if before.announced {
            self.news.note(&[(endpoint, SystemEvent::Recovered)]).await;
        }
        Ok(())
    }

    async fn note_failures(
        &self,
        endpoint: &Endpoint,
        circuit: EndpointId,
        seen: Seen,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let first = seen.first_failure.unwrap_or(now);
        let health = self.rows.failed(endpoint.project, circuit, seen.failures, first, now).await?;
        if health.must_open() {
            match self.rows.open(&health, now).await {
                Ok(()) => {
                    tracing::warn!(project = %endpoint.project, endpoint = %endpoint.id, %circuit,
                        failures = health.failures, "a circuit has opened; deliveries are parked");
                }
                // Another invocation has opened it.
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        if health.is_failing() && !health.announced && self.rows.announced(&health).await? {
            let event = SystemEvent::Failing {
                consecutive_failures: health.failures,
                failing_since: health.failing_since,
            };
            self.news.note(&[(endpoint, event)]).await;
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
                let event = SystemEvent::Disabled { reason: reason.to_owned() };
                self.news.note(&[(endpoint, event)]).await;
            }
            // The owner changed, paused, disabled or deleted the endpoint meanwhile, which takes
            // precedence. Or it is a URL without an endpoint.
            Ok(false) => {}
            // Its next failure disables it.
            Err(error) => {
                tracing::error!(project = %endpoint.project, endpoint = %endpoint.id, %error,
                    "could not disable an endpoint");
            }
        }
    }
}
