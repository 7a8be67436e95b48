//! What is due: circuits, recoveries and deliveries, found by an index over their rows.
//!
//! # Pitfalls
//!
//! The index lags: it may show a row that has moved, and not yet show one that is due. Whoever
//! finds a row here reads it before acting.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::time::Timestamp;
use futures::{Stream, TryStreamExt, future::ready};

use crate::{
    StoreError, Table,
    item::{Item, moment, number, string, text},
    merge::Merge,
    row_keys::lists,
};

pub use crate::row_keys::lists::DueRow;

/// A row that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The row.
    pub row: DueRow,
    /// Since when, or from when on.
    pub at: Timestamp,
}

/// Finds what is due.
#[derive(Clone, Debug)]
pub struct DueList(Table);

impl DueList {
    /// Over the state table.
    pub fn new(state: Table) -> Self {
        Self(state)
    }

    /// What is due by then, the oldest first, read as it is asked for. Rows of newer code are left
    /// out.
    pub fn until(&self, moment: Timestamp) -> impl Stream<Item = Result<Due, StoreError>> + '_ {
        let lists: Vec<_> = (0..lists::DUE).map(lists::due).collect();
        Merge::of_lists(&self.0, &lists, (Timestamp::from_millis(0), moment), false)
            .rows()
            .try_filter_map(|row| ready(Ok(read(&row))))
    }
}

fn read(row: &Item) -> Option<Due> {
    let at = moment(row, "list_at")?;
    let row = lists::row(text(row, "pk"), text(row, "sk"))?;
    Some(Due { row, at })
}

/// The attributes by which a row stands in a list of what is due, from this moment on.
pub(crate) fn listed(pk: &str, sk: &str, at: Timestamp) -> [(&'static str, AttributeValue); 2] {
    [("list", string(lists::due_of(pk, sk))), ("list_at", number(at.millis()))]
}
