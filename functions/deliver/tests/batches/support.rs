//! A stand-in, a receiver, and the function between them.

use std::{sync::Arc, time::Duration};

use aws_lambda_events::sqs::SqsEvent;
use aws_sdk_sqs::types::MessageSystemAttributeName;
use deliver::{App, BatchError};
use domain::{
    delivery::End,
    delivery_row::{DeliveryRow, State},
    history::History,
    id::{AttemptId, EndpointId, EventId},
    message::Message,
    model::{Attempt, Endpoint, Origin, Outcome, Target, event::LoggedEvent},
    schedule::Schedule,
    time::Timestamp,
    work,
};
use emulator::{
    samples,
    testing::{AwsStandIn, TestReceiver, delivery_in, sample},
};
use runtime::clock;
use serde_json::{Value as Json, json};
use store::{
    Access, Table,
    attempt_reader::AttemptReader,
    attempts::{AttemptLog, Entry},
    delivery_rows::{DeliveryKey, DeliveryRows},
    events::EventWriter,
};

/// Longer than any test: Lambda's own is 60 s.
const TIME_LEFT: Duration = Duration::from_mins(1);

pub(crate) struct Started {
    pub(crate) aws: AwsStandIn,
    pub(crate) receiver: TestReceiver,
    pub(crate) app: Arc<App>,
    pub(crate) sqs: aws_sdk_sqs::Client,
}

/// Sets the receiver of the samples' endpoint with its answers, and the seconds between its
/// attempts.
pub(crate) async fn start(statuses: &[u16], waits: &[u32]) -> Started {
    start_with(statuses, |endpoint| endpoint.retry_schedule = Some(schedule(waits))).await
}

/// As [`start`], with a changed endpoint.
pub(crate) async fn start_with(statuses: &[u16], change: impl FnOnce(&mut Endpoint)) -> Started {
    let aws = AwsStandIn::start().await;
    let receiver = TestReceiver::answering(statuses).await;
    let mut endpoint = samples::endpoint(receiver.url()).unwrap();
    change(&mut endpoint);
    aws.plant(&[endpoint]).await;
    let app =
        Arc::new(App::new(&aws.sdk_config_of("deliver"), &aws.settings_of("deliver")).unwrap());
    let sqs = aws_sdk_sqs::Client::new(&aws.sdk_config());
    Started { aws, receiver, app, sqs }
}

pub(crate) fn schedule(waits: &[u32]) -> Schedule {
    waits.to_vec().try_into().unwrap()
}

/// A wait that is over.
pub(crate) const OVER: State = State::Waiting { until: OVER_AT, slot: None };

/// The time of a wait that is over.
pub(crate) const OVER_AT: Timestamp = Timestamp::from_seconds(1);

/// The sample of a message that was sent long ago.
const REDRIVEN: &str = "redriven.json";

/// The event of a sample file. A first message in it was sent just now, but for [`REDRIVEN`].
pub(crate) fn event_of(file: &str) -> SqsEvent {
    changed(file, |_| {})
}

/// The same, with first messages sent at this time.
pub(crate) fn sent_at(file: &str, time: Timestamp) -> SqsEvent {
    changed(file, |record| set_sent(record, time))
}

fn set_sent(record: &mut Json, time: Timestamp) {
    let body: Result<Json, _> = serde_json::from_str(record["body"].as_str().unwrap_or_default());
    if let Ok(mut body) = body
        && let Some(first) = body.get_mut("first")
    {
        first["enqueued_at"] = json!(time.millis());
        record["body"] = json!(body.to_string());
    }
}

/// The same, with each record changed.
pub(crate) fn changed(file: &str, change: impl Fn(&mut Json)) -> SqsEvent {
    let mut event: Json = serde_json::from_str(&sample(file)).unwrap();
    for record in event["Records"].as_array_mut().unwrap() {
        if file != REDRIVEN {
            set_sent(record, clock::now());
        }
        change(record);
    }
    serde_json::from_value(event).unwrap()
}

/// The message of a sample's record.
pub(crate) fn message_of(file: &str, place: usize) -> Message {
    delivery_in(event_of(file).records[place].body.as_deref().unwrap())
}

/// An attempt of a message's delivery, for the log.
pub(crate) fn logged(
    message: &Message,
    number: u32,
    outcome: Outcome,
    next: Option<Timestamp>,
) -> Attempt {
    let now = clock::now();
    Attempt {
        id: AttemptId::new(now, rand::random::<u64>().into()),
        project: message.project,
        event: message.event.id,
        endpoint: message.endpoint,
        kind: message.event.kind.clone(),
        url: samples::RECEIVER.to_owned(),
        number,
        round: message.round,
        trigger: message.trigger,
        outcome,
        response_status: None,
        response_body: None,
        error: None,
        duration_ms: 1,
        created_at: now,
        next_attempt_at: next,
    }
}

impl Started {
    /// Handles a batch; returns the ids that stay on their queue, sorted.
    pub(crate) async fn handle(&self, event: SqsEvent) -> Vec<String> {
        self.handle_until(event, clock::now() + TIME_LEFT).await.unwrap()
    }

    pub(crate) async fn handle_until(
        &self,
        event: SqsEvent,
        deadline: Timestamp,
    ) -> Result<Vec<String>, BatchError> {
        let response = deliver::handle(Arc::clone(&self.app), event, deadline).await?;
        let mut failed: Vec<_> = response
            .batch_item_failures
            .into_iter()
            .map(|failure| failure.item_identifier)
            .collect();
        failed.sort();
        Ok(failed)
    }

    pub(crate) fn log(&self) -> AttemptLog {
        AttemptLog::new(
            Table::new(
                aws_sdk_dynamodb::Client::new(&self.aws.sdk_config()),
                self.aws.table_name("LogTable"),
            ),
            30,
        )
    }

    /// The attempts of an event to the samples' endpoint, by number.
    pub(crate) async fn attempts(&self, event: EventId) -> Vec<Attempt> {
        let mut attempts = self.of(samples::ENDPOINT.parse().unwrap(), event).await;
        attempts.sort_by_key(|attempt| attempt.number);
        attempts
    }

    /// The attempts of a message's delivery, by number.
    pub(crate) async fn attempts_of(&self, message: &Message) -> Vec<Attempt> {
        let mut attempts = self.of(message.endpoint, message.event.id).await;
        attempts.sort_by_key(|attempt| (attempt.number, attempt.id));
        attempts
    }

    async fn of(&self, endpoint: EndpointId, event: EventId) -> Vec<Attempt> {
        let dynamodb = aws_sdk_dynamodb::Client::new(&self.aws.sdk_config());
        let reader = AttemptReader::new(Table::new(dynamodb, self.aws.table_name("LogTable")));
        let access = Access::of_project(&samples::project().unwrap());
        let all = reader.slice(access, endpoint, 0, usize::MAX, clock::now()).await.unwrap();
        all.into_iter().filter(|attempt| attempt.event == event).collect()
    }

    /// Puts attempts into the log.
    pub(crate) async fn record(&self, attempts: &[Attempt]) {
        self.log().record(&Entry::of(attempts.iter().cloned())).await.unwrap();
    }

    /// The history of a message's delivery, by the log.
    pub(crate) async fn history(&self, message: &Message) -> History {
        let attempts = self.attempts_of(message).await;
        let mut history = History::default();
        for attempt in &attempts {
            let &Attempt { project, endpoint, event, created_at, .. } = attempt;
            let found = self.log().at_once(project, endpoint, event, created_at).await.unwrap();
            let (_, entry) = found.iter().find(|(found, _)| found.id == attempt.id).unwrap();
            history = history.after(attempt, *entry);
        }
        let own = attempts.iter().filter(|attempt| attempt.round == message.round);
        History { turns: u32::try_from(own.count()).unwrap(), ..history }
    }

    /// Waits for messages on a queue, and returns what Lambda would get of them.
    pub(crate) async fn received(&self, queue: &str) -> SqsEvent {
        let receive = self
            .sqs
            .receive_message()
            .queue_url(self.aws.queue_url(queue))
            .max_number_of_messages(10);
        let receive = receive
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .wait_time_seconds(20);
        let messages = receive.send().await.unwrap().messages.unwrap_or_default();
        let arn = &self.aws.template().queue(queue).unwrap().arn;
        serde_json::from_value(emulator::poller::event::event(&messages, arn)).unwrap()
    }

    /// Writes the event of a message to the log, as whoever enqueues one has done.
    pub(crate) async fn log_event(&self, message: &Message) {
        let dynamodb = aws_sdk_dynamodb::Client::new(&self.aws.sdk_config());
        let events = EventWriter::new(Table::new(dynamodb, self.aws.table_name("LogTable")), 30);
        let access = Access::of_project(&samples::project().unwrap());
        let url = samples::RECEIVER.to_owned();
        let targets = vec![Target::new(message.endpoint, url, Origin::Endpoint)];
        let accepted_at = clock::now();
        let logged =
            LoggedEvent { event: message.event.clone(), targets, missed: Vec::new(), accepted_at };
        events.record(access, &[logged], clock::now).await.unwrap();
    }

    /// Puts a message on a queue and receives it.
    pub(crate) async fn enqueued(&self, queue: &str, message: &Message) -> SqsEvent {
        self.log_event(message).await;
        self.sent(queue, work::encode(message).unwrap()).await
    }

    /// Puts a text on a queue and receives it.
    pub(crate) async fn sent(&self, queue: &str, body: String) -> SqsEvent {
        let send = self.sqs.send_message().queue_url(self.aws.queue_url(queue));
        send.message_body(body).send().await.unwrap();
        self.received(queue).await
    }

    /// The rows of deliveries.
    /// How much a project is to be told of, of this topic.
    pub(crate) async fn told(&self, topic: &str) -> u64 {
        let rows = self.aws.rows("StateTable").await.into_iter();
        let of_topic = rows.filter(|row| row["sk"]["S"].as_str().unwrap().starts_with(topic));
        of_topic.filter_map(|row| row["noted"]["N"].as_str()?.parse::<u64>().ok()).sum()
    }

    pub(crate) fn rows(&self) -> DeliveryRows {
        let dynamodb = aws_sdk_dynamodb::Client::new(&self.aws.sdk_config());
        DeliveryRows::new(Table::new(dynamodb, self.aws.table_name("StateTable")))
    }

    /// The row of a message's delivery.
    pub(crate) async fn row(&self, message: &Message) -> Option<DeliveryRow> {
        let Message { project, endpoint, event, .. } = message;
        let key = DeliveryKey { project: *project, event: event.id, endpoint: *endpoint };
        self.rows().get(&[key]).await.unwrap().pop()
    }

    /// How a message's delivery has ended, by its row.
    pub(crate) async fn end(&self, message: &Message) -> Option<End> {
        match self.row(message).await?.state {
            State::Ended(end) => Some(end),
            State::Waiting { .. } | State::Parked { .. } => None,
        }
    }

    /// A resend that somebody has just asked for: the message that acts for it comes off the queue.
    pub(crate) async fn resent(&self, message: &Message) -> SqsEvent {
        self.log_event(message).await;
        let history = self.history(message).await;
        let row = DeliveryRow::resend(message, &history, rand::random::<u32>().into());
        let there = self.row(message).await;
        let row = self.rows().begin_again(row, there).await.unwrap().unwrap();
        self.sent("RetriesQueue", work::encode_again(&row.again(false)).unwrap()).await
    }

    /// The delivery of a message waits for this, and the message that acts for it comes off the
    /// queue.
    pub(crate) async fn again(&self, queue: &str, message: &Message, state: State) -> SqsEvent {
        self.sent(queue, self.waiting(message, state).await).await
    }

    /// The delivery of a message waits for this, with the attempts that the log has: the text of
    /// the message that acts for it.
    pub(crate) async fn waiting(&self, message: &Message, state: State) -> String {
        self.log_event(message).await;
        let row = DeliveryRow::new(message, state, 7, clock::now());
        let row = DeliveryRow { history: self.history(message).await, ..row };
        let begun = match self.row(message).await {
            None => self.rows().begin(row).await,
            there => self.rows().begin_again(row, there).await,
        };
        work::encode_again(&begun.unwrap().unwrap().again(false)).unwrap()
    }

    /// Messages on a queue in whatever state.
    pub(crate) async fn count(&self, queue: &str) -> u32 {
        let all = aws_sdk_sqs::types::QueueAttributeName::All;
        let output = self
            .sqs
            .get_queue_attributes()
            .queue_url(self.aws.queue_url(queue))
            .attribute_names(all)
            .send()
            .await
            .unwrap();
        let attributes = output.attributes.unwrap();
        let counts = attributes
            .iter()
            .filter(|(name, _)| name.as_str().starts_with("ApproximateNumberOfMessages"));
        counts.map(|(_, count)| count.parse::<u32>().unwrap()).sum()
    }

    /// What the function has called: operation, outcome and how often. Without what a process reads
    /// once in half a minute: which projects are suspended.
    pub(crate) fn calls(&self) -> Json {
        let calls = self.aws.calls().calls.into_iter();
        let calls = calls.filter(|call| call.caller == "deliver" && call.operation != "GetItem");
        calls.map(|call| json!([call.operation, call.outcome, call.count])).collect()
    }
}
