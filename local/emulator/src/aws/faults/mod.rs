//! Faults of AWS to order: tests say which call of which function goes wrong, and how.
//!
//! The SDK retries by itself, and each of its tries is a call here. A fault that the function must
//! see has to hit at least as many calls as the SDK tries (three).

mod errors;
mod partly;

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::caller::Caller;
use super::requirement::Requirement;

pub(super) use errors::error;
pub(super) use partly::Split;

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Refused for now: `ProvisionedThroughputExceededException`, `RequestThrottled`. Not carried
    /// out.
    Throttled,
    /// 500. Not carried out.
    InternalError,
    /// 503. Not carried out.
    Unavailable,
    /// `ExpiredTokenException`, which no SDK tries again. Not carried out.
    ExpiredCredentials,
    /// `TransactionCanceledException`: another transaction is writing one of the items. Only for
    /// `TransactWriteItems`. Not carried out.
    Contended,
    /// The connection closes before the call is carried out.
    ConnectionLost,
    /// The call is carried out, and the connection closes before the answer: the caller can't know.
    AnswerLost,
    /// Carried out after this time.
    Slow(Duration),
    /// Carried out and never answered, on a connection that stays open.
    Hanging,
    /// Of a batch, the first half is carried out and the rest reported as unprocessed or failed; of
    /// one entry, nothing. Calls that aren't batches are carried out whole.
    Partly,
}

/// The faults that strike at random.
const RANDOM: [Fault; 7] = [
    Fault::Throttled,
    Fault::InternalError,
    Fault::Unavailable,
    Fault::ConnectionLost,
    Fault::AnswerLost,
    Fault::Slow(Duration::from_millis(200)),
    Fault::Partly,
];
/// How much likelier a write is throttled whose table has an index: DynamoDB slows down a table's
/// writes while its index can't follow.
const BACK_PRESSURE: u32 = 3;

/// The faults that are planned, and the calls that they have hit.
#[derive(Debug, Default)]
pub struct Faults(Mutex<State>);

/// Faults without a plan.
#[derive(Debug, Default)]
struct AtRandom {
    /// Of a hundred calls so many.
    percent: u32,
    /// ARNs of tables with indexes.
    indexed: Vec<String>,
}

#[derive(Debug, Default)]
struct State {
    rules: Vec<Rule>,
    calls: usize,
    strikes: usize,
    struck: BTreeSet<Requirement>,
    at_random: AtRandom,
}

#[derive(Debug)]
struct Rule {
    caller: String,
    operation: Option<String>,
    after: usize,
    times: usize,
    fault: Fault,
}

/// Which calls go wrong; [`Self::fail`] says how.
#[must_use = "nothing goes wrong before `fail`"]
#[derive(Debug)]
pub struct Plan<'a> {
    faults: &'a Faults,
    caller: &'a str,
    operation: Option<&'a str>,
    after: usize,
    times: usize,
}

impl Faults {
    /// All calls of a function.
    pub fn of<'a>(&'a self, function: &'a str) -> Plan<'a> {
        Plan { faults: self, caller: function, operation: None, after: 0, times: usize::MAX }
    }

    /// A function's calls of one operation (`BatchWriteItem`).
    pub fn on<'a>(&'a self, function: &'a str, operation: &'a str) -> Plan<'a> {
        Plan { operation: Some(operation), ..self.of(function) }
    }

    /// From now on, of a hundred calls of functions so many go wrong, each in some way; and more of
    /// the writes to these tables, which have indexes.
    pub fn at_random(&self, percent: u32, indexed: Vec<String>) {
        self.lock().at_random = AtRandom { percent, indexed };
    }

    /// Nothing that was planned goes wrong any more.
    pub fn heal(&self) {
        self.lock().rules.clear();
    }

    /// How many calls functions have made so far, those that went wrong included.
    pub fn calls(&self) -> usize {
        self.lock().calls
    }

    /// How many calls have gone wrong so far.
    pub fn strikes(&self) -> usize {
        self.lock().strikes
    }

    /// The actions on resources that have gone wrong so far.
    pub fn struck(&self) -> BTreeSet<Requirement> {
        self.lock().struck.clone()
    }

    /// What will happen to a call.
    pub(super) fn next(
        &self,
        caller: &Caller,
        operation: &str,
        needed: &[Requirement],
    ) -> Option<Fault> {
        let Caller::Function(caller) = caller else { return None };
        let mut state = self.lock();
        state.calls += 1;
        let matches = |rule: &&mut Rule| {
            rule.caller == *caller && rule.operation.as_deref().is_none_or(|only| only == operation)
        };
        let mut struck = None;
        for rule in state.rules.iter_mut().filter(matches) {
            if rule.after > 0 {
                rule.after -= 1;
            } else if rule.times > 0 && struck.is_none() {
                rule.times -= 1;
                struck = Some(rule.fault);
            }
        }
        let struck = struck.or_else(|| state.at_random.strike(needed));
        if struck.is_some() {
            state.strikes += 1;
            state.struck.extend(needed.iter().cloned());
        }
        struck
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AtRandom {
    fn strike(&self, needed: &[Requirement]) -> Option<Fault> {
        let writes = |needed: &Requirement| {
            needed.action.ends_with("Item") && !needed.action.ends_with("GetItem")
        };
        let indexed =
            needed.iter().any(|needed| writes(needed) && self.indexed.contains(&needed.resource));
        let dice = rand::random_range(0..100);
        if dice < self.percent {
            return Some(RANDOM[rand::random_range(0..RANDOM.len())]);
        }
        (indexed && dice < self.percent * (1 + BACK_PRESSURE)).then_some(Fault::Throttled)
    }
}

impl Plan<'_> {
    /// Only after this many calls that succeed.
    pub fn after(self, calls: usize) -> Self {
        Self { after: calls, ..self }
    }

    /// Only so often; else until [`Faults::heal`].
    pub fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }

    /// From now on these calls go wrong so.
    pub fn fail(self, fault: Fault) {
        let Self { faults, caller, operation, after, times } = self;
        let rule = Rule {
            caller: caller.to_owned(),
            operation: operation.map(str::to_owned),
            after,
            times,
            fault,
        };
        faults.lock().rules.push(rule);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(faults: &Faults, operation: &str) -> Option<Fault> {
        faults.next(&Caller::Function("f".to_owned()), operation, &[])
    }

    #[test]
    fn a_fault_strikes_its_calls_and_no_others() {
        let faults = Faults::default();
        faults.on("f", "PutItem").after(1).times(2).fail(Fault::Throttled);
        let got: Vec<_> = ["PutItem", "GetItem", "PutItem", "PutItem", "PutItem"]
            .map(|operation| next(&faults, operation))
            .into();
        assert_eq!(got, [None, None, Some(Fault::Throttled), Some(Fault::Throttled), None]);
        assert_eq!(faults.next(&Caller::Function("g".to_owned()), "PutItem", &[]), None);
        assert_eq!((faults.calls(), faults.strikes()), (6, 2));
    }

    #[test]
    fn at_random_some_calls_go_wrong_and_more_of_the_writes_to_a_table_with_an_index() {
        let faults = Faults::default();
        faults.at_random(10, vec!["state".to_owned()]);
        let strikes = |action: &str, resource: &str| {
            let needed =
                Requirement { action: format!("dynamodb:{action}"), resource: resource.to_owned() };
            let caller = Caller::Function("f".to_owned());
            let struck =
                |_: &i32| faults.next(&caller, action, std::slice::from_ref(&needed)).is_some();
            (0..10_000).filter(struck).count()
        };
        for (action, resource, about) in [
            ("UpdateItem", "log", 1_000),
            ("Query", "state", 1_000),
            ("GetItem", "state", 1_000),
            ("UpdateItem", "state", 4_000),
        ] {
            let struck = strikes(action, resource);
            assert!(struck.abs_diff(about) < 400, "{action} on {resource}: {struck}");
        }
        assert_eq!(Faults::default().next(&Caller::Function("f".into()), "GetItem", &[]), None);
    }

    #[test]
    fn the_stack_and_the_pollers_are_spared() {
        let faults = Faults::default();
        faults.of("poller").fail(Fault::InternalError);
        assert_eq!(faults.next(&Caller::Poller, "ReceiveMessage", &[]), None);
    }

    #[test]
    fn a_fault_without_an_end_ends_with_healing() {
        let faults = Faults::default();
        faults.of("f").fail(Fault::InternalError);
        assert!((0..9).all(|_| next(&faults, "Query").is_some()));
        faults.heal();
        assert_eq!(next(&faults, "Query"), None);
    }
}
