//! Reads of a partition.

use domain::time::Timestamp;
use futures::{Stream, stream};

use super::Table;
use crate::{
    StoreError,
    error::failed,
    item::{Item, number, string},
    row_keys::lists,
    tally,
};

/// The sum that a page has found, and how many items it looked at.
pub(crate) struct Counted {
    pub(crate) found: usize,
    pub(crate) examined: usize,
}

/// Sums over a page.
pub(crate) struct Numbers {
    pub(crate) count: u64,
    pub(crate) sums: [u64; 2],
    /// The key from which the next page begins, if there is one.
    pub(crate) next: Option<Item>,
}

impl Table {
    /// All items of a partition whose sort key starts with `prefix`, strongly consistent.
    pub(crate) async fn all(&self, pk: String, prefix: &str) -> Result<Vec<Item>, StoreError> {
        self.query_all("pk = :pk AND begins_with(sk, :sk)", pk, prefix).await
    }

    /// All items of a partition whose sort key is less than `end`, strongly consistent.
    pub(crate) async fn all_before(&self, pk: String, end: &str) -> Result<Vec<Item>, StoreError> {
        self.query_all("pk = :pk AND sk < :sk", pk, end).await
    }

    /// The sums of a number of those items of a partition that have a sort key which starts with
    /// `prefix` and have not expired: the last ones first, by pages of at most `limit` items.
    pub(crate) fn sums(
        &self,
        pk: String,
        prefix: &str,
        name: &'static str,
        limit: i32,
        now: Timestamp,
    ) -> impl Stream<Item = Result<Counted, StoreError>> + use<> {
        let pages = self
            .client
            .query()
            .table_name(&self.name)
            .projection_expression("#name")
            .expression_attribute_names("#name", name)
            .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
            .filter_expression("expires_at > :now")
            .expression_attribute_values(":pk", string(pk))
            .expression_attribute_values(":sk", string(prefix))
            .expression_attribute_values(":now", number(now.seconds()))
            .scan_index_forward(false)
            .limit(limit)
            .into_paginator()
            .send();
        stream::try_unfold((pages, name), |(mut pages, name)| async move {
            let Some(page) = pages.next().await else { return Ok(None) };
            let page = page.map_err(failed("Query"))?;
            tally::add_read(page.items());
            let number = |item: &Item| item.get(name)?.as_n().ok()?.parse::<usize>().ok();
            let found = page.items().iter().filter_map(number).sum();
            let examined = usize::try_from(page.scanned_count).unwrap_or(0);
            Ok(Some((Counted { found, examined }, (pages, name))))
        })
    }

    /// The items of one of the index's lists between two moments, both included, by their keys
    /// only: at most `limit`, after the key `start`. With the key to start from next, if there is
    /// more. The index may lag.
    pub(crate) async fn listed(
        &self,
        list: &str,
        (from, until): (Timestamp, Timestamp),
        descending: bool,
        limit: i32,
        start: Option<Item>,
    ) -> Result<(Vec<Item>, Option<Item>), StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(lists::INDEX)
            .key_condition_expression("#list = :list AND list_at BETWEEN :from AND :until")
            // A reserved word in expressions.
            .expression_attribute_names("#list", "list")
            .expression_attribute_values(":list", string(list))
            .expression_attribute_values(":from", number(from.millis()))
            .expression_attribute_values(":until", number(until.millis()))
            .scan_index_forward(!descending)
            .limit(limit)
            .set_exclusive_start_key(start);
        let output = query.send().await.map_err(failed("Query"))?;
        tally::add_read(output.items());
        Ok((output.items.unwrap_or_default(), output.last_evaluated_key))
    }

    /// All items of a partition whose sort keys are from `low` to `high`, both included, strongly
    /// consistent.
    pub(crate) async fn between(
        &self,
        pk: String,
        low: &str,
        high: &str,
    ) -> Result<Vec<Item>, StoreError> {
        let (mut items, mut start) = (Vec::new(), None);
        loop {
            let (page, next) = self.page(&pk, (low, high), false, 1_000, start).await?;
            items.extend(page);
            if next.is_none() {
                return Ok(items);
            }
            start = next;
        }
    }

    /// The sums of two numbers of the items of a partition whose sort keys are from `low` to
    /// `high`, both included, of a page that begins after the key `start`.
    pub(crate) async fn numbers(
        &self,
        pk: &str,
        (low, high): (&str, &str),
        names: [&str; 2],
        start: Option<Item>,
    ) -> Result<Numbers, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .key_condition_expression("pk = :pk AND sk BETWEEN :low AND :high")
            .projection_expression("#one, #two")
            .expression_attribute_names("#one", names[0])
            .expression_attribute_names("#two", names[1])
            .expression_attribute_values(":pk", string(pk))
            .expression_attribute_values(":low", string(low))
            .expression_attribute_values(":high", string(high))
            .set_exclusive_start_key(start);
        let output = query.send().await.map_err(failed("Query"))?;
        tally::add_read(output.items());
        let of = |name| {
            let number = |item: &Item| item.get(name)?.as_n().ok()?.parse::<u64>().ok();
            output.items().iter().filter_map(number).sum()
        };
        let sums = names.map(of);
        let count = u64::try_from(output.items().len()).unwrap_or(0);
        Ok(Numbers { count, sums, next: output.last_evaluated_key })
    }

    async fn query_all(
        &self,
        condition: &str,
        pk: String,
        sk: &str,
    ) -> Result<Vec<Item>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .key_condition_expression(condition);
        let query = query
            .expression_attribute_values(":pk", string(pk))
            .expression_attribute_values(":sk", string(sk));
        let mut pages = query.into_paginator().items().send();
        let mut items = Vec::new();
        while let Some(item) = pages.next().await {
            items.push(item.map_err(failed("Query"))?);
        }
        tally::add_read(&items);
        Ok(items)
    }

    /// The items of a partition whose sort keys are from `low` to `high`, both included, strongly
    /// consistent: at most `limit` of them, after the key `start`. With the key to start from next,
    /// if there is more.
    pub(crate) async fn page(
        &self,
        pk: &str,
        (low, high): (&str, &str),
        descending: bool,
        limit: i32,
        start: Option<Item>,
    ) -> Result<(Vec<Item>, Option<Item>), StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .key_condition_expression("pk = :pk AND sk BETWEEN :low AND :high")
            .expression_attribute_values(":pk", string(pk))
            .expression_attribute_values(":low", string(low))
            .expression_attribute_values(":high", string(high))
            .scan_index_forward(!descending)
            .limit(limit)
            .consistent_read(true)
            .set_exclusive_start_key(start);
        let output = query.send().await.map_err(failed("Query"))?;
        tally::add_read(output.items());
        Ok((output.items.unwrap_or_default(), output.last_evaluated_key))
    }
}
