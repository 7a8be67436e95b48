//! What `deliver` needs of receivers: many at once, and to disable one. To it a URL without an
//! endpoint is an endpoint like any other; only here the two differ.
//!
//! The project comes from the message, which only our own functions can enqueue, so no
//! [`Access`](crate::Access) is asked for here.

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::types::KeysAndAttributes;
use domain::{
    health::Health,
    id::EndpointId,
    message::{Message, SettingsSource},
    model::{Endpoint, endpoint::SecretOwner, project::ProjectSecret},
    time::Timestamp,
};

use crate::{
    StoreError, Table,
    endpoints::row_key,
    error::failed,
    health::health_key,
    item::{Item, key, number, string, text},
    list::parse,
    row_keys::{pk, sk},
};

/// DynamoDB: a `BatchGetItem` names at most 100 items.
const BATCH: usize = 100;
/// How often a batch's unprocessed keys are asked for again. They come of throttling, so there are
/// pauses in between.
const TRIES: u32 = 6;

/// What was found of the receivers that were asked for.
#[derive(Debug, Default)]
pub struct Receivers {
    /// Their settings.
    pub endpoints: HashMap<EndpointId, Result<Endpoint, StoreError>>,
    /// How those are doing that have failed before.
    pub health: HashMap<EndpointId, Health>,
}

/// Reads endpoints by the batch and disables those that are gone.
#[derive(Clone, Debug)]
pub struct DeliveryEndpoints {
    config: Table,
    log: Table,
}

impl DeliveryEndpoints {
    /// Over both tables.
    pub fn new(config: Table, log: Table) -> Self {
        Self { config, log }
    }

    /// The receivers of these messages that exist, and how they are doing: one call for up to
    /// `BATCH` distinct rows of both tables. A row that can't be read stands for itself: it must
    /// neither stop the others' deliveries nor pass for deleted.
    pub async fn load(
        &self,
        messages: impl IntoIterator<Item = &Message>,
    ) -> Result<Receivers, StoreError> {
        let messages: Vec<_> = messages.into_iter().collect();
        let keys: HashSet<_> = messages.iter().map(|message| row_of(message)).collect();
        let healths: HashSet<_> = messages.iter().map(|message| message.endpoint).collect();
        let config = keys.into_iter().map(|(pk, sk)| (self.config.name.clone(), key(pk, sk)));
        let log = healths.into_iter().map(|endpoint| (self.log.name.clone(), health_key(endpoint)));
        let rows = self.rows(config.chain(log).collect()).await?;
        let endpoints = messages.iter().filter_map(|message| {
            Some((message.endpoint, receiver(message, rows.get(&row_of(message))?.clone())))
        });
        let health = rows.iter().filter(|((_, sk), _)| sk == sk::HEALTH).filter_map(|(_, row)| {
            // Without it the endpoint passes for healthy, and is soon known better.
            parse::<Health>(row.clone())
                .inspect_err(|error| tracing::error!(%error, "an endpoint's health can't be read"))
                .ok()
        });
        Ok(Receivers {
            endpoints: endpoints.collect(),
            health: health.map(|health| (health.endpoint, health)).collect(),
        })
    }

    async fn rows(
        &self,
        wanted: Vec<(String, Item)>,
    ) -> Result<HashMap<(String, String), Item>, StoreError> {
        let mut found = HashMap::new();
        for chunk in wanted.chunks(BATCH) {
            let mut left = chunk.to_vec();
            for attempt in 0..TRIES {
                super::pause(attempt).await;
                let request =
                    self.config.client.batch_get_item().set_request_items(Some(requests(left)?));
                let output = request.send().await.map_err(failed("BatchGetItem"))?;
                let rows = output.responses.unwrap_or_default().into_values().flatten();
                found.extend(
                    rows.map(|row| {
                        ((text(&row, "pk").to_owned(), text(&row, "sk").to_owned()), row)
                    }),
                );
                let unprocessed = output.unprocessed_keys.unwrap_or_default();
                left = unprocessed
                    .into_iter()
                    .flat_map(|(table, left)| {
                        left.keys.into_iter().map(move |key| (table.clone(), key))
                    })
                    .collect();
                if left.is_empty() {
                    break;
                }
            }
            if !left.is_empty() {
                return Err(StoreError::Unavailable {
                    operation: "BatchGetItem",
                    detail: format!("{} keys were left", left.len()),
                });
            }
        }
        Ok(found)
    }

    /// Disables an active endpoint, with the reason its owner will read. Whether it was there,
    /// active, and at this URL.
    pub async fn disable(
        &self,
        endpoint: &Endpoint,
        reason: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let outcome = self
            .config
            .client
            .update_item()
            .table_name(&self.config.name)
            .set_key(Some(row_key(endpoint)))
            .update_expression(
                "SET #status = :disabled, disabled_reason = :reason, updated_at = \
                :now ADD revision :one",
            )
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
            Ok(_) => Ok(true),
            Err(StoreError::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The key of the row that a message's receiver is made from.
fn row_of(message: &Message) -> (String, String) {
    let sk = match &message.via {
        None => sk::endpoint(message.endpoint),
        Some(SettingsSource::Worker(id)) => sk::worker(id),
        Some(SettingsSource::Url { .. }) => sk::PROJECT_SECRET.to_owned(),
    };
    (pk::project(message.project), sk)
}

/// Keys by their table, for strongly consistent reads.
fn requests(keys: Vec<(String, Item)>) -> Result<HashMap<String, KeysAndAttributes>, StoreError> {
    let mut by_table: HashMap<String, Vec<Item>> = HashMap::new();
    for (table, key) in keys {
        by_table.entry(table).or_default().push(key);
    }
    let request = |(table, keys)| {
        let request =
            KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
        request.map(|request| (table, request)).map_err(|_| StoreError::Damaged("no keys to get"))
    };
    by_table.into_iter().map(request).collect()
}

/// A message's receiver.
fn receiver(message: &Message, row: Item) -> Result<Endpoint, StoreError> {
    let Some(SettingsSource::Url { url, signatures, body }) = &message.via else {
        return parse(row);
    };
    let ProjectSecret { secrets, .. } = parse(row)?;
    let blank = Endpoint::new(
        message.endpoint,
        message.project,
        url.clone(),
        Vec::new(),
        secrets.secret.clone(),
        message.enqueued_at,
    );
    Ok(Endpoint {
        secrets,
        secret_owner: SecretOwner::Project,
        signatures: signatures.clone(),
        body: *body,
        ..blank
    })
}
