//! The ordered rows of several ordered partitions, as one.

use std::{cmp::Reverse, collections::VecDeque};

use futures::{future::try_join_all, stream};

use crate::{
    StoreError, Table,
    item::{Item, text},
};

/// Rows per query and shard: with eight shards a default page of 20 is filled by the first round.
const PER_QUERY: i32 = 25;

/// The ordered rows of several ordered partitions.
pub(crate) struct Merge<'a> {
    table: &'a Table,
    low: String,
    high: String,
    descending: bool,
    shards: Vec<Shard>,
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
        let shards = partitions
            .iter()
            .map(|pk| Shard { pk: pk.clone(), rows: VecDeque::new(), next: Next::Start })
            .collect();
        // An empty range is an error to DynamoDB.
        let shards = if low > high { Vec::new() } else { shards };
        Self { table, low, high, descending, shards }
    }

    /// The rows, read as they are asked for.
    pub(crate) fn rows(self) -> impl futures::Stream<Item = Result<Item, StoreError>> + use<'a> {
        stream::try_unfold(self, |mut merge| async move {
            Ok(merge.next().await?.map(|row| (row, merge)))
        })
    }

    async fn next(&mut self) -> Result<Option<Item>, StoreError> {
        self.fill().await?;
        let heads = self.shards.iter_mut().filter(|shard| !shard.rows.is_empty());
        let head = |shard: &&mut Shard| shard.rows.front().map(|row| text(row, "sk").to_owned());
        let first = if self.descending {
            heads.max_by_key(head)
        } else {
            heads.max_by_key(|shard| Reverse(head(shard)))
        };
        Ok(first.and_then(|shard| shard.rows.pop_front()))
    }

    /// Reads on, in parallel, wherever rows have run out.
    async fn fill(&mut self) -> Result<(), StoreError> {
        let (table, low, high, descending) = (self.table, &self.low, &self.high, self.descending);
        let dry = self.shards.iter_mut().filter(|shard| shard.rows.is_empty());
        try_join_all(dry.map(|shard| async move {
            while shard.rows.is_empty() {
                let start = match std::mem::replace(&mut shard.next, Next::End) {
                    Next::Start => None,
                    Next::Behind(key) => Some(key),
                    Next::End => break,
                };
                let (rows, next) =
                    table.page(&shard.pk, (low, high), descending, PER_QUERY, start).await?;
                shard.rows = rows.into();
                shard.next = next.map_or(Next::End, Next::Behind);
            }
            Ok::<_, StoreError>(())
        }))
        .await?;
        Ok(())
    }
}
