//! A stand-in with a past, and the function on it.

use std::sync::{Arc, LazyLock};

use domain::{
    delivery_row::{DeliveryRow, State},
    id::{AttemptId, EndpointId, EventId},
    message::Message,
    model::{Attempt, Endpoint, Event, Origin, Outcome, Target, Trigger, event::LoggedEvent},
    time::Timestamp,
};
use emulator::{
    samples,
    testing::{Api, AwsStandIn, again_in},
};
use runtime::clock;
use serde_json::value::RawValue;
use store::{
    Access, Table,
    attempts::{AttemptLog, Entry},
    delivery_rows::{DeliveryReader, DeliveryRows, EventFound},
    events::EventWriter,
};

/// Another project than the samples'.
pub(crate) const STRANGER: &str = "proj_01JZ0000000000000000000009";

pub(crate) struct Started {
    pub(crate) aws: AwsStandIn,
    pub(crate) api: Api,
}

/// With the samples' endpoint and nothing in the log.
pub(crate) async fn start() -> Started {
    start_with(samples::endpoint(samples::RECEIVER).unwrap()).await
}

pub(crate) async fn start_with(endpoint: Endpoint) -> Started {
    let aws = AwsStandIn::start().await;
    aws.plant(&[endpoint]).await;
    let app = logs::App::new(&aws.sdk_config_of("logs"), &aws.settings_of("logs")).unwrap();
    let api = Api::new(&aws, api::router(logs::routes(), Arc::new(app)));
    Started { aws, api }
}

/// A moment in the recent past; the later the higher the number.
pub(crate) fn minute(number: u64) -> Timestamp {
    // Taken once: a moment must stay the same for as long as the tests run.
    static START: LazyLock<u64> = LazyLock::new(|| clock::now().seconds() - 6_000);
    Timestamp::from_seconds(*START + number * 60)
}

/// A task that was created, with this data.
pub(crate) fn event(data: &str, at: Timestamp) -> Event {
    Event {
        id: EventId::new(at, at.millis().into()),
        kind: "task.created".parse().unwrap(),
        data: RawValue::from_string(data.to_owned()).unwrap(),
        created_at: at.seconds(),
        user_id: None,
        worker_id: None,
        webhook_url: None,
        metadata: None,
    }
}

/// An attempt to deliver an event to the samples' endpoint.
pub(crate) fn attempt(
    event: &LoggedEvent,
    number: u32,
    outcome: Outcome,
    next: Option<Timestamp>,
) -> Attempt {
    let at = Timestamp::from_millis(event.accepted_at.millis() + u64::from(number) * 1_000);
    Attempt {
        id: AttemptId::new(at, u128::from(number) + (u128::from(event.event.id.shard()) << 8)),
        project: samples::PROJECT.parse().unwrap(),
        event: event.event.id,
        endpoint: event.targets[0].endpoint,
        kind: event.event.kind.clone(),
        url: samples::RECEIVER.to_owned(),
        number,
        round: None,
        trigger: Trigger::Scheduled,
        outcome,
        response_status: Some(if outcome == Outcome::Succeeded { 200 } else { 500 }),
        response_body: Some("b".to_owned()),
        error: None,
        duration_ms: 7,
        created_at: at,
        next_attempt_at: next,
    }
}

impl Started {
    pub(crate) fn config(&self) -> Table {
        Table::new(
            aws_sdk_dynamodb::Client::new(&self.aws.sdk_config()),
            self.aws.table_name(samples::CONFIG_TABLE),
        )
    }

    pub(crate) fn log(&self) -> Table {
        Table::new(
            aws_sdk_dynamodb::Client::new(&self.aws.sdk_config()),
            self.aws.table_name("LogTable"),
        )
    }

    /// Logs an event of the samples' project to the samples' endpoint.
    pub(crate) async fn event(&self, kind: &str, at: Timestamp) -> LoggedEvent {
        let target = Target::new(
            samples::ENDPOINT.parse().unwrap(),
            samples::RECEIVER.to_owned(),
            Origin::Endpoint,
        );
        self.logged(
            Event { kind: kind.parse().unwrap(), ..event(r#"{"id":"task_1"}"#, at) },
            vec![target],
            at,
        )
        .await
    }

    /// Logs an event of the samples' project.
    pub(crate) async fn logged(
        &self,
        event: Event,
        targets: Vec<Target>,
        at: Timestamp,
    ) -> LoggedEvent {
        let logged = LoggedEvent { event, targets, missed: Vec::new(), accepted_at: at };
        let project = Access::of_project(&samples::project().unwrap());
        EventWriter::new(self.log(), 30)
            .record(project, std::slice::from_ref(&logged), || at)
            .await
            .unwrap();
        logged
    }

    /// The deliveries for which messages on the retries queue act, ten messages at most. They stay
    /// there, hidden.
    pub(crate) async fn enqueued(&self) -> Vec<Message> {
        let sqs = aws_sdk_sqs::Client::new(&self.aws.sdk_config());
        let receive = sqs
            .receive_message()
            .queue_url(self.aws.queue_url("RetriesQueue"))
            .max_number_of_messages(10);
        let received = receive.send().await.unwrap().messages.unwrap_or_default();
        let agains: Vec<_> =
            received.iter().map(|message| again_in(message.body().unwrap())).collect();
        let dynamodb = aws_sdk_dynamodb::Client::new(&self.aws.sdk_config());
        let state = Table::new(dynamodb, self.aws.table_name("StateTable"));
        let reader = DeliveryReader::new(state, self.log());
        let found = reader.load(&agains.iter().collect::<Vec<_>>(), minute(0)).await.unwrap();
        let message = |(row, event): (DeliveryRow, EventFound)| match event {
            EventFound::There(logged) => row.message(Some(&logged)),
            other => unreachable!("{other:?}"),
        };
        found.into_iter().flatten().map(message).collect()
    }

    /// The rows of deliveries.
    pub(crate) fn rows(&self) -> DeliveryRows {
        let dynamodb = aws_sdk_dynamodb::Client::new(&self.aws.sdk_config());
        DeliveryRows::new(Table::new(dynamodb, self.aws.table_name("StateTable")))
    }

    /// The row of an event's delivery to an endpoint of the samples' project, as `deliver` writes
    /// it.
    pub(crate) async fn row(&self, event: &Event, endpoint: EndpointId, state: State) {
        let message = Message {
            project: samples::PROJECT.parse().unwrap(),
            endpoint,
            via: None,
            event: event.clone(),
            enqueued_at: minute(1),
            brand: None,
            trigger: Trigger::Scheduled,
            round: None,
            reserved: None,
        };
        let row = DeliveryRow::new(&message, state, 1, minute(1));
        self.rows().begin(row).await.unwrap().unwrap();
    }

    pub(crate) async fn record(&self, attempts: &[Attempt]) {
        let entries = Entry::of(attempts.iter().cloned());
        AttemptLog::new(self.log(), 30).record(&entries).await.unwrap();
    }
}
