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

/// The faults that are planned, and the calls that they have hit.
#[derive(Debug, Default)]
pub struct Faults(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    rules: Vec<Rule>,
    calls: usize,
    strikes: usize,
    struck: BTreeSet<Requirement>,
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

    /// Nothing goes wrong any more.
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
