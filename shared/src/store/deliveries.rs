//! What `deliver` needs of endpoints: many at once, and to disable one.
//!
//! The project comes from the message, which only our own functions can enqueue, so no [`Access`](crate::auth::Access) is asked for here.

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::types::KeysAndAttributes;

use super::{
    StoreError, Table,
    endpoints::sk,
    error::failed,
    item::{key, number, project_pk, string, text},
    list::parse,
};
use crate::{
    id::{EndpointId, ProjectId},
    model::Endpoint,
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

    /// The endpoints that exist, by id. One call for up to `BATCH` distinct ones. A row that can't be read stands for itself: it must neither
    /// stop the others' deliveries nor pass for deleted.
    pub async fn load(&self, wanted: &HashSet<(ProjectId, EndpointId)>) -> Result<LoadedEndpoints, StoreError> {
        let mut found = HashMap::new();
        let wanted: Vec<_> = wanted.iter().map(|(project, id)| key(project_pk(*project), sk(*id))).collect();
        for keys in wanted.chunks(BATCH) {
            let mut keys = keys.to_vec();
            for attempt in 0..TRIES {
                super::pause(attempt).await;
                let request = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
                let request = request.map_err(|_| StoreError::Damaged("no keys to get"))?;
                let output =
                    self.0.client.batch_get_item().request_items(&self.0.name, request).send().await.map_err(failed("BatchGetItem"))?;
                for row in output.responses.unwrap_or_default().into_values().flatten() {
                    if let Ok(id) = text(&row, "id").parse() {
                        found.insert(id, parse(row));
                    }
                }
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
            .set_key(Some(key(project_pk(endpoint.project), sk(endpoint.id))))
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
