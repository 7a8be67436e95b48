//! Steps of a recovery.

mod faults;
mod ranges;

use std::collections::BTreeSet;

use aws_lambda_events::sqs::SqsEvent;
use domain::{
    delivery::End,
    delivery_row::{DeliveryRow, State as RowState},
    id::{AttemptId, EndpointId, EventId, RecoveryId},
    message::Message,
    model::{
        Attempt, Endpoint, Event, Origin, Outcome, Target, attempt::DeliveryStatus,
        event::LoggedEvent,
    },
    recovery::{Recovery, RecoveryCounts, State},
    time::Timestamp,
};
use emulator::{samples, testing::again_in};
use futures::{TryStreamExt, join};
use runtime::clock;
use serde_json::value::RawValue;
use store::{
    Access, Table,
    due::{DueList, DueRow},
    endpoints::EndpointStore,
    events::EventWriter,
    recoveries::{RecoveryProgress, RecoveryStore},
};

use super::support::{Started, logged, message_of, start, start_with};

/// The samples' endpoint did not exist in this range for events without it as a target.
pub(super) struct Past {
    pub(super) started: Started,
    jobs: jobs::App,
    project: Access,
    endpoint: Endpoint,
}

fn ago(seconds: u64) -> Timestamp {
    Timestamp::from_seconds(clock::now().seconds() - seconds)
}

/// An event that went to these endpoints.
fn event_at(number: u64, data: &str, targets: &[EndpointId]) -> LoggedEvent {
    let at = ago(3_000 - number);
    let event = Event {
        id: EventId::new(at, number.into()),
        kind: "task.created".parse().unwrap(),
        data: RawValue::from_string(data.to_owned()).unwrap(),
        created_at: at.seconds(),
        user_id: None,
        worker_id: None,
        webhook_url: None,
        metadata: None,
    };
    let targets = targets
        .iter()
        .map(|id| Target::new(*id, "https://example.com/".to_owned(), Origin::Endpoint))
        .collect();
    LoggedEvent { event, targets, missed: Vec::new(), accepted_at: at }
}

impl Past {
    /// One event of every kind. With those to be sent again: one that failed, and one that was
    /// missed.
    pub(super) async fn of_each_kind() -> (Self, [LoggedEvent; 2]) {
        let started = start_with(&[200], |endpoint| {
            endpoint.topics = vec!["task.*".parse().unwrap()];
            endpoint.body = "envelope".parse().unwrap();
        });
        let past = Self::new(started.await).await;
        let again = one_of_each(&past).await;
        (past, again)
    }

    async fn new(started: Started) -> Self {
        let project = Access::of_project(&samples::project().unwrap());
        let config = EndpointStore::new(table(&started, "ConfigTable"));
        let endpoint =
            config.get(project, samples::ENDPOINT.parse().unwrap()).await.unwrap().unwrap();
        let aws = &started.aws;
        let jobs = jobs::App::new(&aws.sdk_config_of("jobs"), &aws.settings_of("jobs")).unwrap();
        Self { started, jobs, project, endpoint }
    }

    async fn log(&self, events: &[LoggedEvent]) {
        let writer = EventWriter::new(table(&self.started, "LogTable"), 30);
        writer.record(self.project, events, clock::now).await.unwrap();
    }

    /// The delivery of an event to the samples' endpoint has succeeded at once: it has no row.
    async fn attempted_at_once(&self, event: &LoggedEvent) {
        let message = Message {
            event: event.event.clone(),
            endpoint: self.endpoint.id,
            ..message_of("first-attempt.json", 0)
        };
        let attempt = logged(&message, 1, Outcome::Succeeded, None);
        let created_at = event.accepted_at;
        let id = AttemptId::new(created_at, 1);
        self.started.record(&[Attempt { id, created_at, ..attempt }]).await;
    }

    /// The delivery of an event to the samples' endpoint has had these attempts.
    async fn attempted(&self, event: &LoggedEvent, outcomes: &[(Outcome, Option<Timestamp>)]) {
        let message = Message {
            event: event.event.clone(),
            endpoint: self.endpoint.id,
            ..message_of("first-attempt.json", 0)
        };
        let attempts: Vec<_> = (1..)
            .zip(outcomes)
            .map(|(number, (outcome, next))| logged(&message, number, *outcome, *next))
            .collect();
        self.started.record(&attempts).await;
        let history = self.started.history(&message).await;
        let now = clock::now();
        let row = |state| DeliveryRow { history, ..DeliveryRow::new(&message, state, 1, now) };
        let row = match outcomes {
            [.., (_, Some(until))] => row(RowState::Waiting { until: *until, slot: None }),
            [.., (outcome, None)] => {
                let end = if *outcome == Outcome::Succeeded { End::Succeeded } else { End::Failed };
                row(RowState::Ended(end))
            }
            [] => return,
        };
        self.started.rows().begin(row).await.unwrap();
    }

    /// Of the last hour.
    fn new_recovery(&self, dry_run: bool) -> Recovery {
        let now = clock::now();
        let id = RecoveryId::new(now, rand::random());
        Recovery { dry_run, ..Recovery::new(id, &self.endpoint, ago(3_600), now, now) }
    }

    pub(super) async fn begin(&self, dry_run: bool) -> Recovery {
        let (now, recovery) = (clock::now(), self.new_recovery(dry_run));
        RecoveryStore::new(table(&self.started, "StateTable"))
            .begin(recovery.clone(), now, now)
            .await
            .unwrap();
        recovery
    }

    fn progress(&self) -> RecoveryProgress {
        RecoveryProgress::new(table(&self.started, "StateTable"))
    }

    async fn now(&self, recovery: &Recovery) -> Recovery {
        self.progress()
            .load(recovery.project, recovery.endpoint, recovery.id)
            .await
            .unwrap()
            .unwrap()
    }

    /// The step that the recovery's row names, by `jobs`. Whether it was done.
    async fn step(&self, recovery: &Recovery) -> bool {
        let &Recovery { project, endpoint, id, .. } = recovery;
        self.jobs.step(DueRow::Recovery(project, endpoint, id)).await.is_ok()
    }

    /// Does steps until the recovery is over, one after the other.
    pub(super) async fn finish(&self, recovery: &Recovery) -> (Recovery, u64) {
        loop {
            assert!(self.step(recovery).await);
            let now = self.now(recovery).await;
            if now.state != State::Running {
                return (now.clone(), now.step);
            }
        }
    }

    async fn delete(&self, queue: &str, event: &SqsEvent) {
        for record in &event.records {
            let delete =
                self.started.sqs.delete_message().queue_url(self.started.aws.queue_url(queue));
            delete.receipt_handle(record.receipt_handle.clone().unwrap()).send().await.unwrap();
        }
    }

    /// Delivers what is on the queue of retries. Twins of one batch go one after the other.
    async fn deliver(&self) {
        while self.started.count("RetriesQueue").await > 0 {
            let mut event = self.started.received("RetriesQueue").await;
            let kept = self.started.handle(event.clone()).await;
            event.records.retain(|record| !kept.contains(record.message_id.as_ref().unwrap()));
            self.delete("RetriesQueue", &event).await;
        }
    }

    /// What arrived, by event.
    fn arrived(&self) -> Vec<String> {
        let mut arrived: Vec<_> = self
            .started
            .receiver
            .webhooks()
            .iter()
            .map(|webhook| webhook.header("webhook-id").to_owned())
            .collect();
        arrived.sort();
        arrived
    }

    async fn message_status(&self, event: &LoggedEvent) -> Option<DeliveryStatus> {
        Some(self.row_of(event).await?.status())
    }

    async fn row_of(&self, event: &LoggedEvent) -> Option<DeliveryRow> {
        let rows = self.started.rows().of_event(self.project, event.event.id).await.unwrap();
        rows.into_iter().find(|row| row.endpoint == self.endpoint.id)
    }
}

fn table(started: &Started, name: &str) -> Table {
    Table::new(
        aws_sdk_dynamodb::Client::new(&started.aws.sdk_config()),
        started.aws.table_name(name),
    )
}

const FAILED: &[(Outcome, Option<Timestamp>)] = &[(Outcome::HttpError, None)];

/// One event of every kind that there is. Returns those to be sent again: one that failed, and one
/// that was missed.
async fn one_of_each(past: &Past) -> [LoggedEvent; 2] {
    let (own, other) = (past.endpoint.id, EndpointId::new(ago(9), 9));
    let fits = r#"{"task":{}}"#;
    let [succeeded, retried, waiting, failed] =
        [1, 2, 3, 4].map(|number| event_at(number, fits, &[other, own]));
    let missed = event_at(5, fits, &[other]);
    let misshapen = event_at(6, "[]", &[]);
    let mut unwanted = event_at(7, fits, &[]);
    unwanted.event.kind = "run.created".parse().unwrap();
    let [mut others_test, mut own_test] =
        [(8, other), (9, own)].map(|(number, endpoint)| event_at(number, fits, &[endpoint]));
    others_test.targets[0].test = true;
    own_test.targets[0].test = true;
    let too_old = LoggedEvent {
        event: Event { id: EventId::new(ago(4_000), 1), ..missed.event.clone() },
        accepted_at: ago(4_000),
        ..missed.clone()
    };
    past.log(
        &[
            &succeeded,
            &retried,
            &waiting,
            &failed,
            &missed,
            &misshapen,
            &unwanted,
            &others_test,
            &own_test,
            &too_old,
        ]
        .map(Clone::clone),
    )
    .await;
    let soon = Some(Timestamp::from_seconds(clock::now().seconds() + 600));
    past.attempted(&succeeded, &[(Outcome::HttpError, None), (Outcome::Succeeded, None)]).await;
    past.attempted(&retried, &[(Outcome::Timeout, soon)]).await;
    past.attempted(&failed, FAILED).await;
    past.attempted(&own_test, FAILED).await;
    [failed, missed]
}

#[tokio::test]
async fn it_counts_and_sends_what_failed_and_what_was_missed_and_nothing_else() {
    let (past, [failed, missed]) = Past::of_each_kind().await;
    let (counted, _) = past.finish(&past.begin(true).await).await;
    assert_eq!(
        counted.found,
        RecoveryCounts { examined: 9, failed: 1, missed: 1, ..RecoveryCounts::default() }
    );
    assert_eq!(past.started.count("RetriesQueue").await, 0, "a dry run only counts");
    assert_eq!(past.message_status(&missed).await, None);

    let (done, _) = past.finish(&past.begin(false).await).await;
    assert_eq!(
        (done.state, done.found),
        (State::Done, RecoveryCounts { enqueued: 2, ..counted.found })
    );
    for event in [&failed, &missed] {
        assert_eq!(
            past.message_status(event).await,
            Some(DeliveryStatus::Pending),
            "before the first attempt"
        );
    }
    // While they are on their way, there is nothing to do for another recovery.
    let (second, _) = past.finish(&past.begin(false).await).await;
    assert_eq!(second.found, RecoveryCounts { examined: 9, ..RecoveryCounts::default() });
    past.deliver().await;
    let mut expected = vec![failed.event.id.to_string(), missed.event.id.to_string()];
    expected.sort();
    assert_eq!(past.arrived(), expected);
    for event in [&failed, &missed] {
        assert_eq!(past.message_status(event).await, Some(DeliveryStatus::Succeeded));
    }
    // And none once they have arrived.
    let (third, _) = past.finish(&past.begin(false).await).await;
    assert_eq!(third.found, RecoveryCounts { examined: 9, ..RecoveryCounts::default() });
    past.deliver().await;
    assert_eq!(past.arrived(), expected);
}

#[tokio::test]
async fn a_run_that_finds_a_recovery_which_is_over_changes_nothing() {
    let (past, _) = Past::of_each_kind().await;
    let recovery = past.begin(false).await;
    let (done, _) = past.finish(&recovery).await;
    let queued = past.started.count("RetriesQueue").await;
    past.deliver().await;
    let arrived = past.arrived();
    assert_eq!((queued, arrived.len()), (2, 2));
    assert!(past.step(&recovery).await, "the index lags");
    assert_eq!((past.now(&recovery).await, past.started.count("RetriesQueue").await), (done, 0));
    assert_eq!(past.arrived(), arrived);
}

#[tokio::test]
async fn after_a_crash_between_the_queue_and_the_row_a_step_is_done_anew_with_the_same_counts() {
    let (past, _) = Past::of_each_kind().await;
    let recovery = past.begin(false).await;
    let dynamodb = aws_sdk_dynamodb::Client::new(&past.started.aws.sdk_config());
    let before = row(&past, &dynamodb, &recovery).await;
    for delivered_before in [false, true] {
        assert!(past.step(&recovery).await);
        let done = past.now(&recovery).await;
        // As if the step had died before it moved the row on.
        let put = dynamodb.put_item().table_name(past.started.aws.table_name("StateTable"));
        put.set_item(Some(before.clone())).send().await.unwrap();
        if delivered_before {
            past.deliver().await;
        }
        assert!(past.step(&recovery).await);
        let again = past.now(&recovery).await;
        assert_eq!((again.state, again.found), (done.state, done.found), "the same counts");
        let put = dynamodb.put_item().table_name(past.started.aws.table_name("StateTable"));
        put.set_item(Some(before.clone())).send().await.unwrap();
    }
    past.deliver().await;
    assert_eq!(past.arrived().len(), 2, "what was enqueued several times arrived once");
}

fn text(text: &str) -> aws_sdk_dynamodb::types::AttributeValue {
    aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned())
}

async fn row(
    past: &Past,
    dynamodb: &aws_sdk_dynamodb::Client,
    recovery: &Recovery,
) -> std::collections::HashMap<String, aws_sdk_dynamodb::types::AttributeValue> {
    let get = dynamodb.get_item().table_name(past.started.aws.table_name("StateTable"));
    let get = get
        .key("pk", text(&format!("J#{}#{}", recovery.project, recovery.endpoint)))
        .key("sk", text(&format!("RECOVERY#{}", recovery.id)));
    get.send().await.unwrap().item.unwrap()
}

#[tokio::test]
async fn more_than_a_thousand_events_take_several_steps() {
    const EVENTS: u64 = 1_200;
    let past = Past::new(start(&[200], &[]).await).await;
    let events: Vec<_> = (0..EVENTS).map(|number| event_at(number, "{}", &[])).collect();
    past.log(&events).await;
    let recovery = past.begin(false).await;
    let (done, steps) = past.finish(&recovery).await;
    assert_eq!(
        (done.state, done.found),
        (
            State::Done,
            RecoveryCounts {
                examined: EVENTS,
                missed: EVENTS,
                enqueued: EVENTS,
                ..RecoveryCounts::default()
            }
        )
    );
    // Three over the ids, and three or more over what came late: all did, some of it twice.
    assert!(steps >= 6, "{steps}");
    let due = DueList::new(table(&past.started, "StateTable"));
    let left = due.until(Timestamp::MAX).try_collect::<Vec<_>>().await.unwrap();
    let deliveries = left.iter().filter(|due| matches!(due.row, DueRow::Delivery(..))).count();
    assert_eq!(deliveries as u64, EVENTS, "each has a row");
    let recoveries = left.iter().filter(|due| matches!(due.row, DueRow::Recovery(..))).count();
    assert_eq!(recoveries, 0, "the recovery is in no list any more");
    let mut enqueued = BTreeSet::new();
    for _ in 0..EVENTS / 10 {
        let event = past.started.received("RetriesQueue").await;
        for record in &event.records {
            let again = again_in(record.body.as_deref().unwrap());
            assert!(enqueued.insert(again.event), "each is enqueued once");
        }
    }
    assert_eq!(enqueued, events.iter().map(|event| event.event.id).collect());
}

#[tokio::test]
async fn it_stops_when_the_endpoint_is_deleted_or_paused_in_the_middle() {
    for (paused, reason) in [(false, "deleted"), (true, "paused")] {
        let past = Past::new(start(&[200], &[]).await).await;
        let events: Vec<_> = (0..600).map(|number| event_at(number, "{}", &[])).collect();
        past.log(&events).await;
        let recovery = past.begin(false).await;
        assert!(past.step(&recovery).await);
        assert_eq!(past.now(&recovery).await.state, State::Running);

        let config = EndpointStore::new(table(&past.started, "ConfigTable"));
        if paused {
            let paused =
                Endpoint { status: domain::model::Status::Paused, ..past.endpoint.clone() };
            config.replace(past.project, &paused).await.unwrap();
        } else {
            assert!(config.delete(past.project, past.endpoint.id).await.unwrap());
        }
        assert!(past.step(&recovery).await);
        let ended = past.now(&recovery).await;
        assert_eq!((ended.state, ended.found.examined), (State::Stopped, 500));
        assert!(ended.stopped_because.unwrap().contains(reason) && ended.finished_at.is_some());
        // Its turn is free again.
        let now = clock::now();
        let next = Recovery::new(RecoveryId::new(now, 1), &past.endpoint, ago(3_600), now, now);
        let turn = RecoveryStore::new(table(&past.started, "StateTable"))
            .begin(next, now, now)
            .await
            .unwrap();
        assert!(matches!(turn, store::recoveries::Turn::Taken(_)));
    }
}

#[tokio::test]
async fn recoveries_bring_one_event_to_two_endpoints_at_the_same_time() {
    let past = Past::new(start(&[200], &[]).await).await;
    let event = event_at(1, "{}", &[]);
    past.log(std::slice::from_ref(&event)).await;
    let other = samples::endpoint_of(
        EndpointId::new(ago(5), 5),
        past.started.receiver.url(),
        samples::SECRETS_KEY,
    )
    .unwrap();
    past.started.aws.plant(std::slice::from_ref(&other)).await;
    let past_of_other =
        Recovery::new(RecoveryId::new(ago(0), 7), &other, ago(3_600), ago(0), ago(0));
    RecoveryStore::new(table(&past.started, "StateTable"))
        .begin(past_of_other.clone(), ago(0), ago(0))
        .await
        .unwrap();
    let own = past.begin(false).await;
    assert_eq!(join!(past.step(&own), past.step(&past_of_other)), (true, true));
    let rows = past.started.rows().of_event(past.project, event.event.id).await.unwrap();
    let endpoints: BTreeSet<_> = rows.iter().map(|row| row.endpoint).collect();
    assert_eq!(endpoints, [past.endpoint.id, other.id].into());
    assert_eq!(past.started.count("RetriesQueue").await, 2);
}
