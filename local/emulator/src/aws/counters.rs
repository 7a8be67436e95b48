//! How often which AWS call was made, by whom, and how many attempts were written: what a delivered
//! event costs.
//!
//! A call that fails is billed as well, so outcomes are told apart but none is left out.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::caller::Caller;
use super::requirement::Service;
use super::units::Units;

/// One kind of call and how often it was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallCount {
    /// A function's name, `poller`, or an access key id.
    pub caller: String,
    /// `dynamodb` or `sqs`.
    pub service: String,
    /// Operation, such as `BatchWriteItem`.
    pub operation: String,
    /// Table or queue; several are joined by commas, none is empty.
    pub resource: String,
    /// `ok`, or the error's name.
    pub outcome: String,
    /// How often.
    pub count: u64,
    /// What they took of DynamoDB, all together.
    pub units: Units,
}

/// Everything that was counted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CountersReport {
    /// Items written that are attempts of a delivery.
    pub attempts: u64,
    /// Every kind of call, sorted.
    pub calls: Vec<CallCount>,
}

/// A call, as it is counted.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// Who made it.
    pub caller: &'a Caller,
    /// Where it went.
    pub service: Service,
    /// What it was.
    pub operation: &'a str,
    /// Its tables or queues.
    pub resource: String,
    /// `ok`, or the error's name.
    pub outcome: String,
    /// Attempts that it wrote.
    pub attempts: u64,
    /// What it took of DynamoDB.
    pub units: Units,
}

/// The counters since start or the last reset.
#[derive(Debug, Default)]
pub struct Counters {
    counted: Mutex<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    attempts: u64,
    calls: BTreeMap<Kind, (u64, Units)>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    caller: String,
    service: &'static str,
    operation: String,
    resource: String,
    outcome: String,
}

impl Counters {
    /// Counts one call; the stack's own are no part of what an event costs.
    pub fn count(&self, call: Call<'_>) {
        if *call.caller == Caller::Stack {
            return;
        }
        let kind = Kind {
            caller: call.caller.label().to_owned(),
            service: call.service.name(),
            operation: call.operation.to_owned(),
            resource: call.resource,
            outcome: call.outcome,
        };
        let mut counted = self.lock();
        counted.attempts += call.attempts;
        let (count, units) = counted.calls.entry(kind).or_default();
        *count += 1;
        *units += call.units;
    }

    /// What was counted so far.
    pub fn report(&self) -> CountersReport {
        let counted = self.lock();
        let call = |(kind, (count, units)): (&Kind, &(u64, Units))| CallCount {
            caller: kind.caller.clone(),
            service: kind.service.to_owned(),
            operation: kind.operation.clone(),
            resource: kind.resource.clone(),
            outcome: kind.outcome.clone(),
            count: *count,
            units: *units,
        };
        CountersReport {
            attempts: counted.attempts,
            calls: counted.calls.iter().map(call).collect(),
        }
    }

    /// Starts again from zero.
    pub fn reset(&self) {
        *self.lock() = Counted::default();
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many attempts of deliveries a DynamoDB call puts: items keyed
/// `A#<project>#<endpoint>#<shard>` and `<attempt>`, which say how many they hold.
pub fn attempts_in(operation: &str, body: &Json) -> u64 {
    let items: Vec<&Json> = match operation {
        "PutItem" => vec![&body["Item"]],
        "BatchWriteItem" => {
            let tables = body["RequestItems"].as_object().into_iter().flatten();
            let requests = tables.filter_map(|(_, requests)| requests.as_array()).flatten();
            requests.map(|request| &request["PutRequest"]["Item"]).collect()
        }
        _ => Vec::new(),
    };
    let count = |item: &Json| item["n"]["N"].as_str()?.parse::<u64>().ok();
    items.into_iter().filter(|item| is_attempt(item)).filter_map(count).sum()
}

fn is_attempt(item: &Json) -> bool {
    let key = |name: &str| item[name]["S"].as_str().unwrap_or_default();
    key("pk").starts_with("A#") && key("sk").starts_with("atm_")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(caller: &Caller, outcome: &str) -> Call<'static> {
        Call {
            caller: Box::leak(Box::new(caller.clone())),
            service: Service::Sqs,
            operation: "ReceiveMessage",
            resource: "q".into(),
            outcome: outcome.into(),
            attempts: 1,
            units: Units { reads: 0.5, writes: 2.0 },
        }
    }

    #[test]
    fn calls_are_counted_by_caller_and_outcome_and_the_stacks_own_are_not() {
        let counters = Counters::default();
        counters.count(call(&Caller::Poller, "ok"));
        counters.count(call(&Caller::Poller, "ok"));
        counters.count(call(&Caller::Poller, "QueueDoesNotExist"));
        counters.count(call(&Caller::Stack, "ok"));
        let report = counters.report();
        let counts: Vec<_> =
            report.calls.iter().map(|call| (call.outcome.as_str(), call.count)).collect();
        assert_eq!(counts, [("QueueDoesNotExist", 1), ("ok", 2)]);
        assert_eq!(report.calls[1].units, Units { reads: 1.0, writes: 4.0 });
        assert_eq!(report.attempts, 3);
    }

    #[test]
    fn a_reset_starts_again_from_zero() {
        let counters = Counters::default();
        counters.count(call(&Caller::Poller, "ok"));
        counters.reset();
        assert_eq!(counters.report(), CountersReport::default());
    }

    #[test]
    fn only_attempts_are_counted_as_attempts() {
        let put = |pk: &str, sk: &str, count: &str| {
            let item = json!({"pk": {"S": pk}, "sk": {"S": sk}, "n": {"N": count}});
            json!({"PutRequest": {"Item": item}})
        };
        let pk = "A#proj_1#we_1#0";
        let body = json!({"RequestItems": {"Log": [
            put(pk, "atm_1", "1"), put(pk, "atm_2", "10"), put("A#proj_1#we_1", "RATE", "7"),
            put("PROJ#p#0", "evt_1", "7"),
            {"DeleteRequest": {"Key": {"pk": {"S": pk}, "sk": {"S": "atm_1"}}}}]}});
        assert_eq!(attempts_in("BatchWriteItem", &body), 11);
        assert_eq!(attempts_in("GetItem", &body), 0);
    }
}
