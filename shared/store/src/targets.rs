//! The targets of logged events, read through and changed by recoveries.
//!
//! Two recoveries of different endpoints may change one event at the same time. A change is
//! conditional on the targets being as they were read, and is repeated on the current ones if they
//! are not.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    id::{EventId, SHARDS},
    model::{Target, event::LoggedEvent},
    time::Timestamp,
};

use crate::{
    Access, Page, PageRequest, StoreError, Table,
    event_row::{targets_text, unpack_row},
    item::{Item, key},
    list::Listing,
    packed::pack,
    row_keys::pk,
    table,
};

/// How often a change is tried while another recovery changes the same event.
const TRIES: u32 = 8;

/// The targets of an event as they were read.
#[derive(Clone, Debug)]
pub struct EventTargets {
    event: EventId,
    read: Vec<Target>,
    stored: Option<AttributeValue>,
}

/// Reads events with their targets, and changes those.
#[derive(Clone, Debug)]
pub struct TargetStore(Table);

impl TargetStore {
    /// Over the log table.
    pub fn new(log: Table) -> Self {
        Self(log)
    }

    /// A page of the project's events. An event that can't be read is left out, and an error in the
    /// function's log: it must not stop the others'.
    pub async fn list<T, F, Fut>(
        &self,
        access: Access,
        request: &PageRequest<EventId>,
        now: Timestamp,
        keep: F,
    ) -> Result<Page<T>, StoreError>
    where
        F: Fn(LoggedEvent, EventTargets) -> Fut,
        Fut: Future<Output = Result<Option<T>, StoreError>>,
    {
        let partitions = (0..SHARDS).map(|shard| pk::events(access.project(), shard)).collect();
        let keep = &keep;
        let read = |row: Item| async move {
            let stored = row.get("targets").cloned();
            match unpack_row(row) {
                Ok(logged) => {
                    let targets = EventTargets {
                        event: logged.event.id,
                        read: logged.targets.clone(),
                        stored,
                    };
                    keep(logged, targets).await
                }
                Err(error) => {
                    tracing::error!(%error, project = %access.project(), "an event can't be read");
                    Ok(None)
                }
            }
        };
        Listing::new(&self.0, partitions, EventId::PREFIX).page(request, now, read).await
    }

    /// Changes an event's targets. An event that is gone by now has none to change.
    pub async fn change(
        &self,
        access: Access,
        read: EventTargets,
        change: impl Fn(&[Target]) -> Vec<Target>,
    ) -> Result<(), StoreError> {
        let mut there = read;
        for attempt in 0..TRIES {
            table::pause(attempt).await;
            let changed = change(&there.read);
            if changed == there.read {
                return Ok(());
            }
            let row = match self.write(access, &there, &changed).await {
                Ok(Some(row)) => row,
                Ok(None) | Err(StoreError::Conflict) => return Ok(()),
                Err(error) => return Err(error),
            };
            let stored = row.get("targets").cloned();
            there = EventTargets { read: unpack_row(row)?.targets, stored, ..there };
        }
        Err(StoreError::Conflict)
    }

    /// The event as it is, if it is not as it was read; [`StoreError::Conflict`] if it is gone.
    async fn write(
        &self,
        access: Access,
        there: &EventTargets,
        changed: &[Target],
    ) -> Result<Option<Item>, StoreError> {
        let stored = there.stored.clone().ok_or(StoreError::Damaged("an event's targets"))?;
        let row = key(pk::events(access.project(), there.event.shard()), there.event.to_string());
        self.0
            .update(row, "SET targets = :changed")
            .when("targets = :stored")
            .value(":changed", pack(&targets_text(changed)?))
            .value(":stored", stored)
            .make_or_show()
            .await
    }
}
