//! Deliveries that wait, and how they are handed to `deliver`: first the claim, then the message.
//!
//! A message that names a claim acts for it. If it is lost, the claim ends by itself, and the
//! delivery is still in the list.

use std::{collections::HashMap, time::Duration};

use domain::{delivery_row::DeliveryRow, health::Health, time::Timestamp};
use futures::{Stream, StreamExt, stream};
use runtime::clock::Clock;
use store::{
    StoreError,
    delivery_rows::{DeliveryKey, DeliveryRows},
    queue::{Queue, QueueEntry},
};

use crate::outcome::StepError;

/// How long a delivery may take from its time to its end, queue and all; then another message is
/// sent.
const ON_ITS_WAY: Duration = Duration::from_mins(15);
/// Claims at a time.
const AT_ONCE: usize = 16;

/// Finds deliveries that wait, and hands them out.
#[derive(Debug)]
pub(crate) struct Backlog {
    pub(crate) rows: DeliveryRows,
    pub(crate) retries: Queue,
    pub(crate) clock: Clock,
}

impl Backlog {
    /// What is parked for an endpoint, of the oldest event first, from events of this time on.
    pub(crate) fn of(
        &self,
        health: &Health,
        from: Option<Timestamp>,
    ) -> impl Stream<Item = Result<DeliveryKey, StoreError>> + '_ {
        let from = from.unwrap_or(Timestamp::from_millis(0));
        self.rows.parked(health.project, health.endpoint, from)
    }

    /// What is parked for an endpoint, of the newest event first.
    pub(crate) fn newest_of(
        &self,
        health: &Health,
    ) -> impl Stream<Item = Result<DeliveryKey, StoreError>> + '_ {
        self.rows.newest_parked(health.project, health.endpoint)
    }

    /// The rows of those of these that have one, in their order.
    pub(crate) async fn read(&self, keys: &[DeliveryKey]) -> Result<Vec<DeliveryRow>, StoreError> {
        let rows = self.rows.get(keys).await?.into_iter();
        let mut rows: HashMap<_, _> = rows.map(|row| ((row.event, row.endpoint), row)).collect();
        Ok(keys.iter().filter_map(|key| rows.remove(&(key.event, key.endpoint))).collect())
    }

    /// Has deliveries sent, those that wait for a time at that time. How many: not those that
    /// another message acts for.
    pub(crate) async fn hand_out(&self, rows: Vec<DeliveryRow>) -> Result<usize, StepError> {
        let now = self.clock.now();
        let claims = stream::iter(rows).map(|row| {
            let at = row.due_at().unwrap_or(now).max(now);
            self.claim(row, at, at + ON_ITS_WAY)
        });
        let claims: Vec<_> = claims.buffered(AT_ONCE).collect().await;
        let (mut claimed, mut failed) = (Vec::new(), Ok(()));
        for claim in claims {
            match claim {
                Ok(claim) => claimed.extend(claim),
                Err(error) => failed = Err(error),
            }
        }
        // What is claimed is sent, also if others could not be.
        let count = claimed.len();
        let messages = claimed.clone().into_iter().map(|claimed: DeliveryRow| {
            let wait = claimed.due_at().unwrap_or(now).since(now);
            Ok::<_, StepError>(QueueEntry::again(&claimed.again(false), wait)?)
        });
        if let Err(error) = self.retries.send(messages).await {
            self.give_back(claimed).await;
            return Err(error);
        }
        failed?;
        Ok(count)
    }

    /// Ends claims whose messages could not be sent, as far as that goes. If one was sent after
    /// all, it acts until the next claim, which makes it void.
    async fn give_back(&self, claimed: Vec<DeliveryRow>) {
        let free = stream::iter(claimed).map(|row| async move {
            let free = DeliveryRow { claimed_from: None, claimed_until: None, ..row.clone() };
            if let Err(error) = self.rows.change(&row, &free).await {
                tracing::warn!(%error, project = %row.project, event = %row.event,
                    endpoint = %row.endpoint,
                    "could not give back the claim of a delivery; it ends by itself");
            }
        });
        free.buffer_unordered(AT_ONCE).collect::<()>().await;
    }

    /// Has those of these sent that wait for a time which comes before then.
    pub(crate) async fn send_due(
        &self,
        keys: &[DeliveryKey],
        before: Timestamp,
    ) -> Result<usize, StepError> {
        let mut rows = self.read(keys).await?;
        // The list may show what has moved on.
        rows.retain(|row| row.due_at().is_some() && row.list_at <= before);
        self.hand_out(rows).await
    }

    /// Has a delivery sent at this time, to see whether its receiver is well. Whether no other
    /// message acts for it.
    pub(crate) async fn probe(
        &self,
        parked: DeliveryRow,
        at: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StepError> {
        let Some(claimed) = self.claim(parked, at, until).await? else { return Ok(false) };
        let wait = at.since(self.clock.now());
        let entry = QueueEntry::again(&claimed.again(true), wait).map_err(StepError::from);
        self.retries.send(std::iter::once(entry)).await?;
        Ok(true)
    }

    /// Claims a delivery from one time to another; `None` if another message acts for it then, or
    /// it does not wait for the same any more.
    async fn claim(
        &self,
        row: DeliveryRow,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Option<DeliveryRow>, StoreError> {
        // A claim that would fail costs as much as one that doesn't.
        if row.is_claimed(from) {
            return Ok(None);
        }
        match self.rows.claim(&row, rand::random(), from, until).await {
            Ok(claimed) => Ok(Some(claimed)),
            Err(StoreError::Conflict) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
