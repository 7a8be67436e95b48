//! The feed: a project's events in one order that a live viewer can follow with nothing but its
//! last position.
//!
//! An event's position is its own id, which holds the moment of its acceptance; so following costs
//! the writer nothing. A viewer reads what is older than [`SETTLE`], once: by then all rows of that
//! time are there, and nothing new comes to stand behind its back. What would (an id that the
//! producer brought along, the key of a request that died, a write that took long) gets a
//! *pointer*: a small row in a partition beside the shards, `PROJ#<proj>#LATE`, whose position is
//! of the time of writing. The row of an event that is known to be late when it is written says
//! that it counts elsewhere. No row of an event changes: a late try of its write can undo nothing.
//!
//! An event is never missed, if it was accepted. It is seen twice only if its row was written
//! slowly ([`LATE`]) and yet was there in time, or if its request was repeated at once: then it has
//! a pointer although the viewer may have seen it. Within a connection, the viewer's own memory of
//! ids catches that.
//!
//! # Pitfalls
//!
//! Reads are strongly consistent. DynamoDB names no bound for how far the cheaper reads lag behind,
//! and a row that shows up behind a viewer's position is lost to it for good.

use std::time::Duration;

use domain::{
    id::{EventId, ProjectId, SHARDS},
    model::Event,
    recovery::EARLIER,
    time::Timestamp,
};
use futures::{Stream, TryStreamExt, future::ready};

use crate::{
    Access, StoreError, Table,
    event_row::unpack_row,
    item::{Item, expired, key, number, string, text},
    merge::Merge,
    row_keys::pk,
};

/// How far behind the clock the feed is read. More than [`LATE`] by a second, in which functions'
/// clocks may differ (on AWS: milliseconds).
pub const SETTLE: Duration = Duration::from_secs(3);
/// An event whose row is there within this time of its position keeps the position. A healthy write
/// takes 10 ms.
const LATE: Duration = EARLIER;
/// How far an event's own id may be ahead of the clock and be its position: beyond, viewers would
/// wait for it.
const EARLY: Duration = Duration::from_secs(1);

/// The attribute of an event's row that says that it does not count at its own id.
pub(crate) const ELSEWHERE: &str = "elsewhere";
/// The attribute of a row in the late partition that names the event.
pub(crate) const EVENT: &str = "event";

/// The positions behind one and up to another, which is among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    behind: EventId,
    end: EventId,
}

impl Window {
    /// What has settled at `now`, behind a position; nothing if that is so new that nothing behind
    /// it has.
    pub fn settled(behind: EventId, now: Timestamp) -> Option<Self> {
        let end = before(Timestamp::from_millis(
            now.millis().saturating_sub(u64::try_from(SETTLE.as_millis()).unwrap_or(u64::MAX)),
        ));
        (behind < end).then_some(Self { behind, end })
    }

    /// The last position in it: where the next window starts.
    pub fn end(&self) -> EventId {
        self.end
    }

    /// The inclusive bounds of its sort keys. `!` is less than whatever may follow in a longer key,
    /// and no key is longer.
    fn bounds(&self) -> (String, String) {
        (format!("{}!", self.behind), self.end.to_string())
    }
}

/// The last position ahead of a moment.
pub fn before(time: Timestamp) -> EventId {
    EventId::new(
        Timestamp::from_millis(time.min(Timestamp::MAX).millis().saturating_sub(1)),
        u128::MAX,
    )
}

/// Whether an event with this id can't have it as its position, if it is written now.
pub(crate) fn is_out_of_place(id: EventId, now: Timestamp) -> bool {
    is_late(id, now) || id.time() > now + EARLY
}

/// Whether a row is too late for its position, if it was there only now.
pub(crate) fn is_late(position: EventId, now: Timestamp) -> bool {
    now.since(position.time()) > LATE
}

/// The row that points from a position to its event.
pub(crate) fn pointer(
    project: ProjectId,
    position: EventId,
    event: EventId,
    expires_at: u64,
) -> Item {
    let mut item = key(pk::late_events(project), position.to_string());
    item.insert(EVENT.to_owned(), string(event.to_string()));
    item.insert("expires_at".to_owned(), number(expires_at));
    item
}

/// Reads a project's feed.
#[derive(Clone, Debug)]
pub struct Feed(Table);

impl Feed {
    /// Over the log table.
    pub fn new(log: Table) -> Self {
        Self(log)
    }

    /// The events in a window with their positions, in their order, read as they are asked for.
    pub fn read(
        &self,
        access: Access,
        window: Window,
        now: Timestamp,
    ) -> impl Stream<Item = Result<(EventId, Event), StoreError>> + Send {
        let project = access.project();
        let shards = (0..SHARDS).map(|shard| pk::events(project, shard));
        let partitions: Vec<_> = shards.chain([pk::late_events(project)]).collect();
        let (low, high) = window.bounds();
        let rows = Merge::new(&self.0, &partitions, low, high, false).rows();
        rows.and_then(move |row| self.entry(project, row, now))
            .try_filter_map(|entry| ready(Ok(entry)))
    }

    /// What stands at a row's place; nothing if the event counts elsewhere or is gone.
    async fn entry(
        &self,
        project: ProjectId,
        row: Item,
        now: Timestamp,
    ) -> Result<Option<(EventId, Event)>, StoreError> {
        let here = text(&row, "sk").to_owned();
        let pointed = text(&row, EVENT).parse::<EventId>();
        let row = match pointed {
            Ok(event) => {
                self.0.get_item(key(pk::events(project, event.shard()), event.to_string())).await?
            }
            Err(_) => Some(row).filter(|row| !row.contains_key(ELSEWHERE)),
        };
        let Some(row) = row.filter(|row| !expired(row, now.seconds())) else { return Ok(None) };
        match (here.parse(), unpack_row(row)) {
            (Ok(position), Ok(logged)) => Ok(Some((position, logged.event))),
            (_, unreadable) => {
                // Of newer code, or damaged. A stream that ended here would never come further.
                let error = unreadable.err().unwrap_or(StoreError::Damaged("a row's key"));
                tracing::error!(%error, "an event is left out of the feed");
                Ok(None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn id(millis_before_now: u64, random: u128) -> EventId {
        EventId::new(Timestamp::from_millis(NOW.millis() - millis_before_now), random)
    }

    fn holds(window: Window, id: EventId) -> bool {
        let (low, high) = window.bounds();
        (low..=high).contains(&id.to_string())
    }

    #[test]
    fn an_event_keeps_its_id_as_position_unless_viewers_have_passed_it_or_would_wait() {
        assert!(!is_out_of_place(id(0, 1), NOW));
        assert!(!is_out_of_place(id(2_000, 1), NOW));
        assert!(is_out_of_place(id(2_001, 1), NOW));
        assert!(!is_out_of_place(EventId::new(NOW + EARLY, 1), NOW));
        assert!(is_out_of_place(EventId::new(NOW + EARLY + Duration::from_millis(1), 1), NOW));
    }

    #[test]
    fn nothing_has_settled_behind_a_new_position() {
        assert_eq!(Window::settled(before(NOW), NOW), None);
        assert_eq!(Window::settled(before(NOW), NOW + SETTLE), None);
        assert!(Window::settled(before(NOW), NOW + SETTLE + Duration::from_millis(1)).is_some());
    }

    #[test]
    fn a_viewer_from_now_on_sees_what_is_accepted_in_this_very_millisecond() {
        let window = Window::settled(before(NOW), NOW + SETTLE * 2).unwrap();
        assert!(holds(window, id(0, 0)));
        assert!(!holds(window, id(1, u128::MAX)));
    }

    proptest! {
        /// However often a viewer looks, and wherever it is cut off: each position is in one
        /// window.
        #[test]
        fn windows_meet_without_gap_or_overlap(
            looks in proptest::collection::vec(0_u64..3_000, 1..30),
            cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..5),
            mut ids in proptest::collection::vec((0_u64..40_000, prop_oneof![Just(0),
                Just(u128::MAX), any::<u128>()]), 1..50),
        ) {
            ids.sort_unstable();
            ids.dedup();
            let start = before(Timestamp::from_millis(NOW.millis() - 40_000));
            let all: Vec<_> = ids.iter().map(|(age, random)| id(*age, *random)).collect();
            let mut seen = Vec::new();
            let (mut behind, mut now) = (start, Timestamp::from_millis(NOW.millis() - 40_000));
            for (number, pause) in looks.iter().enumerate() {
                now = now + Duration::from_millis(*pause);
                let Some(window) = Window::settled(behind, now) else { continue };
                let mut here: Vec<_> = all.iter().copied().filter(|id| holds(window,
                    *id)).collect();
                here.sort();
                // Cut off in the middle: it comes back with the last position that it has seen.
                if cuts.iter().any(|cut| cut.index(looks.len()) == number) && here.len() > 1 {
                    here.truncate(here.len() / 2);
                    behind = here[here.len() - 1];
                } else {
                    behind = window.end();
                }
                seen.extend(here);
            }
            let mut expected: Vec<_> =
                all.into_iter().filter(|id| *id > start && *id <= behind).collect();
            expected.sort();
            expected.dedup();
            prop_assert_eq!(seen, expected);
        }
    }
}
