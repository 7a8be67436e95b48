//! The rows of deliveries that did not end at once: they wait for a time, in the lists of what is
//! due; or until their receiver is well, in a list of their endpoint's; or have ended.
//!
//! # Pitfalls
//!
//! A row that has not ended is in a list and does not expire: a message that is lost costs time,
//! and whoever looks next finds the row. One that has ended stays for as long as its attempts; the
//! failed ones in a list of their project's.
//!
//! First the row, then the message, then the acknowledgement of the message before.

use std::collections::{HashMap, HashSet};

use crate::{
    Access, StoreError, Table,
    event_row::unpack_row,
    item::{Item, expired, item, key, number, string, text},
    list::parse,
    merge::Merge,
    row_keys::{lists, pk, sk},
    table::{self, get_many},
};
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use domain::{
    delivery::End,
    delivery_row::{DeliveryRow, State},
    id::{AttemptId, EndpointId, EventId, ProjectId, RoundId, SHARDS},
    model::{Attempt, event::LoggedEvent},
    time::Timestamp,
    work::Again,
};
use futures::{Stream, TryStreamExt, future::ready};

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
    item.extend(list_of(row).map(|list| ("list".to_owned(), string(list))));
    Ok(item)
}

/// The list that a row is in, if it is in one.
fn list_of(row: &DeliveryRow) -> Option<String> {
    let shard = row.event.shard();
    match row.state {
        State::Waiting { .. } => {
            let (pk, sk) = place_of(row.project, row.event, row.endpoint);
            Some(lists::due_of(&pk, &sk))
        }
        State::Parked { held_by, .. } => {
            Some(lists::parked(row.project, held_by.unwrap_or(row.endpoint), shard))
        }
        State::Ended(End::Failed) => Some(lists::failed(row.project, shard)),
        State::Ended(End::Succeeded) => None,
    }
}

/// How often a row is begun while others change it.
const TRIES: u32 = 8;

/// What came of a put.
enum Put {
    Done,
    /// Another row is there, if there is one at all.
    Other(Option<Box<DeliveryRow>>),
}

/// Writes and finds rows of deliveries.
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
    /// If an invocation that died has written a wait of this round, it is taken over.
    pub async fn begin(&self, row: DeliveryRow) -> Result<Option<DeliveryRow>, StoreError> {
        match self.put(&row, None).await? {
            Put::Done => Ok(Some(row)),
            // A repeated request has written it: this knows more.
            Put::Other(Some(there))
                if there.round == row.round && there.history.attempts < row.history.attempts =>
            {
                let taken = DeliveryRow { seq: there.seq + 1, ..row };
                Ok(self.change(&there, &taken).await?.then_some(taken))
            }
            Put::Other(Some(there)) if row.due_at().is_some() => {
                self.take_over(row.round, *there).await
            }
            Put::Other(_) => Ok(None),
        }
    }

    /// Writes the row of a delivery that is sent again, in the place of the one that is there. The
    /// row for which the caller acts now; `None` if a later round has it, or this one has ended.
    pub async fn begin_again(
        &self,
        row: DeliveryRow,
        mut there: Option<DeliveryRow>,
    ) -> Result<Option<DeliveryRow>, StoreError> {
        for attempt in 0..TRIES {
            table::pause(attempt).await;
            if let Some(there) = &there {
                if there.round == row.round {
                    return self.take_over(row.round, there.clone()).await;
                }
                if !there.has_ended() && there.round > row.round {
                    return Ok(None);
                }
            }
            let history = there.as_ref().map_or(&row.history, |there| &there.history);
            let unconfirmed = there.as_ref().is_some_and(|there| there.unconfirmed);
            let new = DeliveryRow { unconfirmed, history: history.anew(), ..row.clone() };
            match self.put(&new, there.as_ref()).await? {
                Put::Done => return Ok(Some(new)),
                Put::Other(other) => there = other.map(|other| *other),
            }
        }
        Err(StoreError::Conflict)
    }

    /// Writes the row of a delivery that may be on its way, unless there is one.
    pub async fn begin_unconfirmed(&self, row: &DeliveryRow) -> Result<(), StoreError> {
        self.put(row, None).await.map(drop)
    }

    /// Another message acts for a wait of this round from now on: the one before may not have been
    /// sent.
    async fn take_over(
        &self,
        round: Option<RoundId>,
        there: DeliveryRow,
    ) -> Result<Option<DeliveryRow>, StoreError> {
        if there.round != round || there.due_at().is_none() {
            return Ok(None);
        }
        let taken = DeliveryRow { seq: there.seq + 1, ..there.clone() };
        Ok(self.change(&there, &taken).await?.then_some(taken))
    }

    /// Writes down what has become of a delivery: for what it waits now, or how it has ended. Its
    /// message is done, or carries it on. Whether that holds: not if another message acts for it by
    /// now, or has made an attempt.
    pub async fn change(
        &self,
        before: &DeliveryRow,
        after: &DeliveryRow,
    ) -> Result<bool, StoreError> {
        Ok(matches!(self.put(after, Some(before)).await?, Put::Done))
    }

    /// Writes down what comes of an attempt, as [`Self::change`], on the row that is there by then:
    /// an attempt of another message may have been noted in it meanwhile. A failure counts only in
    /// its own turn, a success in its round. The row then; `None` if it has moved on.
    pub async fn settle(
        &self,
        before: &DeliveryRow,
        after: impl Fn(&DeliveryRow) -> DeliveryRow,
    ) -> Result<Option<DeliveryRow>, StoreError> {
        let mut there = before.clone();
        for attempt in 0..TRIES {
            table::pause(attempt).await;
            let new = after(&there);
            let other = match self.put(&new, Some(&there)).await? {
                Put::Done => return Ok(Some(new)),
                Put::Other(Some(other)) => other,
                Put::Other(None) => return Ok(None),
            };
            let same_turn = other.history.turns == before.history.turns;
            let counts = same_turn || new.state == State::Ended(End::Succeeded);
            if other.seq != before.seq || other.has_ended() || !counts {
                return Ok(None);
            }
            there = *other;
        }
        Err(StoreError::Conflict)
    }

    /// Writes a row in the place of the one that was read: none, or one whose message and attempts
    /// are still the same.
    async fn put(&self, row: &DeliveryRow, there: Option<&DeliveryRow>) -> Result<Put, StoreError> {
        let item = whole(row)?;
        let put = match there {
            None => self.0.put_if(item, "attribute_not_exists(pk)", []).await,
            Some(there) => {
                let same = "seq = :seq AND attempts = :attempts";
                let values = [
                    (":seq", number(there.seq)),
                    (":attempts", number(there.history.attempts.into())),
                ];
                self.0.put_if(item, same, values).await
            }
        };
        match put {
            Ok(None) => Ok(Put::Done),
            Ok(Some(other)) => {
                let other: DeliveryRow = parse(other)?;
                // The answer to the put was lost, and the SDK has put again.
                if other == *row { Ok(Put::Done) } else { Ok(Put::Other(Some(Box::new(other)))) }
            }
            Err(StoreError::Conflict) => Ok(Put::Other(None)),
            Err(error) => Err(error),
        }
    }

    /// Notes an attempt of a delivery whose row has moved on. Its entry comes first: the last one
    /// is that of the row's last attempt.
    pub async fn note(&self, attempt: &Attempt, entry: AttemptId) -> Result<(), StoreError> {
        let key = row(attempt.project, attempt.event, attempt.endpoint);
        let change = "SET attempts = attempts + :one, \
                      entries = list_append(:entry, if_not_exists(entries, :none))";
        let update = self.0.update(key, change).when("attribute_exists(pk)").values([
            (":one", number(1)),
            (":none", AttributeValue::L(Vec::new())),
            (":entry", AttributeValue::L(vec![string(entry.to_string())])),
        ]);
        update.make_if().await.map(drop)
    }

    /// Claims a delivery from one time to another, in which a message acts for it: as it is then.
    /// `claim` is random, by which a repeat of a call whose answer was lost is known.
    /// [`StoreError::Conflict`] if it has another claim then, or does not wait for the same.
    pub async fn claim(
        &self,
        row: &DeliveryRow,
        claim: u64,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<DeliveryRow, StoreError> {
        let free = "#list = :list AND (attribute_not_exists(claimed_until) \
                    OR claimed_until <= :from OR claimed_from > :from OR claimed_by = :claim)";
        let change = "SET claimed_from = :from, claimed_until = :until, claimed_by = :claim \
                      ADD seq :one";
        let values = [
            (":from", number(from.millis())),
            (":until", number(until.millis())),
            (":claim", number(claim)),
            (":one", number(1)),
            (":list", string(list_of(row).unwrap_or_default())),
        ];
        let update = self.0.update(DeliveryKey::of(row).row(), change).when(free).values(values);
        let update = update.name("#list", "list");
        parse(update.returning(ReturnValue::AllNew).await?)
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
        self.parked_from(project, endpoint, from, false)
    }

    /// As [`Self::parked`], all of it, of the newest event first.
    pub fn newest_parked(
        &self,
        project: ProjectId,
        endpoint: EndpointId,
    ) -> impl Stream<Item = Result<DeliveryKey, StoreError>> + '_ {
        self.parked_from(project, endpoint, Timestamp::from_millis(0), true)
    }

    fn parked_from(
        &self,
        project: ProjectId,
        endpoint: EndpointId,
        from: Timestamp,
        descending: bool,
    ) -> impl Stream<Item = Result<DeliveryKey, StoreError>> + '_ {
        let lists: Vec<_> =
            (0..SHARDS).map(|shard| lists::parked(project, endpoint, shard)).collect();
        let key = |row: Item| ready(Ok(lists::delivery(text(&row, "pk"), text(&row, "sk"))));
        Merge::of_lists(&self.0, &lists, (from, Timestamp::MAX), descending)
            .rows()
            .try_filter_map(key)
            .map_ok(|(project, event, endpoint)| DeliveryKey { project, event, endpoint })
    }

    /// The rows of those of these that have one, in any order. One that can't be read is left out.
    pub async fn get(&self, keys: &[DeliveryKey]) -> Result<Vec<DeliveryRow>, StoreError> {
        let rows = get_many(keys.iter().map(|key| (&self.0, key.row())).collect()).await?;
        Ok(rows.into_iter().filter_map(readable).collect())
    }

    /// The rows of an event's deliveries, in any order. One that can't be read is left out.
    pub async fn of_event(
        &self,
        access: Access,
        event: EventId,
    ) -> Result<Vec<DeliveryRow>, StoreError> {
        let pk = pk::deliveries(access.project(), event.shard());
        let rows = self.0.all(pk, &sk::of_event(event)).await?;
        Ok(rows.into_iter().filter_map(readable).collect())
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
