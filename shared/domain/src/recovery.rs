//! A recovery: all failed or missed deliveries of an endpoint in a time range, again.
//!
//! Missed is what the endpoint never got because it was paused, disabled, not there yet or not yet
//! subscribed. A step of a recovery may be done twice: after a crash, or by two runs at once. So
//! everything here follows from the recovery, the event and its delivery's row alone, and finds its
//! own earlier work (a row of its round) to be its own.

use serde::{Deserialize, Serialize};

use crate::{
    delivery::End,
    delivery_row::{self, DeliveryRow},
    id::{EndpointId, EventId, ProjectId, RecoveryId},
    model::{Endpoint, Status, Subscription, event::LoggedEvent},
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
    /// Whether the recovery only counts.
    pub dry_run: bool,
    /// Whether it is running, done or stopped.
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
    pub found: RecoveryCounts,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Why the recovery stopped before it had examined all events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_because: Option<String>,
}

/// The state of a recovery.
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
pub struct RecoveryCounts {
    /// Events that were looked at.
    pub examined: u64,
    /// Failed deliveries found.
    pub failed: u64,
    /// Events found that the endpoint never got.
    pub missed: u64,
    /// Deliveries that were enqueued: all of both, but in a dry run none.
    pub enqueued: u64,
}

/// What to do about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Nothing: delivered, or on its way.
    Leave,
    /// Its delivery has failed.
    Failed,
    /// It never went there.
    Missed,
}

impl Recovery {
    /// A recovery that has done nothing yet.
    pub fn new(
        id: RecoveryId,
        endpoint: &Endpoint,
        since: Timestamp,
        until: Timestamp,
        dry_run: bool,
        now: Timestamp,
    ) -> Self {
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
            found: RecoveryCounts::default(),
            created_at: now,
            finished_at: None,
            stopped_because: None,
        }
    }

    /// Why the recovery cannot continue for the endpoint as it is now. A dry run only counts, so it
    /// may run for an endpoint that is not active.
    pub fn obstacle(&self, endpoint: Option<&Subscription>) -> Option<&'static str> {
        match endpoint.map(|endpoint| endpoint.status) {
            None => Some("the endpoint was deleted"),
            Some(Status::Paused) if !self.dry_run => Some("the endpoint was paused"),
            Some(Status::Disabled) if !self.dry_run => Some("the endpoint was disabled"),
            Some(_) => None,
        }
    }

    /// What an event is for the endpoint, unless its delivery's row says otherwise; `None` if it is
    /// nothing to it.
    pub fn candidate(&self, endpoint: &Subscription, logged: &LoggedEvent) -> Option<Finding> {
        let event = &logged.event;
        if let Some(target) = logged.targets.iter().find(|target| target.endpoint == endpoint.id) {
            return (!target.test).then_some(Finding::Failed);
        }
        let wanted = !logged.targets.iter().any(|target| target.test)
            && endpoint.subscribes(&event.kind)
            && endpoint.body.is_none_or(|body| body.check(&event.data).is_ok());
        wanted.then_some(Finding::Missed)
    }

    /// What a candidate is by its delivery's row. Without a row it has succeeded at once or is on
    /// its way, if it went there at all.
    pub fn examine(
        &self,
        candidate: Finding,
        event: EventId,
        row: Option<&DeliveryRow>,
    ) -> Finding {
        match row {
            None if candidate == Finding::Failed => Finding::Leave,
            None => candidate,
            Some(row) if row.round == Some(self.id.round(event)) => candidate,
            Some(row) if row.state == delivery_row::State::Ended(End::Failed) => candidate,
            Some(_) => Finding::Leave,
        }
    }

    /// The recovery after a step that looked at these events, in their order.
    #[must_use]
    pub fn after(&self, findings: &[(EventId, Finding)], has_more: bool, now: Timestamp) -> Self {
        let count = |finding| findings.iter().filter(|(_, other)| *other == finding).count() as u64;
        let (failed, missed) = (count(Finding::Failed), count(Finding::Missed));
        let found = RecoveryCounts {
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

    /// The recovery after a step that has looked at nothing.
    #[must_use]
    pub fn postponed(&self) -> Self {
        Self { step: self.step + 1, ..self.clone() }
    }

    /// The recovery, ended early.
    #[must_use]
    pub fn stopped(&self, because: &str, now: Timestamp) -> Self {
        let (step, because) = (self.step + 1, Some(because.to_owned()));
        Self {
            state: State::Stopped,
            step,
            finished_at: Some(now),
            stopped_because: because,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        delivery_row::State as RowState,
        endpoint_url::{EndpointUrl, TargetPolicy},
        id::RoundId,
        message::Message,
        model::{Event, Origin, Selector, Target, Trigger},
        signing::{SealedSecret, Secret, Vault},
    };
    use serde_json::value::RawValue;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn endpoint() -> Endpoint {
        let (id, project) = (EndpointId::new(at(1), 1), ProjectId::new(at(1), 1));
        let vault: Vault = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".parse().unwrap();
        let secret: SealedSecret = vault.seal(&Secret::new([7; 32]), &id, [7; 12]).unwrap();
        let url = EndpointUrl::parse("https://example.com/", TargetPolicy::Strict).unwrap();
        Endpoint::new(id, project, url, vec![Selector::All], secret, at(1))
    }

    fn subscription() -> Subscription {
        Subscription::from(&endpoint())
    }

    fn recovery(number: u128) -> Recovery {
        Recovery::new(
            RecoveryId::new(at(500), number),
            &endpoint(),
            at(100),
            at(400),
            false,
            at(500),
        )
    }

    fn event(targets: Vec<Target>) -> LoggedEvent {
        let event = Event {
            id: EventId::new(at(200), 1),
            kind: "task.created".parse().unwrap(),
            data: RawValue::from_string("{}".to_owned()).unwrap(),
            created_at: 200,
            user_id: None,
            worker_id: None,
            webhook_url: None,
            metadata: None,
        };
        LoggedEvent { event, targets, accepted_at: at(200) }
    }

    fn target() -> Target {
        Target::new(endpoint().id, "https://example.com/".to_owned(), Origin::Endpoint)
    }

    fn row(round: Option<RoundId>, state: RowState) -> DeliveryRow {
        let event = event(vec![]).event;
        let message = Message {
            project: endpoint().project,
            endpoint: endpoint().id,
            via: None,
            event,
            enqueued_at: at(200),
            brand: None,
            trigger: Trigger::Scheduled,
            round,
            reserved: None,
        };
        DeliveryRow::new(&message, state, 1, at(200))
    }

    #[test]
    fn an_event_that_never_went_there_is_missed_if_the_endpoint_wants_it_now() {
        let nobodys = event(vec![]);
        let candidate =
            |endpoint: &Subscription, event: &LoggedEvent| recovery(1).candidate(endpoint, event);
        let missed = Some(Finding::Missed);
        assert_eq!(candidate(&subscription(), &nobodys), missed);
        let paused = Subscription { status: Status::Paused, ..subscription() };
        assert_eq!(candidate(&paused, &nobodys), missed, "a dry run counts for it");
        let others = Subscription { topics: vec!["run.*".parse().unwrap()], ..subscription() };
        assert_eq!(candidate(&others, &nobodys), None);
        let shaped = Subscription { body: "envelope".parse().ok(), ..subscription() };
        assert_eq!(candidate(&shaped, &nobodys), None);
        assert_eq!(candidate(&subscription(), &event(vec![target()])), Some(Finding::Failed));
        let test = Target { test: true, ..target() };
        assert_eq!(candidate(&subscription(), &event(vec![test.clone()])), None);
        let anothers = Target { endpoint: EndpointId::new(at(2), 2), ..test };
        assert_eq!(candidate(&subscription(), &event(vec![anothers])), None);
    }

    #[test]
    fn a_delivery_goes_again_only_once_it_has_failed() {
        let (waiting, parked) = (
            RowState::Waiting { until: at(900), slot: None },
            RowState::Parked { since: at(300), held_by: None },
        );
        let ended = RowState::Ended;
        for (state, again) in [
            (None, false),
            (Some(waiting), false),
            (Some(parked), false),
            (Some(ended(End::Succeeded)), false),
            (Some(ended(End::Failed)), true),
        ] {
            let row = state.map(|state| row(None, state));
            let examine =
                |candidate| recovery(1).examine(candidate, event(vec![]).event.id, row.as_ref());
            let found = |finding| if again { finding } else { Finding::Leave };
            assert_eq!(examine(Finding::Failed), found(Finding::Failed), "{state:?}");
            let missed = if state.is_none() { Finding::Missed } else { found(Finding::Missed) };
            assert_eq!(examine(Finding::Missed), missed, "{state:?}");
        }
    }

    #[test]
    fn a_recovery_finds_its_own_work_and_leaves_that_of_another_which_is_on_its_way() {
        let (one, other) = (recovery(1), recovery(2));
        let id = event(vec![]).event.id;
        for candidate in [Finding::Failed, Finding::Missed] {
            let of_one = |state| row(Some(one.id.round(id)), state);
            let waiting = RowState::Waiting { until: at(500), slot: None };
            for (state, others) in [
                (waiting, Finding::Leave),
                (RowState::Ended(End::Succeeded), Finding::Leave),
                (RowState::Ended(End::Failed), candidate),
            ] {
                let row = of_one(state);
                assert_eq!(one.examine(candidate, id, Some(&row)), candidate, "done again");
                assert_eq!(other.examine(candidate, id, Some(&row)), others, "{state:?}");
            }
        }
    }

    #[test]
    fn the_counts_add_up_over_steps() {
        let findings: Vec<_> = [Finding::Leave, Finding::Failed, Finding::Missed, Finding::Missed]
            .into_iter()
            .enumerate()
            .map(|(number, finding)| (EventId::new(at(200), number as u128), finding))
            .collect();
        let after =
            recovery(1).after(&findings, true, at(600)).after(&findings[..2], false, at(700));
        assert_eq!(after.found, RecoveryCounts { examined: 6, failed: 2, missed: 2, enqueued: 4 });
        assert_eq!((after.state, after.step, after.finished_at), (State::Done, 2, Some(at(700))));
        assert_eq!(after.looked_at, Some(findings[1].0));
        let counting = Recovery { dry_run: true, ..recovery(1) };
        assert_eq!(counting.after(&findings, false, at(600)).found.enqueued, 0);
        assert_eq!(counting.after(&[], false, at(600)).looked_at, None);
    }
}
