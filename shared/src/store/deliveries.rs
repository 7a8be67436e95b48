//! What `deliver` needs of receivers: many at once, and to disable one. To it a URL without an endpoint is an endpoint like any other; only here the two differ.
//!
//! The project comes from the message, which only our own functions can enqueue, so no [`Access`](crate::auth::Access) is asked for here.

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::types::KeysAndAttributes;

use super::{
    StoreError, Table,
    endpoints::{row_key, sk, worker_sk},
    error::failed,
    item::{Item, key, number, project_pk, string, text},
    list::parse,
    secrets,
};
use crate::{
    id::EndpointId,
    message::{Message, Via},
    model::{Endpoint, endpoint::SecretOwner, project::ProjectSecret},
    time::Timestamp,
};

/// DynamoDB: a `BatchGetItem` names at most 100 items.
const BATCH: usize = 100;
/// How often a batch's unprocessed keys are asked for again. They come of throttling, so there are pauses in between.
const TRIES: u32 = 6;

/// What was found of the endpoints that were asked for.
pub type LoadedEndpoints = HashMap<EndpointId, Result<Endpoint, StoreError>>;

/// Reads endpoints by the batch and disables those that are gone.
#[derive(Clone, Debug)]
pub struct DeliveryEndpoints(Table);

impl DeliveryEndpoints {
    /// Over the config table.
    pub fn new(config: Table) -> Self {
        Self(config)
    }

    /// The receivers of these messages that exist, by id. One call for up to `BATCH` distinct rows. A row that can't be read stands for itself: it must neither
    /// stop the others' deliveries nor pass for deleted.
    pub async fn load(&self, messages: impl IntoIterator<Item = &Message>) -> Result<LoadedEndpoints, StoreError> {
        let messages: Vec<_> = messages.into_iter().collect();
        let keys: HashSet<_> = messages.iter().map(|message| (project_pk(message.project), sk_of(message))).collect();
        let rows = self.rows(keys.into_iter().collect()).await?;
        let receivers = messages.iter().filter_map(|message| {
            let row = rows.get(&(project_pk(message.project), sk_of(message)))?;
            Some((message.endpoint, receiver(message, row.clone())))
        });
        Ok(receivers.collect())
    }

    async fn rows(&self, wanted: Vec<(String, String)>) -> Result<HashMap<(String, String), Item>, StoreError> {
        let mut found = HashMap::new();
        let wanted: Vec<_> = wanted.into_iter().map(|(pk, sk)| key(pk, sk)).collect();
        for keys in wanted.chunks(BATCH) {
            let mut keys = keys.to_vec();
            for attempt in 0..TRIES {
                super::pause(attempt).await;
                let request = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
                let request = request.map_err(|_| StoreError::Damaged("no keys to get"))?;
                let output =
                    self.0.client.batch_get_item().request_items(&self.0.name, request).send().await.map_err(failed("BatchGetItem"))?;
                let rows = output.responses.unwrap_or_default().into_values().flatten();
                found.extend(rows.map(|row| ((text(&row, "pk").to_owned(), text(&row, "sk").to_owned()), row)));
                keys = output.unprocessed_keys.unwrap_or_default().into_values().flat_map(|left| left.keys).collect();
                if keys.is_empty() {
                    break;
                }
            }
            if !keys.is_empty() {
                return Err(StoreError::Unavailable { operation: "BatchGetItem", detail: format!("{} keys were left", keys.len()) });
            }
        }
        Ok(found)
    }

    /// Disables an active endpoint, with the reason its owner will read.
    pub async fn disable(&self, endpoint: &Endpoint, reason: &str, now: Timestamp) -> Result<(), StoreError> {
        let outcome = self
            .0
            .client
            .update_item()
            .table_name(&self.0.name)
            .set_key(Some(row_key(endpoint)))
            .update_expression("SET #status = :disabled, disabled_reason = :reason, updated_at = :now ADD revision :one")
            .condition_expression("#status = :active AND #url = :url")
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#url", "url")
            .expression_attribute_values(":active", string("active"))
            .expression_attribute_values(":url", string(endpoint.url.as_written()))
            .expression_attribute_values(":disabled", string("disabled"))
            .expression_attribute_values(":reason", string(reason))
            .expression_attribute_values(":now", number(now.millis()))
            .expression_attribute_values(":one", number(1))
            .send()
            .await
            .map_err(failed("UpdateItem"));
        match outcome {
            // Changed, paused, disabled or deleted meanwhile: whoever did that knows better.
            Ok(_) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The sort key of the row that a message's receiver is made from.
fn sk_of(message: &Message) -> String {
    match &message.via {
        None => sk(message.endpoint),
        Some(Via::Worker(id)) => worker_sk(id),
        Some(Via::Url { .. }) => secrets::SK.to_owned(),
    }
}

/// A message's receiver.
fn receiver(message: &Message, row: Item) -> Result<Endpoint, StoreError> {
    let Some(Via::Url { url, signatures, body }) = &message.via else { return parse(row) };
    let ProjectSecret { secrets, .. } = parse(row)?;
    let blank = Endpoint::new(message.endpoint, message.project, url.clone(), Vec::new(), secrets.secret.clone(), message.enqueued_at);
    Ok(Endpoint { secrets, secret_owner: SecretOwner::Project, signatures: signatures.clone(), body: *body, ..blank })
}
