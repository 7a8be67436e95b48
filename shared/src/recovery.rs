//! A recovery: all failed or missed deliveries of an endpoint in a time range, again.
//!
//! Missed is what the endpoint never got because it was paused, disabled, not there yet or not yet subscribed. Easy to get wrong: a step of a recovery may
//! be done twice, by a queue that hands out its message twice or after a crash. So everything here follows from the recovery, the event and the log alone, and finds its own
//! earlier work (the mark on the event's target, the attempts of its round) to be its own.

use serde::{Deserialize, Serialize};

use crate::{
    id::{EndpointId, EventId, ProjectId, RecoveryId},
    model::{Attempt, Endpoint, Origin, Status, Target, attempt::DeliveryStatus, event::LoggedEvent},
    time::Timestamp,
};

/// A recovery and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// Its id.
    pub id: RecoveryId,
    /// Whose endpoint it is.
    pub project: ProjectId,
    /// The endpoint.
    pub endpoint: EndpointId,
    /// Events from this moment on, by the time in their ids.
    pub since: Timestamp,
    /// And before this one.
    pub until: Timestamp,
    /// Whether it only counts.
    pub dry_run: bool,
    /// Whether it goes on.
    #[serde(default)]
    pub state: State,
    /// The step that is next, from 0.
    #[serde(default)]
    pub step: u64,
    /// The last event that was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looked_at: Option<EventId>,
    /// What it found so far.
    #[serde(flatten)]
    pub found: Found,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Why it ended before it had looked at all events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_because: Option<String>,
}

/// Whether a recovery goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It does.
    #[default]
    Running,
    /// It has looked at all events of its range.
    Done,
    /// It ended early: nothing can be delivered to the endpoint any more.
    Stopped,
}

/// Counts of a recovery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Events that were looked at.
    pub examined: u64,
    /// Deliveries that had failed.
    pub failed: u64,
    /// Events that the endpoint never got.
    pub missed: u64,
    /// Deliveries that were enqueued: all of both, but in a dry run none.
    pub enqueued: u64,
}

/// What is to be done about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Nothing: delivered, on its way, or not for this endpoint.
    Leave,
    /// Its delivery has failed.
    Failed,
    /// It never went there.
    Missed,
}

impl Recovery {
    /// A recovery that has done nothing yet.
    pub fn new(id: RecoveryId, endpoint: &Endpoint, since: Timestamp, until: Timestamp, dry_run: bool, now: Timestamp) -> Self {
        Self {
            id,
            project: endpoint.project,
            endpoint: endpoint.id,
            since,
            until,
            dry_run,
            state: State::Running,
            step: 0,
            looked_at: None,
            found: Found::default(),
            created_at: now,
            finished_at: None,
            stopped_because: None,
        }
    }

    /// Why it can't go on for the endpoint as it is now. A dry run only counts, and may also count for an endpoint that takes nothing.
    pub fn obstacle(&self, endpoint: Option<&Endpoint>) -> Option<&'static str> {
        match endpoint.map(|endpoint| endpoint.status) {
            None => Some("the endpoint was deleted"),
            Some(Status::Paused) if !self.dry_run => Some("the endpoint was paused"),
            Some(Status::Disabled) if !self.dry_run => Some("the endpoint was disabled"),
            Some(_) => None,
        }
    }

    /// What the log says of an event, with its attempts to the endpoint.
    pub fn examine(&self, endpoint: &Endpoint, logged: &LoggedEvent, attempts: &[Attempt]) -> Finding {
        let event = &logged.event;
        let Some(target) = logged.targets.iter().find(|target| target.endpoint == endpoint.id) else {
            let test = logged.targets.iter().any(|target| target.test);
            let wanted = !test && endpoint.subscribes(&event.kind) && endpoint.body.check(&event.data).is_ok();
            return if wanted { Finding::Missed } else { Finding::Leave };
        };
        if target.recovery == Some(self.id) {
            let before = attempts.iter().any(|attempt| attempt.round != Some(self.id.round(event.id)));
            return if before { Finding::Failed } else { Finding::Missed };
        }
        match DeliveryStatus::of_target(event.id, target, attempts) {
            DeliveryStatus::Failed if !target.test => Finding::Failed,
            _ => Finding::Leave,
        }
    }

    /// Whether the delivery that this recovery has enqueued was seen by `deliver`, so that it need not be enqueued once more.
    pub fn has_arrived(&self, event: EventId, attempts: &[Attempt]) -> bool {
        attempts.iter().any(|attempt| attempt.round == Some(self.id.round(event)))
    }

    /// The targets of an event that goes to the endpoint again, or for the first time.
    pub fn mark(&self, endpoint: &Endpoint, targets: &[Target]) -> Vec<Target> {
        let mut targets = targets.to_vec();
        match targets.iter_mut().find(|target| target.endpoint == endpoint.id) {
            Some(target) => target.recovery = Some(self.id),
            None => targets
                .push(Target { recovery: Some(self.id), ..Target::new(endpoint.id, endpoint.url.to_string(), Origin::Endpoint) }),
        }
        targets
    }

    /// The recovery after a step that looked at these events, in their order.
    #[must_use]
    pub fn after(&self, findings: &[(EventId, Finding)], has_more: bool, now: Timestamp) -> Self {
        let count = |finding| findings.iter().filter(|(_, other)| *other == finding).count() as u64;
        let (failed, missed) = (count(Finding::Failed), count(Finding::Missed));
        let found = Found {
            examined: self.found.examined + findings.len() as u64,
            failed: self.found.failed + failed,
            missed: self.found.missed + missed,
            enqueued: self.found.enqueued + if self.dry_run { 0 } else { failed + missed },
        };
        let state = if has_more { State::Running } else { State::Done };
        let finished_at = (!has_more).then_some(now);
        let looked_at = findings.last().map(|(event, _)| *event).or(self.looked_at);
        Self { state, step: self.step + 1, looked_at, found, finished_at, ..self.clone() }
    }

    /// The recovery, ended early.
    #[must_use]
    pub fn stopped(&self, because: &str, now: Timestamp) -> Self {
        let (step, because) = (self.step + 1, Some(because.to_owned()));
        Self { state: State::Stopped, step, finished_at: Some(now), stopped_because: because, ..self.clone() }
    }
}
