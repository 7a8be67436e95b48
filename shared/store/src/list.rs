//! Pages over one or several ordered partitions.
//!
//! A log is spread over [`SHARDS`](domain::id::SHARDS) partitions; a list merges their ordered
//! queries, which run in parallel.
//!
//! A cursor is an id; the page goes on behind its row (see [`Cursor`]).

use std::{
    collections::VecDeque,
    future::Future,
    time::{Duration, Instant},
};

use domain::{
    id::{AutomationId, EndpointId, EventId, KeyId, OperatorKeyId, ProjectId, RecoveryId},
    time::Timestamp,
};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use serde::de::DeserializeOwned;
use serde_dynamo::aws_sdk_dynamodb_1::from_item;

use crate::{
    StoreError, Table,
    item::{INFLATED, Item, expired, text},
    merge::Merge,
    row_keys::sk,
};

/// Newest first, or oldest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Oldest first.
    Asc,
    /// Newest first.
    #[default]
    Desc,
}

/// Which page of a list.
#[derive(Clone, Debug)]
pub struct PageRequest<Id> {
    /// The most items, 1 to 100.
    pub limit: usize,
    /// The list's order.
    pub order: Order,
    /// Only what comes behind this item in the list.
    pub after: Option<Id>,
    /// Only what comes ahead of this item in the list: the page that ends there.
    pub before: Option<Id>,
    /// Only what is at least as new.
    pub since: Option<Timestamp>,
    /// Only what is older.
    pub until: Option<Timestamp>,
}

impl<Id: Copy> PageRequest<Id> {
    /// Whether the page is read from its end, whether that goes from new to old, and behind what.
    pub(crate) fn direction(&self) -> (bool, bool, Option<Id>) {
        let backwards = self.after.is_none() && self.before.is_some();
        let descending = (self.order == Order::Desc) != backwards;
        (backwards, descending, self.after.or(self.before))
    }
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// Whether the list continues in the direction of reading.
    pub has_more: bool,
    /// The id after which the list continues. Not always the last item's: with a rare filter, a
    /// page ends where it stopped looking.
    pub last_seen: Option<String>,
}

impl<T> Page<T> {
    /// The same page of something else.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(change).collect(),
            has_more: self.has_more,
            last_seen: self.last_seen,
        }
    }
}

/// An id as a place in a list.
pub trait Cursor: Copy + Send + Sync {
    /// The beginning of the sort keys of the rows among which this one stands.
    fn group(&self) -> String;
    /// The row's `id` attribute.
    fn id(&self) -> String;
}

macro_rules! sorted_by {
    ($($id:ident: $sort_key:path),* $(,)?) => {$(
        impl Cursor for $id {
            fn group(&self) -> String { $sort_key(*self) }
            fn id(&self) -> String { self.to_string() }
        }
    )*};
}
sorted_by!(
    ProjectId: sk::id,
    EventId: sk::id,
    EndpointId: sk::endpoint,
    AutomationId: sk::automation,
    KeyId: sk::api_key,
    OperatorKeyId: sk::id,
    RecoveryId: sk::recovery,
);

/// Rows that a page looks at before it gives up filling itself, so that a filter that matches
/// nothing ends in time.
const MAX_EXAMINED: usize = 5_000;
/// And how long it looks, as rows may need reads of their own: half of the function's time.
const PATIENCE: Duration = Duration::from_secs(7);
/// Lambda: an answer holds at most 6 MB, in which the body is a JSON string with its quotes
/// escaped: at worst twice as long.
const MAX_BYTES: usize = 2 << 20;
/// Rows that are completed (by further reads) at a time.
const CONCURRENCY: usize = 16;
/// Calls by which the rows of a page are completed, one row's at least; a page ends early where
/// there would be more. An event with 500 recipients takes 2,000.
const MAX_LOOK_UPS: usize = 800;
/// Above every character of a sort key.
pub(crate) const END: char = '~';

/// An ordered list over partitions of a table.
pub(crate) struct Listing<'a> {
    table: &'a Table,
    partitions: Vec<String>,
    prefix: &'static str,
}

impl<'a> Listing<'a> {
    /// `prefix` is what the sort keys start with, up to the ULID.
    pub(crate) fn new(table: &'a Table, partitions: Vec<String>, prefix: &'static str) -> Self {
        Self { table, partitions, prefix }
    }

    /// One page. `keep` turns a row into an item, or into nothing when a filter leaves it out. A
    /// row that can't be read is left out too: it must not hide the others.
    pub(crate) async fn page<Id, T, F, Fut>(
        &self,
        request: &PageRequest<Id>,
        now: Timestamp,
        keep: F,
    ) -> Result<Page<T>, StoreError>
    where
        Id: Cursor,
        F: Fn(Item) -> Fut,
        Fut: Future<Output = Result<Option<T>, StoreError>>,
    {
        self.page_of(request, now, Ok, |_| 0, keep).await
    }

    /// As [`Self::page`], of what `read` makes of rows, where `keep` makes so many further calls.
    pub(crate) async fn page_of<Id, R, T, F, Fut>(
        &self,
        request: &PageRequest<Id>,
        now: Timestamp,
        read: impl Fn(Item) -> Result<R, StoreError>,
        look_ups: impl Fn(&R) -> usize,
        keep: F,
    ) -> Result<Page<T>, StoreError>
    where
        Id: Cursor,
        F: Fn(R) -> Fut,
        Fut: Future<Output = Result<Option<T>, StoreError>>,
    {
        let (backwards, descending, cursor) = request.direction();
        let (low, high) = self.range(request, cursor, descending);

        let rows = Merge::new(self.table, &self.partitions, low, high, descending).rows();
        let rows = skip_to(rows, cursor)
            .try_filter(|row| futures::future::ready(!expired(row, now.seconds())));
        let found = rows.map_ok(|row| {
            let (id, size) = (text(&row, "id").to_owned(), size_of(&row));
            let place = format!("{} {}", text(&row, "pk"), text(&row, "sk"));
            Found { id, place, size, read: read(row).map(Some) }
        });
        fill(request, backwards, complete(found, look_ups, &keep)).await
    }

    /// The inclusive bounds of the sort keys.
    fn range<Id: Cursor>(
        &self,
        request: &PageRequest<Id>,
        cursor: Option<Id>,
        descending: bool,
    ) -> (String, String) {
        let mut low =
            request.since.map_or_else(|| self.prefix.to_owned(), |time| bound(self.prefix, time));
        let mut high = request
            .until
            .map_or_else(|| format!("{}{END}", self.prefix), |time| bound(self.prefix, time));
        if let Some(cursor) = cursor {
            let group = cursor.group();
            if descending {
                high = high.min(format!("{group}{END}"));
            } else {
                low = low.max(group);
            }
        }
        (low, high)
    }
}

/// A row that was found.
pub(crate) struct Found<R> {
    /// See [`Looked::id`].
    pub(crate) id: String,
    /// Which row it is, for the log.
    pub(crate) place: String,
    /// See [`Looked::size`].
    pub(crate) size: usize,
    /// What it holds; nothing if it is gone.
    pub(crate) read: Result<Option<R>, StoreError>,
}

/// Completes rows by further calls, in their order, until there would be too many.
pub(crate) fn complete<'a, R, T, F, Fut>(
    found: impl Stream<Item = Result<Found<R>, StoreError>> + 'a,
    look_ups: impl Fn(&R) -> usize + 'a,
    keep: &'a F,
) -> impl Stream<Item = impl Future<Output = Result<Looked<T>, StoreError>>> + 'a
where
    R: 'a,
    T: 'a,
    F: Fn(R) -> Fut,
    Fut: Future<Output = Result<Option<T>, StoreError>>,
{
    let mut made = 0;
    found.map(move |found| {
        let mut is_enough = false;
        if let Ok(Found { read: Ok(Some(read)), .. }) = &found {
            let before = made;
            made += look_ups(read);
            is_enough = before > 0 && made > MAX_LOOK_UPS;
        }
        async move {
            let Found { id, place, size, read } = found?;
            if is_enough {
                return Ok(Looked { id, size, item: None, is_enough });
            }
            let kept = async {
                match read? {
                    Some(read) => keep(read).await,
                    None => Ok(None),
                }
            };
            Ok(Looked { id, size, item: readable(&place, kept.await)?, is_enough })
        }
    })
}

/// A row that was looked at.
pub(crate) struct Looked<T> {
    /// By which the list can be continued behind it.
    pub(crate) id: String,
    /// Its rough size in the answer, in bytes.
    pub(crate) size: usize,
    /// What the list shows of it, unless a filter leaves it out.
    pub(crate) item: Option<T>,
    /// It was not: a page must end before it.
    pub(crate) is_enough: bool,
}

/// What a list shows of a row: nothing if it can't be read, as that must not hide the others.
fn readable<T>(place: &str, read: Result<Option<T>, StoreError>) -> Result<Option<T>, StoreError> {
    match read {
        Err(error @ (StoreError::Unreadable(_) | StoreError::Damaged(_))) => {
            tracing::error!(row = place, %error, "a list leaves out a row that can't be read");
            Ok(None)
        }
        read => read,
    }
}

/// Fills a page with what these find, until it is full, or has looked at enough.
pub(crate) async fn fill<Id, T, Fut>(
    request: &PageRequest<Id>,
    backwards: bool,
    rows: impl Stream<Item = Fut>,
) -> Result<Page<T>, StoreError>
where
    Fut: Future<Output = Result<Looked<T>, StoreError>>,
{
    let mut rows = std::pin::pin!(rows.buffered(CONCURRENCY));
    let mut page = Page { items: Vec::new(), has_more: false, last_seen: None };
    let (started, mut examined, mut bytes) = (Instant::now(), 0, 0);
    while let Some(Looked { id, size, item, is_enough }) = rows.try_next().await? {
        let full =
            page.items.len() >= request.limit || bytes + size > MAX_BYTES && !page.items.is_empty();
        if item.is_some() && full
            || is_enough
            || examined >= MAX_EXAMINED
            || examined > 0 && started.elapsed() > PATIENCE
        {
            page.has_more = true;
            break;
        }
        examined += 1;
        if let Some(item) = item {
            bytes += size;
            page.items.push(item);
        }
        page.last_seen = Some(id);
    }
    if backwards {
        page.items.reverse();
    }
    Ok(page)
}

/// A row as the type that it holds.
pub(crate) fn parse<T: DeserializeOwned>(row: Item) -> Result<T, StoreError> {
    Ok(from_item(row)?)
}

/// The beginning of the sort keys of a moment: a prefix and the first ten characters of a ULID.
pub(crate) fn bound(prefix: &str, time: Timestamp) -> String {
    let ulid = ulid::Ulid::from_parts(time.min(Timestamp::MAX).millis(), 0).to_string();
    format!("{prefix}{}", &ulid[..10])
}

/// Leaves out the rows up to and with the cursor's own; they share its group. If the cursor's row
/// is gone, none of the group is left out: rather twice than never.
fn skip_to<Id: Cursor>(
    rows: impl Stream<Item = Result<Item, StoreError>>,
    cursor: Option<Id>,
) -> impl Stream<Item = Result<Item, StoreError>> {
    let place = cursor.map(|cursor| (cursor.group(), cursor.id()));
    let skipping = (place, Vec::new());
    stream::unfold(
        (Box::pin(rows), skipping, VecDeque::new()),
        |(mut rows, (mut place, mut group), mut ready)| async move {
            loop {
                if let Some(row) = ready.pop_front() {
                    return Some((row, (rows, (place, group), ready)));
                }
                let row = rows.next().await;
                let Some((prefix, id)) = &place else {
                    return row.map(|row| (row, (rows, (place, group), ready)));
                };
                match row {
                    Some(Ok(row)) if text(&row, "id") == id => {
                        group.clear();
                        place = None;
                    }
                    Some(Ok(row)) if text(&row, "sk").starts_with(prefix) => group.push(Ok(row)),
                    other => {
                        ready.extend(std::mem::take(&mut group));
                        place = None;
                        match other {
                            Some(row) => ready.push_back(row),
                            None if ready.is_empty() => return None,
                            None => {}
                        }
                    }
                }
            }
        },
    )
}

/// The rough size of what a row becomes: its texts, and what its compressed parts inflate to, which
/// the row says itself.
fn size_of(row: &Item) -> usize {
    let inflated = row
        .get(INFLATED)
        .and_then(|size| size.as_n().ok())
        .and_then(|size| size.parse().ok())
        .unwrap_or(0_usize);
    inflated + row.values().map(|value| value.as_s().map_or(16, String::len)).sum::<usize>()
}
