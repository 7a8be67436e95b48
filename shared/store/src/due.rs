//! What is due: circuits and recoveries, found by an index over their rows.
//!
//! # Pitfalls
//!
//! The index lags: it may show a row that has moved, and not yet show one that is due. Whoever
//! finds a row here reads it before acting.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::time::Timestamp;
use futures::future::try_join_all;

use crate::{
    StoreError, Table,
    item::{Item, number, string, text},
    row_keys::lists,
};

pub use crate::row_keys::lists::DueRow;

/// The most rows of each list that one look returns; the next look finds the rest.
const MOST: i32 = 100;

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

    /// What is due by then, the oldest first: one Query for each list. Rows of newer code are left
    /// out.
    pub async fn until(&self, moment: Timestamp) -> Result<Vec<Due>, StoreError> {
        let lists = (0..lists::DUE).map(|place| self.0.listed(lists::due(place), moment, MOST));
        let rows = try_join_all(lists).await?.into_iter().flatten();
        let mut due: Vec<_> = rows.filter_map(|row| read(&row)).collect();
        due.sort_by_key(|due| due.at);
        Ok(due)
    }
}

fn read(row: &Item) -> Option<Due> {
    let at = row.get("list_at")?.as_n().ok()?.parse().ok()?;
    let row = lists::row(text(row, "pk"), text(row, "sk"))?;
    Some(Due { row, at: Timestamp::from_millis(at) })
}

/// The attributes by which a row stands in a list of what is due, from this moment on.
pub(crate) fn listed(pk: &str, sk: &str, at: Timestamp) -> [(&'static str, AttributeValue); 2] {
    [("list", string(lists::due_of(pk, sk))), ("list_at", number(at.millis()))]
}
