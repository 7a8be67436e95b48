//! The rows of deliveries that are not finished: they wait for a time, in the lists of what is due,
//! or until their receiver is well, in a list of their endpoint's.
//!
//! # Pitfalls
//!
//! A row is deleted only once its delivery has ended. Until then it is in a list: a message that is
//! lost costs time, and whoever looks next finds the row. Rows do not expire.
//!
//! First the row, then the message, then the acknowledgement of the message before.

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::types::ReturnValue;
use domain::{
    delivery_row::DeliveryRow,
    id::{EndpointId, EventId, ProjectId, SHARDS},
    message::Message,
    model::event::LoggedEvent,
    time::Timestamp,
    work::Again,
};
use futures::{Stream, TryStreamExt, future::ready};
use serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value;

use crate::{
    Access, StoreError, Table,
    event_row::unpack_row,
    item::{Item, expired, item, key, number, string, text},
    list::parse,
    merge::Merge,
    row_keys::{lists, pk, sk},
    table::{Update, get_many},
};

/// Which row it is, as the list shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryKey {
    /// The endpoint's project.
    pub project: ProjectId,
    /// What goes there.
    pub event: EventId,
    /// Where it goes.
    pub endpoint: EndpointId,
}

impl DeliveryKey {
    /// Of this delivery.
    pub fn of(row: &DeliveryRow) -> Self {
        Self { project: row.project, event: row.event, endpoint: row.endpoint }
    }

    fn row(&self) -> Item {
        row(self.project, self.event, self.endpoint)
    }
}

fn place_of(project: ProjectId, event: EventId, endpoint: EndpointId) -> (String, String) {
    (pk::deliveries(project, event.shard()), sk::delivery(event, endpoint))
}

fn row(project: ProjectId, event: EventId, endpoint: EndpointId) -> Item {
    let (pk, sk) = place_of(project, event, endpoint);
    key(pk, sk)
}

/// The row with its key and its list.
fn whole(row: &DeliveryRow) -> Result<Item, StoreError> {
    let (pk, sk) = place_of(row.project, row.event, row.endpoint);
    let mut item = item(pk, sk, row)?;
    item.insert("list".to_owned(), string(list_of(row)));
    Ok(item)
}

/// The list that a row is in.
fn list_of(row: &DeliveryRow) -> String {
    if row.is_parked() {
        return lists::parked(row.project, row.endpoint, row.event.shard());
    }
    let (pk, sk) = place_of(row.project, row.event, row.endpoint);
    lists::due_of(&pk, &sk)
}

/// Writes, finds and deletes rows of deliveries.
#[derive(Clone, Debug)]
pub struct DeliveryRows(Table);

impl DeliveryRows {
    /// Over the state table.
    pub fn new(state: Table) -> Self {
        Self(state)
    }

    /// Writes the first row of a delivery. The row for which the caller acts now; `None` if there
    /// is one already that somebody else takes care of.
    ///
    /// The row of a later resend stays, and that of an earlier round is needless from now on. If an
    /// invocation that died has written this very wait, it is taken over.
    pub async fn begin(&self, row: DeliveryRow) -> Result<Option<DeliveryRow>, StoreError> {
        let absent = "attribute_not_exists(pk)";
        let put = match row.round {
            None => self.0.put_if(whole(&row)?, absent, []).await,
            Some(round) => {
                let earlier = "attribute_not_exists(round) OR round < :round";
                let round = (":round", string(round.to_string()));
                self.0.put_if(whole(&row)?, &format!("{absent} OR {earlier}"), [round]).await
            }
        };
        match put {
            Ok(None) => Ok(Some(row)),
            Ok(Some(there)) => self.take_over(row, parse(there)?).await,
            // It has ended in the meantime.
            Err(StoreError::Conflict) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes the row of a delivery that is sent again, in the place of one that waits for an
    /// earlier attempt. The message that acts for it; `None` if a later resend has the row. `seq`
    /// is random.
    pub async fn begin_again(
        &self,
        message: &Message,
        seq: u64,
    ) -> Result<Option<Again>, StoreError> {
        let begun = self.begin(DeliveryRow::resend(message, seq)).await?;
        Ok(begun.map(|row| row.again(false)))
    }

    /// Writes the row of a delivery that may be on its way, unless there is one.
    pub async fn begin_unconfirmed(&self, row: &DeliveryRow) -> Result<(), StoreError> {
        match self.0.put_if(whole(row)?, "attribute_not_exists(pk)", []).await {
            // Somebody takes care of it, or it has ended in the meantime.
            Ok(_) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn take_over(
        &self,
        row: DeliveryRow,
        there: DeliveryRow,
    ) -> Result<Option<DeliveryRow>, StoreError> {
        // The answer to the put was lost, and the SDK has put again.
        if there == row {
            return Ok(Some(row));
        }
        if row.is_parked() || there.is_parked() || row.round != there.round {
            return Ok(None);
        }
        let update = self.wait(&DeliveryRow { seq: there.seq, ..row.clone() }, " ADD seq :one")?;
        let taken = update.value(":one", number(1)).make_if().await?;
        Ok(taken.then(|| DeliveryRow { seq: there.seq + 1, ..row }))
    }

    /// Writes down for what a delivery waits now: its message is done, or carries it on. Nothing if
    /// another message acts for it by now.
    pub async fn change(&self, row: &DeliveryRow) -> Result<(), StoreError> {
        self.wait(row, "")?.make_if().await.map(drop)
    }

    fn wait(&self, row: &DeliveryRow, more: &str) -> Result<Update, StoreError> {
        let key = DeliveryKey::of(row).row();
        let change =
            "SET #state = :state, #list = :list, list_at = :at REMOVE claimed_from, claimed_until";
        // Two reserved words in expressions.
        let update = self.0.update(key, format!("{change}{more}")).when("seq = :seq");
        Ok(update.name("#state", "state").name("#list", "list").values([
            (":state", to_attribute_value(row.state)?),
            (":list", string(list_of(row))),
            (":at", number(row.list_at.millis())),
            (":seq", number(row.seq)),
        ]))
    }

    /// Claims a delivery from one time to another, in which a message acts for it: as it is then.
    /// `claim` is random, by which a repeat of a call whose answer was lost is known.
    /// [`StoreError::Conflict`] if it has another claim then, or has ended.
    pub async fn claim(
        &self,
        key: &DeliveryKey,
        claim: u64,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<DeliveryRow, StoreError> {
        let free = "attribute_exists(pk) AND (attribute_not_exists(claimed_until) \
                    OR claimed_until <= :from OR claimed_from > :from OR claimed_by = :claim)";
        let change = "SET claimed_from = :from, claimed_until = :until, claimed_by = :claim \
                      ADD seq :one";
        let values = [
            (":from", number(from.millis())),
            (":until", number(until.millis())),
            (":claim", number(claim)),
            (":one", number(1)),
        ];
        let update = self.0.update(key.row(), change).when(free).values(values);
        parse(update.returning(ReturnValue::AllNew).await?)
    }

    /// Deletes the row of a delivery that has ended. Nothing if another message acts for it by now.
    pub async fn delete(&self, row: &DeliveryRow) -> Result<(), StoreError> {
        let seq = (":seq", number(row.seq));
        match self.0.delete_if(DeliveryKey::of(row).row(), "seq = :seq", [seq]).await {
            Err(StoreError::Conflict) => Ok(()),
            deleted => deleted,
        }
    }

    /// The parked deliveries of an endpoint, of the oldest event first, from events of this time
    /// on. The list may lag: one may be parked and not be here yet, or be here and not be parked
    /// any more.
    pub fn parked(
        &self,
        project: ProjectId,
        endpoint: EndpointId,
        from: Timestamp,
    ) -> impl Stream<Item = Result<DeliveryKey, StoreError>> + '_ {
        let lists: Vec<_> =
            (0..SHARDS).map(|shard| lists::parked(project, endpoint, shard)).collect();
        let key = |row: Item| ready(Ok(lists::delivery(text(&row, "pk"), text(&row, "sk"))));
        Merge::of_lists(&self.0, &lists, (from, Timestamp::MAX))
            .rows()
            .try_filter_map(key)
            .map_ok(|(project, event, endpoint)| DeliveryKey { project, event, endpoint })
    }

    /// Those of these that are not finished, in any order. One that can't be read is left out.
    pub async fn get(&self, keys: &[DeliveryKey]) -> Result<Vec<DeliveryRow>, StoreError> {
        let rows = get_many(keys.iter().map(|key| (&self.0, key.row())).collect()).await?;
        Ok(rows.into_iter().filter_map(readable).collect())
    }

    /// The row of an event's delivery to an endpoint, if that is not finished. One that can't be
    /// read is left out.
    pub async fn find(
        &self,
        access: Access,
        endpoint: EndpointId,
        event: EventId,
    ) -> Result<Option<DeliveryRow>, StoreError> {
        Ok(self.0.get_item(row(access.project(), event, endpoint)).await?.and_then(readable))
    }
}

/// Reads the deliveries that messages name, with what goes there.
#[derive(Clone, Debug)]
pub struct DeliveryReader {
    state: Table,
    log: Table,
}

/// What is known of the event of a delivery.
#[derive(Clone, Debug)]
pub enum EventFound {
    /// All.
    There(Box<LoggedEvent>),
    /// It is not kept any more.
    Gone,
    /// It is there and can't be read: newer code has written it, or it is damaged.
    Unreadable,
}

/// A delivery, and its event.
pub type WithEvent = (DeliveryRow, EventFound);

impl DeliveryReader {
    /// Over the state and the log table.
    pub fn new(state: Table, log: Table) -> Self {
        Self { state, log }
    }

    /// For each of these the delivery that it acts for; `None` if it is void. One call for up to 50
    /// distinct ones.
    pub async fn load(
        &self,
        messages: &[&Again],
        now: Timestamp,
    ) -> Result<Vec<Option<WithEvent>>, StoreError> {
        let deliveries: HashSet<_> = messages
            .iter()
            .map(|&&Again { project, event, endpoint, .. }| (project, event, endpoint))
            .collect();
        let events: HashSet<_> =
            deliveries.iter().map(|&(project, event, _)| (project, event)).collect();
        let rows = deliveries
            .into_iter()
            .map(|(project, event, endpoint)| (&self.state, row(project, event, endpoint)));
        let events = events.into_iter().map(|(project, event)| {
            (&self.log, key(pk::events(project, event.shard()), event.to_string()))
        });
        let mut found = Found::default();
        for row in get_many(rows.chain(events).collect()).await? {
            found.note(row, now);
        }
        Ok(messages.iter().map(|message| found.of(message)).collect())
    }
}

/// Rows that were read.
#[derive(Default)]
struct Found {
    rows: Vec<DeliveryRow>,
    /// By project and sort key.
    events: HashMap<(ProjectId, String), EventFound>,
}

impl Found {
    fn note(&mut self, row: Item, now: Timestamp) {
        if lists::delivery(text(&row, "pk"), text(&row, "sk")).is_some() {
            self.rows.extend(readable(row));
        } else if let Some(project) = pk::project_of_events(text(&row, "pk"))
            && !expired(&row, now.seconds())
        {
            let id = text(&row, "sk").to_owned();
            let found = unpack_row(row).map_or_else(
                |error| {
                    tracing::error!(%error, %project, event = id, "an event can't be read");
                    EventFound::Unreadable
                },
                |logged| EventFound::There(Box::new(logged)),
            );
            self.events.insert((project, id), found);
        }
    }

    fn of(&self, message: &Again) -> Option<WithEvent> {
        let &Again { project, event, endpoint, seq, .. } = message;
        let names = |row: &&DeliveryRow| {
            (row.project, row.event, row.endpoint, row.seq) == (project, event, endpoint, seq)
        };
        let row = self.rows.iter().find(names)?;
        let found = self.events.get(&(project, event.to_string()));
        Some((row.clone(), found.cloned().unwrap_or(EventFound::Gone)))
    }
}

/// A row's delivery. One that can't be read stays, for newer code or for the operator.
fn readable(row: Item) -> Option<DeliveryRow> {
    let place = (text(&row, "pk").to_owned(), text(&row, "sk").to_owned());
    parse(row).inspect_err(|error| tracing::error!(%error, ?place, "a delivery can't be read")).ok()
}
