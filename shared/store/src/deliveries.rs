//! What `deliver` needs of receivers: many at once, and to disable one. To it a URL without an
//! endpoint is an endpoint like any other; only here the two differ.
//!
//! The project comes from the message, which only our own functions can enqueue, so no
//! [`Access`](crate::Access) is asked for here.

use std::collections::{HashMap, HashSet};

use domain::{
    health::Health,
    id::EndpointId,
    message::{Message, SettingsSource},
    model::{Endpoint, endpoint::SecretOwner, project::ProjectSecret},
    time::Timestamp,
};

use crate::{
    StoreError, Table,
    endpoints::row_sk,
    health::health_key,
    item::{Item, key, number, string, text},
    list::parse,
    project_rows::ProjectRows,
    row_keys::{pk, sk},
    table::get_many,
};

/// What was found of the receivers that were asked for.
#[derive(Debug, Default)]
pub struct Receivers {
    /// Their settings.
    pub endpoints: HashMap<EndpointId, Result<Endpoint, StoreError>>,
    /// How those circuits are doing that have seen failures.
    pub health: HashMap<EndpointId, Health>,
}

/// Reads endpoints by the batch and disables those that are gone.
#[derive(Clone, Debug)]
pub struct DeliveryEndpoints {
    config: Table,
    state: Table,
}

impl DeliveryEndpoints {
    /// Over the config and the state table.
    pub fn new(config: Table, state: Table) -> Self {
        Self { config, state }
    }

    /// The receivers of these messages that exist, and how they are doing: one call for up to
    /// 100 distinct rows of both tables. A row that can't be read stands for itself: it must
    /// neither stop the others' deliveries nor pass for deleted.
    pub async fn load(
        &self,
        messages: impl IntoIterator<Item = &Message>,
    ) -> Result<Receivers, StoreError> {
        let messages: Vec<_> = messages.into_iter().collect();
        let keys: HashSet<_> = messages.iter().map(|message| row_of(message)).collect();
        let healths: HashSet<_> =
            messages.iter().map(|message| (message.project, message.circuit())).collect();
        let config = keys.into_iter().map(|(pk, sk)| (&self.config, key(pk, sk)));
        let state = healths
            .into_iter()
            .map(|(project, endpoint)| (&self.state, health_key(project, endpoint)));
        let rows = get_many(config.chain(state).collect()).await?;
        let place = |row: &Item| (text(row, "pk").to_owned(), text(row, "sk").to_owned());
        let rows: HashMap<_, _> = rows.into_iter().map(|row| (place(&row), row)).collect();
        let endpoints = messages.iter().filter_map(|message| {
            Some((message.endpoint, receiver(message, rows.get(&row_of(message))?.clone())))
        });
        let health = rows.iter().filter(|((_, sk), _)| sk == sk::CIRCUIT).filter_map(|(_, row)| {
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

    /// Disables an active endpoint, with the reason its owner will read. Whether it was there,
    /// active, and at this URL.
    pub async fn disable(
        &self,
        endpoint: &Endpoint,
        reason: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let change = "SET #status = :disabled, disabled_reason = :reason, updated_at = :now \
            ADD revision :one";
        let values = [
            (":active", string("active")),
            (":url", string(endpoint.url.as_written())),
            (":disabled", string("disabled")),
            (":reason", string(reason)),
            (":now", number(now.millis())),
            (":one", number(1)),
        ];
        let rows = ProjectRows::new(&self.config, endpoint.project, row_sk(endpoint));
        let disabled = self
            .config
            .update(rows.whole_key(), change)
            .when("#status = :active AND #url = :url")
            .name("#status", "status")
            .name("#url", "url")
            .values(values);
        let unsubscribed = self
            .config
            .update(rows.short_key(), "SET #status = :disabled")
            .name("#status", "status")
            .value(":disabled", string("disabled"));
        rows.update(disabled, unsubscribed).await
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
