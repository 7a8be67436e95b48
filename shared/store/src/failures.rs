//! The events of failed deliveries, found by a list of the index instead of by a walk through all
//! events.
//!
//! # Pitfalls
//!
//! The list is ordered by the milliseconds of events, and has no order within one. So rows of one
//! millisecond are sorted here: a cursor is an id, and pages continue behind it.

use domain::{
    id::{EventId, ProjectId, SHARDS},
    model::event::LoggedEvent,
    time::Timestamp,
};
use futures::{Stream, StreamExt, TryStreamExt, future::ready};

use crate::{
    Access, Page, PageRequest, StoreError, Table,
    events::{EventReader, look_ups},
    item::{Item, text},
    list::{Found, complete, fill},
    merge::Merge,
    moments::sorted,
    row_keys::lists,
};

/// Events that are read at a time.
const CONCURRENCY: usize = 16;

/// Finds failed deliveries.
#[derive(Clone, Debug)]
pub struct FailureList(Table);

impl FailureList {
    /// Over the state table.
    pub fn new(state: Table) -> Self {
        Self(state)
    }

    /// A page of the project's events that have a failed delivery; `keep` filters and completes
    /// them. A delivery that has failed just now may not be in the list yet.
    pub async fn page<T, F, Fut>(
        &self,
        access: Access,
        events: &EventReader,
        request: &PageRequest<EventId>,
        now: Timestamp,
        keep: F,
    ) -> Result<Page<T>, StoreError>
    where
        F: Fn(LoggedEvent) -> Fut,
        Fut: Future<Output = Result<Option<T>, StoreError>>,
    {
        let (backwards, descending, cursor) = request.direction();
        let is_behind = move |id: EventId| {
            cursor.is_none_or(|cursor| if descending { id < cursor } else { id > cursor })
        };
        let ids = self.events(access.project(), range(request, cursor, descending), descending);
        let ids = ids.try_filter(move |id| ready(is_behind(*id)));
        let found = ids.map(|id| async move {
            let id = id?;
            let read = events.get(access, id, now).await;
            let size = read.as_ref().ok().and_then(Option::as_ref);
            let size = size.map_or(0, |logged| logged.event.data.get().len());
            Ok(Found { id: id.to_string(), place: id.to_string(), size, read })
        });
        let found = found.buffered(CONCURRENCY);
        fill(request, backwards, complete(found, look_ups, &keep)).await
    }

    /// The events in this range of times, both included, in the order of their ids, each once.
    fn events(
        &self,
        project: ProjectId,
        range: (Timestamp, Timestamp),
        descending: bool,
    ) -> impl Stream<Item = Result<EventId, StoreError>> + '_ {
        let lists: Vec<_> = (0..SHARDS).map(|shard| lists::failed(project, shard)).collect();
        let rows = Merge::of_lists(&self.0, &lists, range, descending).rows();
        let ids = rows.try_filter_map(|row: Item| {
            ready(Ok(lists::delivery(text(&row, "pk"), text(&row, "sk")).map(|(_, id, _)| id)))
        });
        sorted(ids, |id| *id, |id| id.time().millis(), descending)
    }
}

/// The times of events that a page may show: from one to another, both included.
fn range(
    request: &PageRequest<EventId>,
    cursor: Option<EventId>,
    descending: bool,
) -> (Timestamp, Timestamp) {
    let mut from = request.since.unwrap_or(Timestamp::from_millis(0));
    let before = |time: Timestamp| Timestamp::from_millis(time.millis().saturating_sub(1));
    let mut until = request.until.map_or(Timestamp::MAX, before);
    if let Some(cursor) = cursor {
        if descending {
            until = until.min(cursor.time());
        } else {
            from = from.max(cursor.time());
        }
    }
    (from, until)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(millis: u64, number: u128) -> EventId {
        EventId::new(Timestamp::from_millis(millis), number)
    }

    #[test]
    fn a_page_begins_in_the_millisecond_of_its_cursor_and_ends_before_its_until() {
        let request = PageRequest {
            limit: 9,
            order: crate::Order::Asc,
            after: None,
            before: None,
            since: Some(Timestamp::from_millis(10)),
            until: Some(Timestamp::from_millis(20)),
        };
        let of = |cursor: Option<u64>, descending| {
            let (from, until) = range(&request, cursor.map(|millis| id(millis, 1)), descending);
            (from.millis(), until.millis())
        };
        assert_eq!(of(None, false), (10, 19));
        assert_eq!((of(Some(15), false), of(Some(15), true)), ((15, 19), (10, 15)));
        assert_eq!((of(Some(25), false), of(Some(5), true)), ((25, 19), (10, 5)), "nothing");
    }
}
