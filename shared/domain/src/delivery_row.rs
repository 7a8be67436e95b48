//! The row of a delivery that did not succeed at once: it waits for a time, or until its receiver
//! is well, or has ended. There is one at most for each event and endpoint. The payload stays with
//! the event.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    delivery::End,
    health::MAX_PROBE_WAIT,
    history::History,
    id::{EndpointId, EventId, ProjectId, RoundId},
    message::{Message, SettingsSource},
    model::{Event, Origin, Topic, Trigger, attempt::DeliveryStatus, event::LoggedEvent},
    rate::RateSlot,
    time::Timestamp,
    work::Again,
};

/// The longest wait that a message carries, hidden on its queue (SQS: a delay is at most 15
/// minutes). A longer one is a row only, until `jobs` finds it due.
pub const CARRIED: Duration = Duration::from_mins(15);
/// How long after its time the message of a delivery is taken for lost.
const LATE: Duration = Duration::from_mins(15);

/// For what a delivery waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// For a time: that of its next attempt.
    Waiting {
        /// Not before then.
        until: Timestamp,
        /// What its endpoint's rate limit has given it, if that is why it waits.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slot: Option<RateSlot>,
    },
    /// Until its receiver is well.
    Parked {
        /// From then on.
        since: Timestamp,
        /// Whose circuit releases it, if not its endpoint's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        held_by: Option<EndpointId>,
    },
    /// For nothing any more.
    Ended(End),
}

/// One event's way to one endpoint, that did not end at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryRow {
    /// The endpoint's project.
    pub project: ProjectId,
    /// What goes there.
    pub event: EventId,
    /// The event's topic, for the log when the event is gone.
    pub kind: Topic,
    /// Where it goes.
    pub endpoint: EndpointId,
    /// See [`Message::via`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<SettingsSource>,
    /// See [`Message::brand`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    /// See [`Message::enqueued_at`].
    pub enqueued_at: Timestamp,
    /// Why it is delivered.
    pub trigger: Trigger,
    /// Which resend it is; `None` for the delivery's own schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<RoundId>,
    /// For what it waits.
    pub state: State,
    /// Its place in its list. Of one that waits: when `jobs` looks at it, which is when it is due,
    /// or later if a message carries it. Of any other: the time of its event.
    pub list_at: Timestamp,
    /// Which message acts for it: one that names another number is void. It begins at random, so
    /// that a message of an earlier wait is void too.
    pub seq: u64,
    /// From when on a message of `jobs` is on its way: it may be sent before, with its delay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_from: Option<Timestamp>,
    /// And until when; then it is taken for lost, and another one may be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_until: Option<Timestamp>,
    /// Until when it is kept, once it has ended. Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// Whether a first message may have been sent as well, so that the log may know an attempt
    /// which the row does not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unconfirmed: bool,
    /// Its attempts.
    #[serde(flatten)]
    pub history: History,
}

impl DeliveryRow {
    /// The delivery of a message, which waits from now on. `seq` is random.
    pub fn new(message: &Message, state: State, seq: u64, now: Timestamp) -> Self {
        Self {
            project: message.project,
            event: message.event.id,
            kind: message.event.kind.clone(),
            endpoint: message.endpoint,
            via: message.via.clone(),
            brand: message.brand.clone(),
            enqueued_at: message.enqueued_at,
            trigger: message.trigger,
            round: message.round,
            state,
            list_at: place(state, message.event.id, now),
            seq,
            claimed_from: None,
            claimed_until: None,
            expires_at: None,
            unconfirmed: false,
            history: History::default(),
        }
    }

    /// The delivery of a message that may have been sent before: it waits until then, and no
    /// message carries it. `seq` is random.
    pub fn unconfirmed(message: &Message, until: Timestamp, seq: u64) -> Self {
        let state = State::Waiting { until, slot: None };
        Self { list_at: until, unconfirmed: true, ..Self::new(message, state, seq, until) }
    }

    /// The delivery of a resend, or of a recovery: it waits for its message alone. `before` are its
    /// attempts so far; `seq` is random.
    pub fn resend(message: &Message, before: &History, seq: u64) -> Self {
        let state = State::Waiting { until: message.enqueued_at, slot: None };
        let new = Self::new(message, state, seq, message.enqueued_at);
        Self { history: before.anew(), ..new }
    }

    /// Whether the log must be asked for an attempt before one is made.
    pub fn may_have_been_tried(&self) -> bool {
        self.unconfirmed && self.history.attempts == 0
    }

    /// Whether it is sent again, by a person or by a recovery, and nobody has tried it yet.
    pub fn is_untried(&self) -> bool {
        self.round.is_some() && self.due_at() == Some(self.enqueued_at)
    }

    /// Whether it is a person's resend that nobody has tried yet.
    pub fn is_new_resend(&self) -> bool {
        self.is_untried() && self.round.is_some_and(|round| !round.is_of_recovery())
    }

    /// The same, waiting for something else from now on. Its message is done, or carries it on.
    #[must_use]
    pub fn waits_for(&self, state: State, now: Timestamp) -> Self {
        let list_at = place(state, self.event, now);
        Self { state, list_at, claimed_from: None, claimed_until: None, ..self.clone() }
    }

    /// The same, with its end. It is kept until `expires_at`, in Unix seconds.
    #[must_use]
    pub fn ended(&self, end: End, expires_at: u64, now: Timestamp) -> Self {
        Self { expires_at: Some(expires_at), ..self.waits_for(State::Ended(end), now) }
    }

    /// Whether nothing happens to it any more, unless somebody resends it.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended(_))
    }

    /// Its state in the API.
    pub fn status(&self) -> DeliveryStatus {
        match self.state {
            State::Waiting { .. } => DeliveryStatus::Pending,
            State::Parked { .. } => DeliveryStatus::Parked,
            State::Ended(End::Succeeded) => DeliveryStatus::Succeeded,
            State::Ended(End::Failed) => DeliveryStatus::Failed,
        }
    }

    /// The same, without a message that carries it: `jobs` sends one when it is due.
    #[must_use]
    pub fn uncarried(self) -> Self {
        Self { list_at: self.due_at().unwrap_or(self.list_at), ..self }
    }

    /// Whether a message is to carry it.
    pub fn is_carried(&self) -> bool {
        self.due_at().is_some_and(|due| due < self.list_at)
    }

    /// The message that acts for it: a probe, or not.
    pub fn again(&self, probe: bool) -> Again {
        let &Self { project, event, endpoint, seq, .. } = self;
        Again { project, event, endpoint, seq, probe }
    }

    /// The delivery with what goes there. Its event goes as its origin says; one that a recovery
    /// has brought to the endpoint, as to any endpoint. Without its event there is nothing to send,
    /// and the message is for the log only.
    pub fn message(&self, logged: Option<&LoggedEvent>) -> Message {
        let event = logged.map_or_else(
            || self.empty_event(),
            |logged| {
                let target = logged.targets.iter().find(|target| target.endpoint == self.endpoint);
                logged.event.for_origin(target.map_or(Origin::Endpoint, |target| target.origin))
            },
        );
        Message {
            project: self.project,
            endpoint: self.endpoint,
            via: self.via.clone(),
            event,
            enqueued_at: self.enqueued_at,
            brand: self.brand.clone(),
            trigger: self.trigger,
            round: self.round,
            reserved: self.slot(),
        }
    }

    fn empty_event(&self) -> Event {
        Event {
            id: self.event,
            kind: self.kind.clone(),
            data: RawValue::NULL.to_owned(),
            created_at: self.event.time().seconds(),
            user_id: None,
            worker_id: None,
            webhook_url: None,
            metadata: None,
        }
    }

    /// When it is due; `None` if it waits for no time.
    pub fn due_at(&self) -> Option<Timestamp> {
        match self.state {
            State::Waiting { until, .. } => Some(until),
            State::Parked { .. } | State::Ended(_) => None,
        }
    }

    /// Whether it waits for its receiver.
    pub fn is_parked(&self) -> bool {
        self.parked_since().is_some()
    }

    /// Since when it waits for its receiver, if it does.
    pub fn parked_since(&self) -> Option<Timestamp> {
        match self.state {
            State::Parked { since, .. } => Some(since),
            State::Waiting { .. } | State::Ended(_) => None,
        }
    }

    /// Whether it waits for its project, not for its receiver.
    pub fn is_of_suspension(&self) -> bool {
        let suspension = Some(EndpointId::of_suspension(self.project));
        matches!(self.state, State::Parked { held_by, .. } if held_by == suspension)
    }

    fn slot(&self) -> Option<RateSlot> {
        match self.state {
            State::Waiting { slot, .. } => slot,
            State::Parked { .. } | State::Ended(_) => None,
        }
    }

    /// Whether a message of `jobs` is on its way at that time.
    pub fn is_claimed(&self, at: Timestamp) -> bool {
        self.claimed_until.is_some_and(|until| at < until)
            && self.claimed_from.is_none_or(|from| from <= at)
    }

    /// Whether it has been parked for too long. Not before a few probes have had the time to find
    /// the receiver well: the delivery may be an old one, parked just now.
    pub fn is_over(&self, kept_for: Duration, now: Timestamp) -> bool {
        match self.state {
            State::Parked { since, .. } => {
                now > (self.enqueued_at + kept_for).max(since + MAX_PROBE_WAIT * 2)
            }
            State::Waiting { .. } | State::Ended(_) => false,
        }
    }
}

fn place(state: State, event: EventId, now: Timestamp) -> Timestamp {
    match state {
        State::Waiting { until, .. } if until.since(now) <= CARRIED => until + LATE,
        State::Waiting { until, .. } => until,
        State::Parked { .. } | State::Ended(_) => event.time(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn row(state: State, now: Timestamp) -> DeliveryRow {
        let event = Event {
            id: EventId::new(at(50), 1),
            kind: "task.created".parse().unwrap(),
            data: RawValue::from_string(r#"{"a":1}"#.to_owned()).unwrap(),
            created_at: 50,
            user_id: None,
            worker_id: None,
            webhook_url: None,
            metadata: None,
        };
        let message = Message {
            project: ProjectId::new(at(1), 1),
            endpoint: EndpointId::new(at(1), 2),
            via: None,
            event,
            enqueued_at: at(60),
            brand: Some("Acme".to_owned()),
            trigger: Trigger::Scheduled,
            round: None,
            reserved: None,
        };
        DeliveryRow::new(&message, state, 7, now)
    }

    pub(crate) fn row_of(project: ProjectId, event: EventId, endpoint: EndpointId) -> DeliveryRow {
        DeliveryRow { project, event, endpoint, ..row(waiting(100), at(60)) }
    }

    fn waiting(until: u64) -> State {
        State::Waiting { until: at(until), slot: None }
    }

    #[test]
    fn a_message_carries_waits_of_up_to_a_quarter_of_an_hour_and_jobs_finds_it_if_it_is_lost() {
        for (until, carried, list_at) in
            [(100, true, 1_000), (1_000, true, 1_900), (1_001, false, 1_001)]
        {
            let row = row(waiting(until), at(100));
            assert_eq!((row.is_carried(), row.list_at), (carried, at(list_at)), "{until}");
            assert_eq!((row.due_at(), row.is_parked()), (Some(at(until)), false));
            let uncarried = row.uncarried();
            assert!(!uncarried.is_carried() && uncarried.list_at == at(until));
        }
    }

    #[test]
    fn what_nobody_has_tried_yet_is_due_at_once_or_when_somebody_else_would_have_tried_it() {
        let first = row(waiting(70), at(60)).message(None);
        let round = Some(RoundId::new(at(60), 1));
        let asked_for = Message { trigger: Trigger::Manual, round, ..first.clone() };
        let resend = DeliveryRow::resend(&asked_for, &History::default(), 7);
        assert_eq!((resend.due_at(), resend.list_at), (Some(at(60)), at(960)));
        assert!(resend.is_new_resend() && resend.is_carried());
        assert!(!resend.waits_for(waiting(65), at(61)).is_new_resend());
        assert!(!row(waiting(60), at(60)).is_new_resend(), "it is no resend");
        let recovered = Message { round: Some(RoundId::new(at(0), 1)), ..asked_for };
        let recovered = DeliveryRow::resend(&recovered, &History::default(), 7);
        assert!(recovered.is_untried() && !recovered.is_new_resend(), "nor is a recovery");

        let unconfirmed = DeliveryRow::unconfirmed(&first, at(135), 7);
        assert_eq!((unconfirmed.due_at(), unconfirmed.list_at), (Some(at(135)), at(135)));
        assert!(!unconfirmed.is_carried(), "jobs sends its message");
        assert!(unconfirmed.may_have_been_tried() && !resend.may_have_been_tried());
    }

    #[test]
    fn a_parked_one_has_its_place_by_the_time_of_its_event() {
        let row = row(State::Parked { since: at(100), held_by: None }, at(100));
        assert_eq!((row.list_at, row.is_carried(), row.due_at()), (at(50), false, None));
        let later = row.waits_for(waiting(200), at(150));
        assert_eq!((later.list_at, later.seq, later.claimed_until), (at(1_100), 7, None));
    }

    #[test]
    fn one_that_has_ended_waits_for_nothing_and_is_kept_for_a_while() {
        for (end, status) in
            [(End::Succeeded, DeliveryStatus::Succeeded), (End::Failed, DeliveryStatus::Failed)]
        {
            let waits = row(waiting(100), at(60));
            assert!(!waits.has_ended() && waits.status() == DeliveryStatus::Pending);
            let ended = waits.ended(end, 900, at(70));
            assert!(ended.has_ended() && !ended.is_parked() && !ended.is_carried());
            assert_eq!((ended.status(), ended.list_at), (status, at(50)));
            assert_eq!((ended.due_at(), ended.expires_at, ended.seq), (None, Some(900), 7));
        }
    }

    #[test]
    fn only_parked_ones_wait_for_too_long_and_not_before_a_few_probes() {
        let over = |state, now| row(state, at(100)).is_over(Duration::from_secs(500), at(now));
        let parked = |since| State::Parked { since: at(since), held_by: None };
        assert!(!over(parked(100), 700) && over(parked(100), 701), "ten minutes of probes");
        assert!(!over(parked(10_000), 10_600) && over(parked(10_000), 10_601));
        assert!(!over(waiting(100), 99_999));
        assert!(!row(parked(100), at(100)).is_over(Duration::from_secs(5_000), at(5_060)));
    }

    #[test]
    fn a_claim_begins_with_its_message_and_ends_by_itself() {
        let (from, until) = (Some(at(6)), Some(at(9)));
        let claimed =
            DeliveryRow { claimed_from: from, claimed_until: until, ..row(waiting(5), at(1)) };
        assert_eq!([5, 6, 8, 9].map(|now| claimed.is_claimed(at(now))), [false, true, true, false]);
        assert!(!row(waiting(5), at(1)).is_claimed(at(1)));
    }

    #[test]
    fn what_goes_out_is_the_event_as_its_origin_says_and_nothing_without_it() {
        let row = row(waiting(5), at(1));
        let automation = crate::id::AutomationId::new(at(1), 3);
        let logged = |origin| LoggedEvent {
            event: row.message(None).event,
            targets: vec![crate::model::Target::new(row.endpoint, String::new(), origin)],
            missed: Vec::new(),
            accepted_at: at(50),
        };
        let empty = row.message(None);
        assert_eq!((empty.event.id, empty.event.data.get()), (row.event, "null"));
        let sent = |logged: LoggedEvent| row.message(Some(&logged)).event.data.get().to_owned();
        let mut of_automation = logged(Origin::Automation(automation));
        of_automation.event.data = RawValue::from_string("{}".to_owned()).unwrap();
        assert_eq!(sent(of_automation), format!(r#"{{"automation_id":"{automation}"}}"#));
        let elsewhere = LoggedEvent { targets: Vec::new(), ..logged(Origin::Endpoint) };
        assert_eq!(sent(elsewhere), "null", "a recovery has brought it here");
    }
}
