//! A stand-in and the function on it.

use std::{collections::HashMap, sync::Arc};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    id::EventId,
    message::Message,
    model::{Endpoint, event::LoggedEvent},
};
use emulator::{
    samples,
    testing::{Api, AwsStandIn, delivery_in},
};
use runtime::clock;
use serde_json::{Value as Json, json};
use store::{Access, Table, events::EventReader};

pub(crate) struct Started {
    pub(crate) aws: AwsStandIn,
    pub(crate) api: Api,
}

/// The samples' project.
pub(crate) fn project() -> Access {
    Access::of_project(&samples::project().unwrap())
}

/// With the samples' endpoint, which wants everything.
pub(crate) async fn start() -> Started {
    start_with(&[samples::endpoint(samples::RECEIVER).unwrap()]).await
}

pub(crate) async fn start_with(endpoints: &[Endpoint]) -> Started {
    let aws = AwsStandIn::start().await;
    aws.plant(endpoints).await;
    let api = api(&aws, None);
    Started { aws, api }
}

/// The function, with another queue than its own if one is named.
pub(crate) fn api(aws: &AwsStandIn, queue_url: Option<&str>) -> Api {
    let mut variables = aws.environment_of("events");
    if let Some(url) = queue_url {
        variables.insert("DELIVERIES_QUEUE_URL".to_owned(), url.to_owned());
    }
    let app =
        events::App::new(&aws.sdk_config_of("events"), &variables.into_iter().collect()).unwrap();
    Api::new(aws, api::router(events::routes(), Arc::new(app)))
}

pub(crate) fn event() -> Json {
    json!({"kind": "task.created", "data": {"id": "task_1"}})
}

impl Started {
    pub(crate) fn config(&self) -> Table {
        Table::new(
            aws_sdk_dynamodb::Client::new(&self.aws.sdk_config()),
            self.aws.table_name(samples::CONFIG_TABLE),
        )
    }

    /// The event's row in the log.
    pub(crate) async fn logged(&self, id: &str) -> Option<LoggedEvent> {
        let log = Table::new(
            aws_sdk_dynamodb::Client::new(&self.aws.sdk_config()),
            self.aws.table_name("LogTable"),
        );
        EventReader::new(log)
            .get(project(), id.parse::<EventId>().unwrap(), clock::now())
            .await
            .unwrap()
    }

    /// All messages that are visible on the deliveries queue; they are received by this.
    pub(crate) async fn messages(&self) -> Vec<Message> {
        let sqs = aws_sdk_sqs::Client::new(&self.aws.sdk_config());
        let mut messages = Vec::new();
        loop {
            let receive = sqs
                .receive_message()
                .queue_url(self.aws.queue_url("DeliveriesQueue"))
                .max_number_of_messages(10);
            let batch = receive.send().await.unwrap().messages.unwrap_or_default();
            if batch.is_empty() {
                return messages;
            }
            messages.extend(batch.iter().map(|message| delivery_in(message.body().unwrap())));
        }
    }

    /// Makes every idempotency lease look as if its request died at it: `until` is the Unix second
    /// at which it lapses.
    pub(crate) async fn interrupt_leases(&self, until: u64) {
        self.interrupt(until, |_| true).await;
    }

    /// The same for the lease of an event's own id.
    pub(crate) async fn interrupt_lease_of(&self, id: EventId, until: u64) {
        // The key of its row is a hash; its plan names this event and no other.
        self.interrupt(until, |plan| plan["ids"] == json!([id])).await;
    }

    async fn interrupt(&self, until: u64, wanted: impl Fn(&Json) -> bool) {
        let dynamodb = aws_sdk_dynamodb::Client::new(&self.aws.sdk_config());
        let table = self.aws.table_name("LogTable");
        let rows =
            dynamodb.scan().table_name(&table).send().await.unwrap().items.unwrap_or_default();
        let plan = |row: &HashMap<_, AttributeValue>| {
            serde_json::from_str(row["planned"].as_s().unwrap()).unwrap()
        };
        let leases =
            rows.into_iter().filter(|row| row["sk"] == AttributeValue::S("IDEM".to_owned()));
        for mut row in leases.filter(|row| wanted(&plan(row))) {
            row.insert("done".to_owned(), AttributeValue::Bool(false));
            row.insert("leased_until".to_owned(), AttributeValue::N(until.to_string()));
            dynamodb.put_item().table_name(&table).set_item(Some(row)).send().await.unwrap();
        }
    }

    /// What the function has called: operation, outcome and how often.
    pub(crate) fn calls(&self) -> Json {
        let calls = self.aws.calls().calls.into_iter().filter(|call| call.caller == "events");
        calls.map(|call| json!([call.operation, call.outcome, call.count])).collect()
    }
}
