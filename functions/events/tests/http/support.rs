//! A stand-in and the function on it.

use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    delivery_row::DeliveryRow,
    id::EventId,
    message::Message,
    model::{Endpoint, Target, event::LoggedEvent},
};
use emulator::{
    samples,
    testing::{Api, AwsStandIn, delivery_in},
};
use runtime::clock;
use serde_json::{Value as Json, json};
use store::{
    Access, Table,
    delivery_rows::{DeliveryKey, DeliveryRows},
    events::EventReader,
};

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
    let api = api(&aws, &[]);
    Started { aws, api }
}

/// The function, with other settings than the template's.
pub(crate) fn api(aws: &AwsStandIn, settings: &[(&str, &str)]) -> Api {
    let mut variables = aws.environment_of("events");
    variables.extend(settings.iter().map(|(name, value)| ((*name).into(), (*value).into())));
    let app =
        events::App::new(&aws.sdk_config_of("events"), &variables.into_iter().collect()).unwrap();
    Api::new(aws, api::router(events::routes(), Arc::new(app)))
}

pub(crate) fn event() -> Json {
    json!({"kind": "task.created", "data": {"id": "task_1"}})
}

impl Started {
    pub(crate) fn config(&self) -> Table {
        self.table(samples::CONFIG_TABLE)
    }

    pub(crate) fn table(&self, name: &str) -> Table {
        let dynamodb = aws_sdk_dynamodb::Client::new(&self.aws.sdk_config());
        Table::new(dynamodb, self.aws.table_name(name))
    }

    /// The event's row in the log.
    pub(crate) async fn logged(&self, id: &str) -> Option<LoggedEvent> {
        EventReader::new(self.table("LogTable"))
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

    /// The rows of an event's deliveries.
    pub(crate) async fn rows(&self, id: &str) -> Vec<DeliveryRow> {
        let logged = self.logged(id).await.unwrap();
        let key = |target: &Target| DeliveryKey {
            project: project().project(),
            event: logged.event.id,
            endpoint: target.endpoint,
        };
        let keys: Vec<_> = logged.targets.iter().map(key).collect();
        DeliveryRows::new(self.table("StateTable")).get(&keys).await.unwrap()
    }

    /// Takes an event from the log, as if the request that made it had died before it wrote it.
    pub(crate) async fn forget(&self, id: &str) {
        let id: EventId = id.parse().unwrap();
        let pk = format!("PROJ#{}#{}", samples::PROJECT, id.shard());
        let dynamodb = aws_sdk_dynamodb::Client::new(&self.aws.sdk_config());
        let delete = dynamodb.delete_item().table_name(self.aws.table_name("LogTable"));
        let delete = delete.key("pk", AttributeValue::S(pk));
        delete.key("sk", AttributeValue::S(id.to_string())).send().await.unwrap();
    }

    /// What the function has called: operation, outcome and how often.
    pub(crate) fn calls(&self) -> Json {
        let calls = self.aws.calls().calls.into_iter().filter(|call| call.caller == "events");
        calls.map(|call| json!([call.operation, call.outcome, call.count])).collect()
    }
}
