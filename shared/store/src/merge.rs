//! The ordered rows of several ordered partitions, or lists of the index, as one.

use std::{cmp::Reverse, collections::VecDeque};

use domain::time::Timestamp;
use futures::{future::try_join_all, stream};

use crate::{
    StoreError, Table,
    item::{Item, moment, text},
};

/// Rows per query and shard: with eight shards a default page of 20 is filled by the first round.
const PER_QUERY: i32 = 25;
/// Keys per query and list of the index: they are small, and there may be very many.
const KEYS_PER_QUERY: i32 = 100;

/// The ordered rows of several ordered partitions.
pub(crate) struct Merge<'a> {
    table: &'a Table,
    range: Range,
    descending: bool,
    shards: Vec<Shard>,
}

/// What is read of each partition, and in which order.
enum Range {
    /// By sort key, from the first to the second, both included.
    Rows { low: String, high: String },
    /// By time, from the first to the second, both included.
    Listed { from: Timestamp, until: Timestamp },
}

/// Where a partition's query continues.
enum Next {
    Start,
    Behind(Item),
    End,
}

struct Shard {
    pk: String,
    rows: VecDeque<Item>,
    next: Next,
}

impl<'a> Merge<'a> {
    /// Those of `partitions` whose sort keys are from `low` to `high`, both included.
    pub(crate) fn new(
        table: &'a Table,
        partitions: &[String],
        low: String,
        high: String,
        descending: bool,
    ) -> Self {
        // An empty range is an error to DynamoDB.
        let shards = if low > high { Vec::new() } else { shards(partitions) };
        Self { table, range: Range::Rows { low, high }, descending, shards }
    }

    /// The keys of rows in these lists of the index, from one time to another, both included.
    pub(crate) fn of_lists(
        table: &'a Table,
        lists: &[String],
        (from, until): (Timestamp, Timestamp),
        descending: bool,
    ) -> Self {
        // As above.
        let shards = if from > until { Vec::new() } else { shards(lists) };
        Self { table, range: Range::Listed { from, until }, descending, shards }
    }

    /// The rows, read as they are asked for.
    pub(crate) fn rows(self) -> impl futures::Stream<Item = Result<Item, StoreError>> + use<'a> {
        stream::try_unfold(self, |mut merge| async move {
            Ok(merge.next().await?.map(|row| (row, merge)))
        })
    }

    async fn next(&mut self) -> Result<Option<Item>, StoreError> {
        self.fill().await?;
        let range = &self.range;
        let heads = self.shards.iter_mut().filter(|shard| !shard.rows.is_empty());
        let head = |shard: &&mut Shard| shard.rows.front().map(|row| range.place(row));
        let first = if self.descending {
            heads.max_by_key(head)
        } else {
            heads.max_by_key(|shard| Reverse(head(shard)))
        };
        Ok(first.and_then(|shard| shard.rows.pop_front()))
    }

    /// Reads on, in parallel, wherever rows have run out.
    async fn fill(&mut self) -> Result<(), StoreError> {
        let (table, range, descending) = (self.table, &self.range, self.descending);
        let dry = self.shards.iter_mut().filter(|shard| shard.rows.is_empty());
        try_join_all(dry.map(|shard| async move {
            while shard.rows.is_empty() {
                let start = match std::mem::replace(&mut shard.next, Next::End) {
                    Next::Start => None,
                    Next::Behind(key) => Some(key),
                    Next::End => break,
                };
                let (rows, next) = range.page(table, &shard.pk, descending, start).await?;
                shard.rows = rows.into();
                shard.next = next.map_or(Next::End, Next::Behind);
            }
            Ok::<_, StoreError>(())
        }))
        .await?;
        Ok(())
    }
}

impl Range {
    /// What rows are ordered by.
    fn place(&self, row: &Item) -> (Timestamp, String) {
        let sk = text(row, "sk").to_owned();
        match self {
            Self::Rows { .. } => (Timestamp::from_millis(0), sk),
            Self::Listed { .. } => (moment(row, "list_at").unwrap_or(Timestamp::MAX), sk),
        }
    }

    async fn page(
        &self,
        table: &Table,
        partition: &str,
        descending: bool,
        start: Option<Item>,
    ) -> Result<(Vec<Item>, Option<Item>), StoreError> {
        match self {
            Self::Rows { low, high } => {
                table.page(partition, (low, high), descending, PER_QUERY, start).await
            }
            Self::Listed { from, until } => {
                table.listed(partition, (*from, *until), descending, KEYS_PER_QUERY, start).await
            }
        }
    }
}

fn shards(partitions: &[String]) -> Vec<Shard> {
    let shard = |pk: &String| Shard { pk: pk.clone(), rows: VecDeque::new(), next: Next::Start };
    partitions.iter().map(shard).collect()
}
