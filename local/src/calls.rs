//! `posthaste calls`: what a delivered event costs in AWS calls, and in DynamoDB's billing units,
//! as the stand-ins have counted.
//!
//! The pollers' calls belong in the sum. On AWS the event source mapping makes them, and SQS bills
//! them to the account.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::ready::Ready;
use emulator::aws::server::COUNTERS_PATH;
use emulator::aws::{CountersReport, Units};

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum CallsError {
    /// There is no ready file.
    #[error("no stack runs there: can't read {path}: {reason}")]
    NotRunning {
        /// The ready file.
        path: String,
        /// The system's reason.
        reason: String,
    },
    /// It doesn't answer.
    #[error("the stack doesn't answer at {url} (with --aws-endpoint nothing is counted): {reason}")]
    NoAnswer {
        /// Where the counters should be.
        url: String,
        /// What went wrong.
        reason: String,
    },
}

/// Reads the counters of the stack whose ready file this is, and sets them to zero if asked.
pub async fn fetch(ready_file: &Path, reset: bool) -> Result<CountersReport, CallsError> {
    let ready = Ready::read(ready_file).map_err(|error| CallsError::NotRunning {
        path: ready_file.display().to_string(),
        reason: error.to_string(),
    })?;
    let url = format!("{}{COUNTERS_PATH}", ready.dynamodb_url);
    let exchange = async {
        let client = crate::http_client::http_client()?;
        let text = client.get(&url).send().await?.error_for_status()?.text().await?;
        if reset {
            client.delete(&url).send().await?.error_for_status()?;
        }
        Ok::<_, reqwest::Error>(text)
    };
    let report = exchange.await.map_err(|error| error.to_string());
    let report =
        report.and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()));
    report.map_err(|reason| CallsError::NoAnswer { url, reason })
}

/// The report as a table.
pub fn table(report: &CountersReport) -> String {
    let mut text = format!(
        "{:<12} {:<10} {:<30} {:>9} {:>9}  {:>12} {:>11} {:>12}\n",
        "caller",
        "service",
        "operation",
        "calls",
        "failed",
        "per delivery",
        "read units",
        "write units"
    );
    let (mut total, mut units) = (0, Units::default());
    for ((caller, service, operation), Sum { calls, failed, units: taken }) in summed(report) {
        total += calls;
        units += taken;
        let (ratio, Units { reads, writes }) = (per_delivery(calls, report.attempts), taken);
        // Writing to a string can't fail.
        let _ = writeln!(
            text,
            "{caller:<12} {service:<10} {operation:<30} {calls:>9} {failed:>9}  {ratio:>12} \
             {reads:>11.1} {writes:>12.1}"
        );
    }
    let (ratio, Units { reads, writes }) = (per_delivery(total, report.attempts), units);
    let _ = writeln!(
        text,
        "{:<12} {:<10} {:<30} {total:>9} {:>9}  {ratio:>12} {reads:>11.1} {writes:>12.1}",
        "all", "", "", ""
    );
    let _ = writeln!(
        text,
        "\n{} delivery attempts written since the start or the last reset",
        report.attempts
    );
    text
}

#[derive(Default)]
struct Sum {
    calls: u64,
    failed: u64,
    units: Units,
}

type Summed<'a> = BTreeMap<(&'a str, &'a str, &'a str), Sum>;

fn summed(report: &CountersReport) -> Summed<'_> {
    let mut summed = Summed::new();
    for call in &report.calls {
        let sum = summed.entry((&call.caller, &call.service, &call.operation)).or_default();
        sum.calls += call.count;
        sum.failed += if call.outcome == "ok" { 0 } else { call.count };
        sum.units += call.units;
    }
    summed
}

fn per_delivery(calls: u64, attempts: u64) -> String {
    if attempts == 0 {
        return "-".to_owned();
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts are far below 2^52, and two decimals are shown"
    )]
    let ratio = calls as f64 / attempts as f64;
    format!("{ratio:.2}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use emulator::aws::CallCount;

    fn call(caller: &str, operation: &str, resource: &str, outcome: &str, count: u64) -> CallCount {
        CallCount {
            caller: caller.into(),
            service: "dynamodb".into(),
            operation: operation.into(),
            resource: resource.into(),
            outcome: outcome.into(),
            count,
            units: Units { reads: 0.5, writes: 2.0 },
        }
    }

    #[test]
    fn calls_are_summed_over_resources_and_outcomes_and_divided_by_attempts() {
        let calls = vec![
            call("deliver", "Query", "A", "ok", 3),
            call("deliver", "Query", "B", "X", 2),
            call("events", "PutItem", "B", "ok", 5),
        ];
        let table = table(&CountersReport { attempts: 4, calls });
        let rows: Vec<Vec<&str>> =
            table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[1], ["deliver", "dynamodb", "Query", "5", "2", "1.25", "1.0", "4.0"]);
        assert_eq!(rows[3], ["all", "10", "2.50", "1.5", "6.0"]);
    }

    #[test]
    fn without_attempts_there_is_no_ratio() {
        let table = table(&CountersReport {
            attempts: 0,
            calls: vec![call("events", "PutItem", "B", "ok", 5)],
        });
        assert!(table.lines().nth(1).unwrap().contains(" - "));
    }
}
