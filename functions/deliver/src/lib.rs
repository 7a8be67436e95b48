//! The `deliver` function: takes batches of messages from SQS, and makes the requests.
//!
//! [`handle`] is the story of a batch. Its parts, each of which owns what it uses:
//!
//! - [`incoming`]: what SQS hands over; [`mod@resolve`]: the deliveries that it names
//! - [`delivery`]: one delivery, with its [`rate`] limit
//! - [`sender`]: one request
//! - [`settlement`]: writing a batch down, by each message's [`disposition`], of which a bounded
//!   number is [`hidden`]; [`health`]: what it says of its endpoints
//!
//! # Pitfalls
//!
//! The order in `settlement`: a message is given up only when the log or another queue has what it
//! said.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use domain::{signing::Vault, time::Timestamp, work::Unreadable};
use egress::ClientError;
use runtime::{
    aws::SdkConfig,
    clock::Clock,
    settings::{Settings, SettingsError},
};
use store::{
    StoreError,
    attempts::AttemptLog,
    deliveries::{DeliveryEndpoints, Receivers},
    delivery_rows::DeliveryReader,
    secrets_key::{KeyCheck, KeyCheckError},
    standings::{Standing, Standings},
};
use tracing::Instrument;

mod delivery;
mod disposition;
mod health;
mod hidden;
mod incoming;
mod invocation;
mod news;
mod rate;
mod resolve;
mod sender;
mod settlement;
mod tasks;
mod wiring;

use delivery::{Batch, DeliveryHandler};
use disposition::{Disposition, Settled};
use incoming::{Incoming, Record};
use resolve::{About, Item, resolve};
use settlement::Settlement;
use tasks::Tasks;

/// Time that is reserved at the end of an invocation for recording what happened.
const RESERVE: Duration = Duration::from_secs(8);
/// The shortest wait of a message that newer code wrote: a deploy is about to replace this code.
const DEPLOY: Duration = Duration::from_mins(1);

/// The function, ready for batches.
pub struct App {
    rows: DeliveryReader,
    attempts: AttemptLog,
    standings: Standings,
    endpoints: DeliveryEndpoints,
    deliveries: DeliveryHandler,
    settlement: Settlement,
    /// The end of the retries queue's ARN: its name.
    retries_name: String,
    vault: Arc<Vault>,
    key_check: KeyCheck,
    clock: Clock,
}

/// Why the function can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The secrets key doesn't belong to the config table, or that can't be told.
    #[error(transparent)]
    SecretsKey(#[from] KeyCheckError),
    /// A setting is missing or wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The HTTP client can't be built.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// Why a whole batch comes back.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// A record has no id to report it by, and an empty one would fail the batch anyway.
    #[error("a record of the batch has no message id")]
    Nameless,
}

impl App {
    /// As [`Self::new`], but refuses a secrets key that does not belong to the table.
    pub async fn start(aws: &SdkConfig, settings: &Settings) -> Result<Self, StartError> {
        let app = Self::new(aws, settings)?;
        app.key_check.verify(&app.vault).await?;
        Ok(app)
    }

    /// With the settings that the template gives.
    pub fn new(aws: &SdkConfig, settings: &Settings) -> Result<Self, StartError> {
        Self::by_clock(aws, settings, runtime::clock::now)
    }
}

/// Handles a batch until `deadline`, when Lambda ends the invocation. What comes back as failed
/// stays on its queue.
pub async fn handle(
    app: Arc<App>,
    event: SqsEvent,
    deadline: Timestamp,
) -> Result<SqsBatchResponse, BatchError> {
    let read = |record| Incoming::read(record, &app.retries_name);
    let incoming = event.records.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    Ok(response(invocation::work_off(&app, incoming, deadline).await))
}

impl App {
    /// Works off messages that were received together. The ids of those that stay on their queue.
    async fn handle_all(
        self: &Arc<Self>,
        batch: Vec<Incoming>,
        deadline: Timestamp,
    ) -> HashSet<String> {
        match Box::pin(load(self, batch, self.clock.now())).await {
            Ok((items, receivers, standing)) => {
                let hosts = sender::Hosts::default();
                let held = Mutex::default();
                let batch = Arc::new(Batch { receivers, hosts, standing, held, deadline });
                let settled = work_off(self, items, &batch).await;
                Box::pin(self.settlement.settle(settled, &batch.receivers)).await
            }
            Err((error, records)) => {
                tracing::error!(%error, "could not read what a batch needs; all of it comes again");
                let postponed = records.into_iter().map(Settled::postponed);
                Box::pin(self.settlement.settle(postponed.collect(), &Receivers::default())).await
            }
        }
    }
}

/// Reads the deliveries that messages name, and then the receivers of all. What a crash has left
/// out of the log is there then.
async fn load(
    app: &App,
    incoming: Vec<Incoming>,
    now: Timestamp,
) -> Result<(Vec<Item>, Receivers, Arc<Standing>), (StoreError, Vec<Record>)> {
    let items = match resolve(&app.rows, incoming, now).await {
        Ok(items) => items,
        Err((error, incoming)) => {
            return Err((error, incoming.into_iter().map(|item| item.record).collect()));
        }
    };
    let mended = app.attempts.mend(items.iter().filter_map(Item::row));
    let receivers = app.endpoints.load(items.iter().filter_map(Item::message));
    let standing = async {
        let is_needed = items.iter().any(|item| item.message().is_some());
        if is_needed { app.standings.now().await } else { Ok(Arc::<Standing>::default()) }
    };
    match futures::try_join!(mended, receivers, standing) {
        Ok(((), receivers, standing)) => Ok((items, receivers, standing)),
        Err(error) => Err((error, items.into_iter().map(|item| item.record).collect())),
    }
}

/// Handles all messages at once, each in its own task, so that a panic costs one message.
async fn work_off(app: &Arc<App>, items: Vec<Item>, batch: &Arc<Batch>) -> Vec<Settled> {
    let (mut tasks, mut seen, mut settled) = (Tasks::new(), HashSet::new(), Vec::new());
    for item in items {
        // Duplicates (SQS or a redrive may bring some) go one after the other, so that the second
        // finds the first one's attempt in the log.
        if item.delivery().is_some_and(|delivery| !seen.insert(delivery)) {
            settled.push(Settled::postponed(item.record));
            continue;
        }
        let panicked = Settled::new(item.record.clone(), Disposition::Keep);
        let (app, batch, span) = (Arc::clone(app), Arc::clone(batch), item.span());
        let handling = async move { handle_one(&app, item, &batch).await };
        tasks.spawn(panicked, handling.instrument(span));
    }
    settled.extend(tasks.finish().await);
    settled
}

async fn handle_one(app: &App, Item { record, about }: Item, batch: &Batch) -> Settled {
    match about {
        About::Delivery(delivery) => app.deliveries.handle(record, delivery, batch).await,
        About::Ended(_) | About::Nothing => Settled::new(record, Disposition::Drop),
        About::UnreadableEvent => Settled::postponed(record),
        About::Unreadable(Unreadable::Newer(version)) => {
            tracing::warn!(version, "a message of newer code waits for it");
            let wait = DEPLOY.max(record.pause());
            Settled::new(record, Disposition::Hide(wait))
        }
        About::Unreadable(error) => {
            tracing::error!(%error, "an unreadable message goes to the dead-letter queue");
            Settled::new(record, Disposition::Dead)
        }
    }
}

/// The response to Lambda's event source mapping.
fn response(kept: HashSet<String>) -> SqsBatchResponse {
    let failure = |id| {
        let mut failure = BatchItemFailure::default();
        failure.item_identifier = id;
        failure
    };
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = kept.into_iter().map(failure).collect();
    response
}
