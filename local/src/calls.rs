//! `posthaste calls`: what a delivered event costs in AWS calls, as the stand-ins have counted.
//!
//! The pollers' calls belong in the sum. On AWS the event source mapping makes them, and SQS bills
//! them to the account.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::ready::Ready;
use emulator::aws::CountersReport;
use emulator::aws::server::COUNTERS_PATH;

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
        "{:<12} {:<10} {:<30} {:>9} {:>9}  {:>12}\n",
        "caller", "service", "operation", "calls", "failed", "per delivery"
    );
    let mut total = 0;
    for ((caller, service, operation), (calls, failed)) in summed(report) {
        total += calls;
        let ratio = per_delivery(calls, report.attempts);
        // Writing to a string can't fail.
        let _ = writeln!(
            text,
            "{caller:<12} {service:<10} {operation:<30} {calls:>9} {failed:>9}  {ratio:>12}"
        );
    }
    let ratio = per_delivery(total, report.attempts);
    let _ = writeln!(text, "{:<12} {:<10} {:<30} {total:>9} {:>9}  {ratio:>12}", "all", "", "", "");
    let _ = writeln!(
        text,
        "\n{} delivery attempts written since the start or the last reset",
        report.attempts
    );
    text
}

type Summed<'a> = BTreeMap<(&'a str, &'a str, &'a str), (u64, u64)>;

fn summed(report: &CountersReport) -> Summed<'_> {
    let mut summed = Summed::new();
    for call in &report.calls {
        let (calls, failed) =
            summed.entry((&call.caller, &call.service, &call.operation)).or_default();
        *calls += call.count;
        *failed += if call.outcome == "ok" { 0 } else { call.count };
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
        assert_eq!(rows[1], ["deliver", "dynamodb", "Query", "5", "2", "1.25"]);
        assert_eq!(rows[3], ["all", "10", "2.50"]);
    }

    #[test]
    fn without_attempts_there_is_no_ratio() {
        let table = table(&CountersReport {
            attempts: 0,
            calls: vec![call("events", "PutItem", "B", "ok", 5)],
        });
        assert!(table.lines().nth(1).unwrap().ends_with('-'));
    }
}
