//! The rules of a delivery hold, and each of them is there for something.

use models::{
    delivery::{Delivery, DeliveryBounds, DeliveryRule},
    explore,
};

/// No trouble, and two processes of each kind.
const NONE: DeliveryBounds = DeliveryBounds {
    turns: 2,
    crashes: 0,
    doubles: 0,
    delays: 0,
    openings: 0,
    probes: 0,
    resends: 0,
    workers: 2,
    runs: 2,
};
/// A crash while the circuit opens and closes.
const CIRCUIT: DeliveryBounds = DeliveryBounds { crashes: 1, openings: 1, probes: 1, ..NONE };
/// A crash, and a resend.
const RESEND: DeliveryBounds = DeliveryBounds { crashes: 1, resends: 1, ..NONE };
/// A crash, and a message that comes twice.
const DOUBLED: DeliveryBounds = DeliveryBounds { crashes: 1, doubles: 1, ..NONE };
/// A message that comes twice, and a circuit that opens and closes.
const DOUBLED_CIRCUIT: DeliveryBounds =
    DeliveryBounds { doubles: 1, openings: 1, probes: 1, ..NONE };
/// A crash, a message that is late, and a circuit that opens and closes.
const LATE: DeliveryBounds =
    DeliveryBounds { crashes: 1, delays: 1, openings: 1, probes: 1, ..NONE };

#[test]
fn each_delivery_ends_and_what_is_promised_of_its_requests_holds() {
    for bounds in [CIRCUIT, RESEND, DOUBLED, DOUBLED_CIRCUIT, LATE] {
        let report = explore(&Delivery { bounds, without: None });
        eprintln!("{} states: {bounds:?}", report.states);
        if let Some(violation) = report.violation {
            panic!("{violation}");
        }
    }
}

#[test]
fn without_any_of_its_rules_a_promise_breaks() {
    const STUCK: &str = "from here it can't end any more";
    const TWICE: &str = "one request a turn";
    for (without, bounds, promise) in [
        (DeliveryRule::RowBeforeAcknowledgement, NONE, STUCK),
        (DeliveryRule::PutIfAbsent, DOUBLED, "what has ended stays so"),
        (DeliveryRule::Sequence, CIRCUIT, TWICE),
        (DeliveryRule::SequenceOfHeld, CIRCUIT, TWICE),
        (DeliveryRule::Round, RESEND, TWICE),
        (DeliveryRule::Turn, DOUBLED, "what has ended stays so"),
        (DeliveryRule::ClaimBeforeMessage, NONE, TWICE),
        (DeliveryRule::ClaimOnCondition, NONE, TWICE),
        (DeliveryRule::ClaimsEnd, CIRCUIT, STUCK),
        (DeliveryRule::MissingEntries, CIRCUIT, "each request is on record"),
        (DeliveryRule::LookWhenReceivedAgain, CIRCUIT, TWICE),
    ] {
        let report = explore(&Delivery { bounds, without: Some(without) });
        let found = report.violation.map(|violation| (violation.promise, violation.steps.len()));
        eprintln!("{without:?}: {found:?}, {} states", report.states);
        assert_eq!(found.map(|(promise, _)| promise), Some(promise), "without {without:?}");
    }
}
