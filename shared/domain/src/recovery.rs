//! A recovery: all failed or missed deliveries of an endpoint in a time range, again; if it is
//! asked to, those that have succeeded too.
//!
//! Missed is what the endpoint never got because it was paused, disabled, not there yet or not yet
//! subscribed. A step of a recovery may be done twice: after a crash, or by two runs at once. So
//! everything here follows from the recovery, the event and its delivery's row alone, and finds its
//! own earlier work (a row of its round) to be its own.
//!
//! Events are found by their ids, which hold the time. An id may be older than its event: its
//! producer has made it, or its request was slow. So a recovery goes over the ids, from shortly
//! before its range on, and then over what came late into the feed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    delivery::End,
    delivery_row::{self, DeliveryRow},
    id::{EndpointId, EventId, ProjectId, RecoveryId},
    model::{Endpoint, Status, Subscription, event::LoggedEvent},
    time::Timestamp,
};

/// How much older than its range ids may be that a recovery goes over first. An event whose row was
/// there within this time of its id has no other place in the feed.
pub const EARLIER: Duration = Duration::from_secs(2);

/// A recovery and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// Its id.
    pub id: RecoveryId,
    /// Whose endpoint it is.
    pub project: ProjectId,
    /// The endpoint.
    pub endpoint: EndpointId,
    /// Events from this moment on, by the time in their ids, or when they were accepted.
    pub since: Timestamp,
    /// And before this one.
    pub until: Timestamp,
    /// Whether the recovery only counts.
    pub dry_run: bool,
    /// Whether it sends again what has succeeded, too: the receiver has lost it.
    #[serde(default, skip_serializing_if = "super::model::is_default")]
    pub include_succeeded: bool,
    /// What it goes over.
    #[serde(default, skip_serializing_if = "super::model::is_default")]
    pub pass: Pass,
    /// Whether it is running, done or stopped.
    #[serde(default)]
    pub state: State,
    /// The step that is next, from 0.
    #[serde(default)]
    pub step: u64,
    /// The last event of this pass that was looked at; in the second pass, its place in the feed.
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
    /// When `jobs` does the next step, at the earliest: the row's place in the list of what is due,
    /// which whoever writes the row sets.
    #[serde(default, rename = "list_at", skip_serializing)]
    pub due_at: Option<Timestamp>,
}

/// What a recovery goes over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pass {
    /// Events by their ids.
    #[default]
    Ids,
    /// Events that came late into the feed, by when that was.
    Late,
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
    /// Deliveries found that have succeeded, and are sent again.
    #[serde(default)]
    pub succeeded: u64,
    /// Deliveries that were enqueued: all of these, but in a dry run none.
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
    /// It was delivered, and is wanted again. Without a row the log must say so: it may be on its
    /// way.
    Succeeded,
}

impl Recovery {
    /// A recovery that has done nothing yet.
    pub fn new(
        id: RecoveryId,
        endpoint: &Endpoint,
        since: Timestamp,
        until: Timestamp,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            project: endpoint.project,
            endpoint: endpoint.id,
            since,
            until,
            dry_run: false,
            include_succeeded: false,
            pass: Pass::Ids,
            state: State::Running,
            step: 0,
            looked_at: None,
            found: RecoveryCounts::default(),
            created_at: now,
            finished_at: None,
            stopped_because: None,
            due_at: None,
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
        let is_test = logged.targets.iter().any(|target| target.test);
        if is_test || !endpoint.subscribes(&event.kind) {
            return None;
        }
        if logged.targets.iter().any(|target| target.endpoint == endpoint.id) {
            return Some(Finding::Failed);
        }
        let fits = endpoint.body.is_none_or(|body| body.check(&event.data).is_ok());
        fits.then_some(Finding::Missed)
    }

    /// Whether this pass looks at an event.
    pub fn covers(&self, logged: &LoggedEvent) -> bool {
        let id = logged.event.id.time();
        let came_in_time = self.since <= logged.accepted_at && logged.accepted_at < self.until;
        match self.pass {
            Pass::Ids => self.since <= id || came_in_time,
            Pass::Late => id + EARLIER < self.since && came_in_time,
        }
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
            None if candidate == Finding::Failed => self.delivered(),
            None => candidate,
            Some(row) if row.round == Some(self.id.round(event)) => candidate,
            Some(row) if row.state == delivery_row::State::Ended(End::Failed) => candidate,
            Some(row) if row.state == delivery_row::State::Ended(End::Succeeded) => {
                self.delivered()
            }
            Some(_) => Finding::Leave,
        }
    }

    /// What a delivery is that has succeeded.
    fn delivered(&self) -> Finding {
        if self.include_succeeded { Finding::Succeeded } else { Finding::Leave }
    }

    /// The recovery after a step that looked at events, the last of them here.
    #[must_use]
    pub fn after(
        &self,
        findings: &[Finding],
        looked_at: Option<EventId>,
        has_more: bool,
        now: Timestamp,
    ) -> Self {
        let count = |finding| findings.iter().filter(|other| **other == finding).count() as u64;
        let (failed, missed) = (count(Finding::Failed), count(Finding::Missed));
        let succeeded = count(Finding::Succeeded);
        let again = failed + missed + succeeded;
        let found = RecoveryCounts {
            examined: self.found.examined + findings.len() as u64,
            failed: self.found.failed + failed,
            missed: self.found.missed + missed,
            succeeded: self.found.succeeded + succeeded,
            enqueued: self.found.enqueued + if self.dry_run { 0 } else { again },
        };
        let next = Self { step: self.step + 1, found, ..self.clone() };
        match self.pass {
            _ if has_more => Self { looked_at: looked_at.or(self.looked_at), ..next },
            Pass::Ids => Self { pass: Pass::Late, looked_at: None, ..next },
            Pass::Late => Self { state: State::Done, finished_at: Some(now), ..next },
        }
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
        Recovery::new(RecoveryId::new(at(500), number), &endpoint(), at(100), at(400), at(500))
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
        LoggedEvent { event, targets, missed: Vec::new(), accepted_at: at(200) }
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
        assert_eq!(candidate(&others, &event(vec![target()])), None, "not subscribed any more");
        assert_eq!(candidate(&subscription(), &event(vec![target()])), Some(Finding::Failed));
        let test = Target { test: true, ..target() };
        assert_eq!(candidate(&subscription(), &event(vec![test.clone()])), None);
        let anothers = Target { endpoint: EndpointId::new(at(2), 2), ..test };
        assert_eq!(candidate(&subscription(), &event(vec![anothers])), None);
    }

    #[test]
    fn what_was_accepted_in_the_range_is_found_whatever_its_id() {
        let with = |id, accepted| {
            let logged = event(vec![]);
            let event = Event { id: EventId::new(at(id), 1), ..logged.event };
            LoggedEvent { event, accepted_at: at(accepted), ..logged }
        };
        let is_found = |pass, id, accepted| {
            let recovery = Recovery { pass, ..recovery(1) };
            recovery.covers(&with(id, accepted))
        };
        for (id, accepted, by_id, late) in [
            (100, 100, true, false),
            (399, 401, true, false),
            (98, 100, true, false),
            (97, 100, true, true),
            (99, 99, false, false),
            (50, 399, true, true),
            (50, 400, false, false),
        ] {
            let found = (is_found(Pass::Ids, id, accepted), is_found(Pass::Late, id, accepted));
            assert_eq!(found, (by_id, late), "{id} {accepted}");
        }
    }

    #[test]
    fn what_has_succeeded_goes_again_only_if_it_is_asked_for() {
        let replay = Recovery { include_succeeded: true, ..recovery(1) };
        let id = event(vec![]).event.id;
        let succeeded = row(None, RowState::Ended(End::Succeeded));
        let waiting = row(None, RowState::Waiting { until: at(900), slot: None });
        for (recovery, row, expected) in [
            (&replay, None, Finding::Succeeded),
            (&replay, Some(&succeeded), Finding::Succeeded),
            (&replay, Some(&waiting), Finding::Leave),
            (&recovery(1), Some(&succeeded), Finding::Leave),
        ] {
            assert_eq!(recovery.examine(Finding::Failed, id, row), expected, "{row:?}");
        }
        assert_eq!(replay.examine(Finding::Missed, id, None), Finding::Missed);
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
        let findings = [Finding::Leave, Finding::Failed, Finding::Missed, Finding::Missed];
        let place = |number| Some(EventId::new(at(200), number));
        let first = recovery(1).after(&findings, place(1), true, at(600));
        assert_eq!((first.pass, first.looked_at), (Pass::Ids, place(1)));
        let second = first.after(&findings[..2], place(2), false, at(700));
        assert_eq!(
            (second.state, second.pass, second.looked_at),
            (State::Running, Pass::Late, None)
        );
        let third = second.after(&[Finding::Succeeded], place(3), true, at(800));
        assert_eq!((third.state, third.looked_at), (State::Running, place(3)));
        let last = third.after(&[], None, false, at(900));
        assert_eq!((last.state, last.step, last.finished_at), (State::Done, 4, Some(at(900))));
        let found = RecoveryCounts { examined: 7, failed: 2, missed: 2, succeeded: 1, enqueued: 5 };
        assert_eq!(last.found, found);
        let counting = Recovery { dry_run: true, ..recovery(1) };
        assert_eq!(counting.after(&findings, None, false, at(600)).found.enqueued, 0);
    }
}
