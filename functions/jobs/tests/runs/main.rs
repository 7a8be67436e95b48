//! Runs of the `jobs` function on the stand-ins for AWS and with its own role: what a run finds,
//! and what it leaves to the next one. What its steps do is tried together with `deliver`, in that
//! function's tests (`batches`).

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod reports;
mod usages;

use std::time::{Duration, Instant};

use aws_sdk_sqs::types::QueueAttributeName;
use domain::{
    delivery_row::{DeliveryRow, State},
    health::{Failures, Phase},
    id::{EndpointId, EventId, RecoveryId},
    message::Message,
    model::{Endpoint, Event, event::LoggedEvent},
    recovery::{self, Recovery},
    time::Timestamp,
};
use emulator::{
    aws::Fault,
    samples,
    testing::{AwsStandIn, delivery_in, sample},
};
use futures::{TryStreamExt, future::join_all};
use jobs::App;
use runtime::clock;
use serde_json::{json, value::RawValue};
use store::{
    Access, Table,
    delivery_rows::{DeliveryKey, DeliveryRows},
    due::DueRow,
    events::EventWriter,
    health::HealthStore,
    recoveries::{RecoveryProgress, RecoveryStore},
    runs::RunLease,
};

struct Started {
    aws: AwsStandIn,
    app: App,
}

async fn start() -> Started {
    let aws = AwsStandIn::start().await;
    aws.plant(&[samples::endpoint(samples::RECEIVER).unwrap()]).await;
    let app = App::new(&aws.sdk_config_of("jobs"), &aws.settings_of("jobs")).unwrap();
    Started { aws, app }
}

impl Started {
    fn table(&self, name: &str) -> Table {
        let dynamodb = aws_sdk_dynamodb::Client::new(&self.aws.sdk_config());
        Table::new(dynamodb, self.aws.table_name(name))
    }

    /// Counts what could be sent again: a job without consequences.
    async fn begin(&self) -> Recovery {
        let now = clock::now();
        let since = Timestamp::from_seconds(now.seconds() - 3_600);
        let endpoint = samples::endpoint(samples::RECEIVER).unwrap();
        let id = RecoveryId::new(now, rand::random());
        let recovery = Recovery::new(id, &endpoint, since, now, now);
        let recovery = Recovery { dry_run: true, ..recovery };
        RecoveryStore::new(self.table("StateTable"))
            .begin(recovery.clone(), now, now)
            .await
            .unwrap();
        recovery
    }

    async fn state_of(&self, recovery: &Recovery) -> Recovery {
        let rows = RecoveryProgress::new(self.table("StateTable"));
        let &Recovery { project, endpoint, id, .. } = recovery;
        rows.load(project, endpoint, id).await.unwrap().unwrap()
    }

    /// Messages on the retries queue: visible ones, and delayed ones.
    async fn queued(&self) -> (u32, u32) {
        let sqs = aws_sdk_sqs::Client::new(&self.aws.sdk_config());
        let all = sqs
            .get_queue_attributes()
            .queue_url(self.aws.queue_url("RetriesQueue"))
            .attribute_names(QueueAttributeName::All);
        let attributes = all.send().await.unwrap().attributes.unwrap();
        let count = |name: QueueAttributeName| attributes[&name].parse().unwrap();
        (
            count(QueueAttributeName::ApproximateNumberOfMessages),
            count(QueueAttributeName::ApproximateNumberOfMessagesDelayed),
        )
    }

    async fn run(&self) {
        jobs::run(&self.app, clock::now() + Duration::from_mins(1)).await.unwrap();
    }

    fn calls(&self) -> u64 {
        let calls = self.aws.calls().calls.into_iter().filter(|call| call.caller == "jobs");
        calls.map(|call| call.count).sum()
    }
}

#[tokio::test]
async fn a_run_with_nothing_to_do_makes_sixteen_reads_and_no_write() {
    let started = start().await;
    started.run().await;
    let calls = started.aws.calls().calls;
    let own: Vec<_> = calls.iter().filter(|call| call.caller == "jobs").collect();
    assert_eq!(started.calls(), 16, "{own:?}");
    assert!(own.iter().all(|call| call.operation == "Query"), "{own:?}");
}

#[tokio::test]
async fn a_run_does_all_that_is_due() {
    let started = start().await;
    let recoveries = join_all((0..20).map(|_| started.begin())).await;
    started.run().await;
    for recovery in &recoveries {
        assert_eq!(started.state_of(recovery).await.state, recovery::State::Done);
    }
    started.aws.forget_calls();
    started.run().await;
    assert_eq!(started.calls(), 16, "nothing is left in the lists");
}

#[tokio::test]
async fn a_recovery_does_not_begin_before_it_is_due() {
    let mut started = start().await;
    let (now, endpoint) = (clock::now(), samples::endpoint(samples::RECEIVER).unwrap());
    let (id, due) = (RecoveryId::new(now, 1), now + Duration::from_secs(16));
    let since = Timestamp::from_seconds(now.seconds() - 60);
    let recovery = Recovery::new(id, &endpoint, since, now, now);
    let store = RecoveryStore::new(started.table("StateTable"));
    store.begin(recovery.clone(), due, now).await.unwrap();
    let row = DueRow::Recovery(recovery.project, recovery.endpoint, id);
    assert_eq!(started.app.step(row).await.unwrap(), None, "a later run does it");
    assert_eq!(started.state_of(&recovery).await.step, 0);

    let (config, settings) = (started.aws.sdk_config_of("jobs"), started.aws.settings_of("jobs"));
    started.app = App::by_clock(&config, &settings, move || due).unwrap();
    while started.app.step(row).await.unwrap().is_some() {}
    assert_eq!(started.state_of(&recovery).await.state, recovery::State::Done);
}

#[tokio::test]
async fn a_recovery_of_a_suspended_project_waits() {
    let mut started = start().await;
    let recovery = started.begin().await;
    let mut row = json!({"pk": {"S": "STATUS"}, "sk": {"S": "STATUS"}});
    let active = row.clone();
    row["suspended"] = json!({"SS": [samples::PROJECT]});
    for (minutes, row, state) in
        [(6, row, recovery::State::Running), (12, active, recovery::State::Done)]
    {
        started.aws.put_row("ConfigTable", &row).await;
        let later = move || clock::now() + Duration::from_mins(minutes);
        let (config, settings) =
            (started.aws.sdk_config_of("jobs"), started.aws.settings_of("jobs"));
        // It knows nothing of before.
        started.app = App::by_clock(&config, &settings, later).unwrap();
        jobs::run(&started.app, later() + Duration::from_mins(1)).await.unwrap();
        assert_eq!(started.state_of(&recovery).await.state, state);
    }
}

#[tokio::test]
async fn a_recovery_of_a_project_over_its_budget_goes_on_later() {
    let mut started = start().await;
    let row = json!({"pk": {"S": "STATUS"}, "sk": {"S": "STATUS"},
        samples::PROJECT: {"M": {"deliveries": {"N": "20"}}}});
    started.aws.put_row("ConfigTable", &row).await;
    let at = clock::now();
    let at = Timestamp::from_seconds(at.seconds() - 60);
    let events: Vec<_> = (0..2_100).map(|number| logged(at, number)).collect();
    let writer = EventWriter::new(started.table("LogTable"), 30);
    let access = Access::of_project(&samples::project().unwrap());
    writer.record(access, &events, clock::now).await.unwrap();
    let (now, since) = (clock::now(), Timestamp::from_seconds(clock::now().seconds() - 3_600));
    let endpoint = samples::endpoint(samples::RECEIVER).unwrap();
    let id = RecoveryId::new(now, rand::random());
    let recovery = Recovery::new(id, &endpoint, since, now, now);
    RecoveryStore::new(started.table("StateTable"))
        .begin(recovery.clone(), now, now)
        .await
        .unwrap();
    started.run().await;
    let half = started.state_of(&recovery).await;
    assert_eq!((half.state, half.found.enqueued), (recovery::State::Running, 500));
    for minute in 1..8 {
        let later = move || clock::now() + Duration::from_mins(minute);
        let (config, settings) =
            (started.aws.sdk_config_of("jobs"), started.aws.settings_of("jobs"));
        started.app = App::by_clock(&config, &settings, later).unwrap();
        jobs::run(&started.app, later() + Duration::from_mins(1)).await.unwrap();
    }
    let done = started.state_of(&recovery).await;
    assert_eq!((done.state, done.found.enqueued), (recovery::State::Done, 2_100));
}

#[tokio::test]
async fn a_run_goes_on_with_a_row_whose_next_step_is_due_before_its_end() {
    let started = start().await;
    let access = Access::of_project(&samples::project().unwrap());
    let at = Timestamp::from_seconds(clock::now().seconds() - 60);
    let events: Vec<_> = (0..1_100).map(|number| logged(at, number)).collect();
    let writer = EventWriter::new(started.table("LogTable"), 30);
    writer.record(access, &events, clock::now).await.unwrap();
    let recovery = started.begin().await;
    started.run().await;
    let done = started.state_of(&recovery).await;
    assert_eq!((done.state, done.found.examined), (recovery::State::Done, 1_100));
    // All came late as well, some of it twice.
    assert!(done.step >= 6, "{}", done.step);
}

#[tokio::test]
async fn of_many_runs_at_once_one_works() {
    let started = start().await;
    let recovery = started.begin().await;
    started.aws.faults().on("jobs", "GetItem").fail(Fault::Slow(Duration::from_millis(100)));
    join_all((0..5).map(|_| started.run())).await;
    assert_eq!(started.state_of(&recovery).await.state, recovery::State::Done);
    let gets = started.aws.calls().calls;
    let gets = gets.iter().filter(|call| call.caller == "jobs" && call.operation == "GetItem");
    let expected = 7;
    let counted = gets.map(|call| call.count).sum::<u64>();
    assert_eq!(counted, expected, "twice: the recovery, its endpoint, its project");
}

#[tokio::test]
async fn the_lease_of_a_run_that_died_ends_by_itself_within_a_minute() {
    let started = start().await;
    let recovery = started.begin().await;
    let lease = RunLease::new(started.table("StateTable"));
    let (now, died) = (clock::now(), 7);
    assert!(lease.hold(died, now, now + Duration::from_secs(15)).await.unwrap());
    started.run().await;
    assert_eq!(
        started.state_of(&recovery).await.state,
        recovery::State::Running,
        "another run has it"
    );
    let config = started.aws.sdk_config_of("jobs");
    let later = App::by_clock(&config, &started.aws.settings_of("jobs"), || {
        clock::now() + Duration::from_secs(16)
    });
    let deadline = clock::now() + Duration::from_mins(1);
    jobs::run(&later.unwrap(), deadline).await.unwrap();
    assert_eq!(started.state_of(&recovery).await.state, recovery::State::Done);
}

#[tokio::test]
async fn what_the_index_does_not_show_yet_a_later_run_finds() {
    let started = start().await;
    started.aws.let_indexes_lag(Duration::from_millis(500));
    let recovery = started.begin().await;
    let before = Instant::now();
    while started.state_of(&recovery).await.state == recovery::State::Running {
        started.run().await;
        assert!(before.elapsed() < Duration::from_secs(20), "it is never found");
    }
    // And what it still shows does no harm.
    started.run().await;
    assert_eq!(started.state_of(&recovery).await.found.examined, 0);
}

#[tokio::test]
async fn circuits_that_release_their_deliveries_hold_up_nobody() {
    let started = start().await;
    let (rows, parked) = (
        HealthStore::new(started.table("StateTable")),
        DeliveryRows::new(started.table("StateTable")),
    );
    let endpoints = (0..20).map(|number| EndpointId::new(Timestamp::from_seconds(1), number));
    // More than steps at a time, and each has more to release than the run has seconds.
    for (place, id) in endpoints.clone().enumerate() {
        let endpoint = samples::endpoint_of(id, samples::RECEIVER, samples::SECRETS_KEY).unwrap();
        started.aws.plant(&[Endpoint { rate_limit: Some(1), ..endpoint }]).await;
        let (project, now) = (samples::PROJECT.parse().unwrap(), clock::now());
        let health = rows.failed(project, id, Failures::OPENING, now, now).await.unwrap();
        rows.open(&health, now).await.unwrap();
        let open = rows.get(project, id).await.unwrap().unwrap();
        rows.start_afresh(&open, now).await.unwrap();
        for number in 0..9 {
            let message = waiting(id, place * 10 + number);
            let row =
                DeliveryRow::new(&message, State::Parked { since: now, held_by: None }, 1, now);
            parked.begin(row).await.unwrap();
        }
    }
    let recovery = started.begin().await;
    jobs::run(&started.app, clock::now() + Duration::from_secs(10)).await.unwrap();
    assert_eq!(started.state_of(&recovery).await.state, recovery::State::Done);
    for id in endpoints {
        let project = samples::PROJECT.parse().unwrap();
        let keys = parked.parked(project, id, Timestamp::from_seconds(0));
        let rows = parked.get(&keys.try_collect::<Vec<_>>().await.unwrap()).await.unwrap();
        let claimed = rows.iter().filter(|row| row.is_claimed(clock::now())).count();
        assert!(claimed > 0 && rows.len() == 9, "{claimed} of {id} were released");
    }
}

/// An event of this time that went nowhere.
fn logged(at: Timestamp, number: u128) -> LoggedEvent {
    LoggedEvent {
        event: Event {
            id: EventId::new(at, number),
            kind: "task.created".parse().unwrap(),
            data: RawValue::from_string("{}".to_owned()).unwrap(),
            created_at: at.seconds(),
            user_id: None,
            worker_id: None,
            webhook_url: None,
            metadata: None,
        },
        targets: Vec::new(),
        missed: Vec::new(),
        accepted_at: at,
    }
}

/// A delivery to an endpoint.
fn waiting(endpoint: EndpointId, number: usize) -> Message {
    let event: serde_json::Value = serde_json::from_str(&sample("first-attempt.json")).unwrap();
    let message = delivery_in(event["Records"][0]["body"].as_str().unwrap());
    let mut message = Message { endpoint, enqueued_at: clock::now(), ..message };
    message.event.id = EventId::new(clock::now(), u128::try_from(number).unwrap());
    message
}

#[tokio::test]
async fn a_run_does_not_wait_for_a_circuit_whose_next_look_is_seconds_away() {
    let started = start().await;
    let (rows, now) = (HealthStore::new(started.table("StateTable")), clock::now());
    let (project, endpoint) =
        (samples::PROJECT.parse().unwrap(), samples::ENDPOINT.parse().unwrap());
    let health = rows.failed(project, endpoint, Failures::OPENING, now, now).await.unwrap();
    rows.open(&health, now).await.unwrap();
    let open = rows.get(project, endpoint).await.unwrap().unwrap();
    let lingering = Phase::Lingering(0);
    rows.go_on(&open, lingering, now + Duration::from_secs(30), now).await.unwrap();
    let before = Instant::now();
    started.run().await;
    assert!(before.elapsed() < Duration::from_secs(20), "{:?}", before.elapsed());
}

#[tokio::test]
async fn a_step_that_fails_costs_the_others_nothing() {
    let started = start().await;
    let recovery = started.begin().await;
    let damaged = json!({"pk": {"S": format!("J#{}#{}", samples::PROJECT, samples::ENDPOINT)},
        "sk": {"S": "RECOVERY#rcv_01JZ0000000000000000000000"}, "state": {"S": "unheard of"},
        "list": {"S": "due#3"}, "list_at": {"N": "1"}});
    started.aws.put_row("StateTable", &damaged).await;
    let newer = json!({"pk": {"S": "X#1"}, "sk": {"S": "1"}, "list": {"S": "due#3"},
        "list_at": {"N": "1"}});
    started.aws.put_row("StateTable", &newer).await;
    started.run().await;
    assert_eq!(started.state_of(&recovery).await.state, recovery::State::Done);
}

#[tokio::test]
async fn a_run_ends_in_time_even_if_a_call_hangs() {
    let started = start().await;
    started.begin().await;
    started.aws.faults().on("jobs", "GetItem").fail(Fault::Hanging);
    let before = Instant::now();
    jobs::run(&started.app, clock::now() + Duration::from_secs(6)).await.unwrap();
    assert!(before.elapsed() < Duration::from_secs(5), "{:?}", before.elapsed());
}

#[tokio::test]
async fn deliveries_that_are_due_are_sent_once_and_those_of_the_next_minute_with_their_delay() {
    let started = start().await;
    let (rows, now) = (DeliveryRows::new(started.table("StateTable")), clock::now());
    let endpoint = samples::ENDPOINT.parse().unwrap();
    let hours_ago = Timestamp::from_millis(now.millis() - 7_200_000);
    let waits = |number, until| {
        let state = State::Waiting { until, slot: None };
        DeliveryRow::new(&waiting(endpoint, number), state, 1, hours_ago)
    };
    // More than a lot, and as many as wait for much longer.
    for number in 0..150 {
        rows.begin(waits(number, hours_ago + Duration::from_hours(1))).await.unwrap();
        rows.begin(waits(1_000 + number, now + Duration::from_hours(1))).await.unwrap();
    }
    let soon = waits(500, now + Duration::from_secs(30));
    rows.begin(soon.clone()).await.unwrap();
    // Its message is on its way.
    let state = State::Waiting { until: now, slot: None };
    rows.begin(DeliveryRow::new(&waiting(endpoint, 501), state, 1, now)).await.unwrap();
    started.run().await;
    started.run().await;
    assert_eq!(started.queued().await, (150, 1));
    let key = DeliveryKey::of(&soon);
    let row = rows.get(&[key]).await.unwrap().pop().unwrap();
    assert_eq!((row.seq, row.is_claimed(now + Duration::from_mins(10))), (2, true));

    // A message that is lost costs a quarter of an hour.
    let config = started.aws.sdk_config_of("jobs");
    let later = || clock::now() + Duration::from_mins(17);
    let later = App::by_clock(&config, &started.aws.settings_of("jobs"), later).unwrap();
    jobs::run(&later, clock::now() + Duration::from_mins(18)).await.unwrap();
    assert_eq!(started.queued().await.0, 150 + 152);
}

#[tokio::test]
async fn what_could_not_be_sent_is_sent_by_the_next_run() {
    let started = start().await;
    let (rows, now) = (DeliveryRows::new(started.table("StateTable")), clock::now());
    let hours_ago = Timestamp::from_millis(now.millis() - 7_200_000);
    let state = State::Waiting { until: hours_ago + Duration::from_hours(1), slot: None };
    let message = waiting(samples::ENDPOINT.parse().unwrap(), 1);
    rows.begin(DeliveryRow::new(&message, state, 1, hours_ago)).await.unwrap();
    let sending = started.aws.faults().on("jobs", "SendMessageBatch");
    sending.times(1).fail(Fault::ExpiredCredentials);
    started.run().await;
    assert_eq!(started.queued().await, (0, 0));
    started.run().await;
    assert_eq!(started.queued().await, (1, 0));
}
