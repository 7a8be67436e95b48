//! What a project is to be told of, gathered by minute: see [`domain::system_event`].
//!
//! A report has a row that counts, and rows with its entries, each as many as one batch noted. So
//! a note costs what it says, however much the minute has seen; what is over
//! [`MAX_ENTRIES`] is only counted.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use domain::{
    id::EventId,
    system_event::{MAX_ENTRIES, Report, ReportKey},
};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    StoreError, Table,
    due::listed,
    item::{Item, format_version, key, number, string},
    list::parse,
    row_keys::{pk, sk},
};

/// How long a report's rows stay, for those who look into what was published.
const KEPT_SECONDS: u64 = 86_400;

/// Gathers reports.
#[derive(Clone, Debug)]
pub struct NewsStore(Table);

impl NewsStore {
    /// Over the state table.
    pub fn new(state: Table) -> Self {
        Self(state)
    }

    /// Notes what has happened, in the report of its minute; in the next one if that is closed.
    /// Counts some of it twice if the answer to a write is lost.
    pub async fn note(&self, report: ReportKey, entries: &[Value]) -> Result<(), StoreError> {
        for report in [report, report.next()] {
            match self.count(report, entries.len()).await {
                Ok(before) if before < MAX_ENTRIES => {
                    return self
                        .add(report, before, &entries[..entries.len().min(MAX_ENTRIES)])
                        .await;
                }
                Ok(_) => return Ok(()),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Conflict)
    }

    /// Counts, and lists the report as due. How much it counted before.
    async fn count(&self, report: ReportKey, more: usize) -> Result<usize, StoreError> {
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        let (pk, sk) = (pk::news(report.project), sk::report(report));
        let [(_, list), (_, list_at)] = listed(&pk, &sk, report.due_at());
        let change = "SET v = :v, expires_at = :expiry, #list = :list, list_at = :at \
                      ADD noted :more";
        let update = self.0.update(key(pk, sk), change).when("attribute_not_exists(event)");
        let update = update.name("#list", "list").values([
            (":v", format_version()),
            (":expiry", expiry(report)),
            (":list", list),
            (":at", list_at),
            (":more", number(more)),
        ]);
        let row: Counted = parse(update.returning(ReturnValue::UpdatedNew).await?)?;
        Ok(usize::try_from(row.noted.saturating_sub(more)).unwrap_or(usize::MAX))
    }

    async fn add(
        &self,
        report: ReportKey,
        before: usize,
        entries: &[Value],
    ) -> Result<(), StoreError> {
        let mut row = key(pk::news(report.project), sk::entries(report, Some(before)));
        let entries = entries.iter().map(|entry| string(entry.to_string())).collect();
        row.extend([
            ("v".to_owned(), format_version()),
            ("expires_at".to_owned(), expiry(report)),
            ("entries".to_owned(), AttributeValue::L(entries)),
        ]);
        self.0.put_new(row).await
    }

    /// Closes a report, to be published by this event, or by that of whoever closed it before;
    /// `None` if there is none, or it was published: the list lags.
    pub async fn close(
        &self,
        report: ReportKey,
        event: EventId,
    ) -> Result<Option<Report>, StoreError> {
        let close = "SET event = if_not_exists(event, :event)";
        let update = self.0.update(row(report), close).when("attribute_exists(#list)");
        let update = update.name("#list", "list").value(":event", string(event.to_string()));
        let closed: Closed = match update.returning(ReturnValue::AllNew).await {
            Ok(row) => parse(row)?,
            Err(StoreError::Conflict) => return Ok(None),
            Err(error) => return Err(error),
        };
        let rows = self.0.all(pk::news(report.project), &sk::entries(report, None)).await?;
        let mut entries = Vec::new();
        for row in rows {
            for entry in parse::<Entries>(row)?.entries {
                entries.push(
                    serde_json::from_str(&entry)
                        .map_err(|_| StoreError::Damaged("an entry of a report"))?,
                );
            }
        }
        Ok(Some(Report { key: report, event: closed.event, count: closed.noted, entries }))
    }

    /// Takes a report that was published from the list of what is due.
    pub async fn published(&self, report: &Report) -> Result<(), StoreError> {
        let update = self.0.update(row(report.key), "REMOVE #list, list_at");
        let update = update.when("attribute_exists(event)").name("#list", "list");
        update.make_if().await.map(drop)
    }
}

#[derive(Deserialize)]
struct Counted {
    noted: u64,
}

#[derive(Deserialize)]
struct Closed {
    noted: u64,
    event: EventId,
}

#[derive(Deserialize)]
struct Entries {
    entries: Vec<String>,
}

fn row(report: ReportKey) -> Item {
    key(pk::news(report.project), sk::report(report))
}

fn expiry(report: ReportKey) -> AttributeValue {
    number(report.since.seconds() + KEPT_SECONDS)
}
