//! A recovery: all failed or missed deliveries of an endpoint in a time range, again.
//!
//! Missed is what the endpoint never got because it was paused, disabled, not there yet or not yet
//! subscribed. A step of a recovery may be done twice, by a queue that hands out its message twice
//! or after a crash. So everything here follows from the recovery, the event and the log alone, and
//! finds its own earlier work (the mark on the event's target, the attempts of its round) to be its
//! own.

use serde::{Deserialize, Serialize};

use crate::{
    id::{EndpointId, EventId, ProjectId, RecoveryId},
    model::{
        Attempt, Endpoint, Origin, Status, Subscription, Target, attempt::DeliveryStatus,
        event::LoggedEvent,
    },
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
    /// Nothing: delivered, on its way, or not for this endpoint.
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

    /// What the log says of an event, with its attempts to the endpoint.
    pub fn examine(
        &self,
        endpoint: &Subscription,
        logged: &LoggedEvent,
        attempts: &[Attempt],
    ) -> Finding {
        let event = &logged.event;
        let Some(target) = logged.targets.iter().find(|target| target.endpoint == endpoint.id)
        else {
            let test = logged.targets.iter().any(|target| target.test);
            let wanted = !test
                && endpoint.subscribes(&event.kind)
                && endpoint.body.is_none_or(|body| body.check(&event.data).is_ok());
            return if wanted { Finding::Missed } else { Finding::Leave };
        };
        if target.recovery == Some(self.id) {
            let before =
                attempts.iter().any(|attempt| attempt.round != Some(self.id.round(event.id)));
            return if before { Finding::Failed } else { Finding::Missed };
        }
        match DeliveryStatus::of_target(event.id, target, attempts) {
            DeliveryStatus::Failed if !target.test => Finding::Failed,
            _ => Finding::Leave,
        }
    }

    /// Whether the delivery that this recovery has enqueued was seen by `deliver`, so that it need
    /// not be enqueued once more.
    pub fn has_arrived(&self, event: EventId, attempts: &[Attempt]) -> bool {
        attempts.iter().any(|attempt| attempt.round == Some(self.id.round(event)))
    }

    /// The targets of an event that goes to the endpoint again, or for the first time.
    pub fn mark(&self, endpoint: &Subscription, targets: &[Target]) -> Vec<Target> {
        let mut targets = targets.to_vec();
        match targets.iter_mut().find(|target| target.endpoint == endpoint.id) {
            Some(target) => target.recovery = Some(self.id),
            None => {
                targets.push(Target {
                    recovery: Some(self.id),
                    ..Target::new(endpoint.id, endpoint.url.clone(), Origin::Endpoint)
                });
            }
        }
        targets
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
        endpoint_url::{EndpointUrl, TargetPolicy},
        id::{AttemptId, RoundId},
        model::{Event, Outcome, Selector, Trigger},
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

    fn attempt(
        number: u32,
        round: Option<RoundId>,
        outcome: Outcome,
        next: Option<u64>,
    ) -> Attempt {
        let event = EventId::new(at(200), 1);
        Attempt {
            id: AttemptId::of(&event, at(200 + u64::from(number)), 0),
            event,
            endpoint: endpoint().id,
            kind: "task.created".parse().unwrap(),
            url: "https://example.com/".to_owned(),
            number,
            round,
            trigger: Trigger::Scheduled,
            outcome,
            response_status: None,
            response_body: None,
            error: None,
            duration_ms: 1,
            created_at: at(200 + u64::from(number)),
            next_attempt_at: next.map(at),
        }
    }

    #[test]
    fn an_event_that_never_went_there_is_missed_if_the_endpoint_wants_it_now() {
        let nobodys = event(vec![]);
        let examine = |endpoint: &Subscription, event: &LoggedEvent| {
            recovery(1).examine(endpoint, event, &[])
        };
        assert_eq!(examine(&subscription(), &nobodys), Finding::Missed);
        let paused = Subscription { status: Status::Paused, ..subscription() };
        assert_eq!(examine(&paused, &nobodys), Finding::Missed, "a dry run counts for it");
        let others = Subscription { topics: vec!["run.*".parse().unwrap()], ..subscription() };
        assert_eq!(examine(&others, &nobodys), Finding::Leave);
        let shaped = Subscription { body: "envelope".parse().ok(), ..subscription() };
        assert_eq!(examine(&shaped, &nobodys), Finding::Leave);
        let test = Target { test: true, endpoint: EndpointId::new(at(2), 2), ..target() };
        assert_eq!(
            examine(&subscription(), &event(vec![test])),
            Finding::Leave,
            "somebody else's test"
        );
    }

    #[test]
    fn a_delivery_goes_again_only_once_it_has_failed() {
        let failed = || attempt(1, None, Outcome::Timeout, None);
        for (attempts, finding) in [
            (vec![], Finding::Leave),
            (vec![attempt(1, None, Outcome::Timeout, Some(600))], Finding::Leave),
            (vec![failed(), attempt(2, None, Outcome::Succeeded, None)], Finding::Leave),
            (vec![failed()], Finding::Failed),
            (
                vec![
                    failed(),
                    attempt(2, Some(RoundId::new(at(300), 1)), Outcome::Timeout, Some(600)),
                ],
                Finding::Leave,
            ),
        ] {
            assert_eq!(
                recovery(1).examine(&subscription(), &event(vec![target()]), &attempts),
                finding,
                "{attempts:?}"
            );
        }
    }

    #[test]
    fn a_recovery_finds_its_own_work_and_leaves_that_of_another_which_is_on_its_way() {
        let (one, other) = (recovery(1), recovery(2));
        let id = event(vec![]).event.id;
        let failed = attempt(1, None, Outcome::Timeout, None);
        for (targets, attempts, finding) in
            [(vec![], vec![], Finding::Missed), (vec![target()], vec![failed], Finding::Failed)]
        {
            assert_eq!(one.examine(&subscription(), &event(targets.clone()), &attempts), finding);
            let marked = event(one.mark(&subscription(), &targets));
            assert_eq!(marked.targets.len(), 1);
            assert_eq!(
                one.examine(&subscription(), &marked, &attempts),
                finding,
                "the step is done again"
            );
            assert!(!one.has_arrived(id, &attempts));
            assert_eq!(
                other.examine(&subscription(), &marked, &attempts),
                Finding::Leave,
                "it is on its way"
            );

            let tried = |outcome| {
                [attempts.clone(), vec![attempt(2, Some(one.id.round(id)), outcome, None)]].concat()
            };
            assert_eq!(one.examine(&subscription(), &marked, &tried(Outcome::Succeeded)), finding);
            assert!(one.has_arrived(id, &tried(Outcome::Timeout)));
            assert_eq!(
                other.examine(&subscription(), &marked, &tried(Outcome::Timeout)),
                Finding::Failed
            );
            assert_eq!(
                other.examine(&subscription(), &marked, &tried(Outcome::Succeeded)),
                Finding::Leave
            );
        }
    }

    #[test]
    fn a_recoveries_round_is_done_by_any_success_and_a_resends_is_not() {
        let id = event(vec![]).event.id;
        let log = [attempt(1, None, Outcome::Succeeded, None)];
        let decide = |round| crate::delivery::decide(&log, Some(round), at(900));
        assert_eq!(decide(recovery(1).id.round(id)), crate::delivery::NextAction::Drop);
        assert!(matches!(
            decide(RoundId::new(at(500), 1)),
            crate::delivery::NextAction::Send { .. }
        ));
        assert_ne!(recovery(1).id.round(id), recovery(2).id.round(id));
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
