//! The rules of accepting an event hold, and each of them is there for something.

use models::{
    accept::{Accept, AcceptBounds, AcceptRule},
    explore,
};

const BOUNDS: AcceptBounds = AcceptBounds { requests: 2, messages: 1, crashes: 1 };

#[test]
fn a_202_means_that_each_delivery_is_on_its_way_and_one_key_is_one_event() {
    let bounds =
        [BOUNDS, AcceptBounds { messages: 2, ..BOUNDS }, AcceptBounds { requests: 3, ..BOUNDS }];
    for bounds in bounds {
        let report = explore(&Accept { bounds, without: None });
        eprintln!("{} states: {bounds:?}", report.states);
        if let Some(violation) = report.violation {
            panic!("{violation}");
        }
    }
}

#[test]
fn without_any_of_its_rules_a_promise_breaks() {
    const ON_ITS_WAY: &str = "a 202 means that each delivery is on its way";
    const ONCE: &str = "one request a delivery";
    for (without, promise) in [
        (AcceptRule::IdOfTheKey, "one key, one event"),
        (AcceptRule::EventIfAbsent, ONCE),
        (AcceptRule::Row, ON_ITS_WAY),
        (AcceptRule::RowIfAbsent, ONCE),
        (AcceptRule::RowWaits, ONCE),
        (AcceptRule::RowLooks, ONCE),
        (AcceptRule::LateLooks, ONCE),
        (AcceptRule::LateLeavesItToTheRow, ONCE),
        (AcceptRule::RowBeforeLog, ONCE),
        (AcceptRule::AnswerLast, ON_ITS_WAY),
    ] {
        let bounds = match without {
            AcceptRule::AnswerLast => AcceptBounds { messages: 2, ..BOUNDS },
            AcceptRule::RowIfAbsent => AcceptBounds { requests: 3, ..BOUNDS },
            _ => BOUNDS,
        };
        let report = explore(&Accept { bounds, without: Some(without) });
        let found = report.violation.map(|violation| (violation.promise, violation.steps.len()));
        eprintln!("{without:?}: {found:?}, {} states", report.states);
        assert_eq!(found.map(|(promise, _)| promise), Some(promise), "without {without:?}");
    }
}
