//! One delivery, from its first message to its end.
//!
//! A delivery that succeeds at once leaves an entry in the log. Any other has exactly one row,
//! which is the truth until it ends; messages only carry the work, and act only if the row names
//! them. Three rules hold everywhere:
//!
//! 1. Row, then message, then acknowledgement.
//! 2. A result is recorded if the row still has the round and turn that its worker has read (a
//!    success: the round). Otherwise only its log entry is written.
//! 3. The index is a hint: who finds a key there writes the row on a condition, or reads it.
//!
//! # Pitfalls
//!
//! Time is left out: what may happen after a wait may happen at any moment. Where the rules rely on
//! a wait (an invocation ends within a minute, `jobs` looks after a quarter of an hour), the model
//! states so, and [`DeliveryBounds::delays`] breaks it.

mod jobs;
mod state;
mod trouble;
mod worker;

pub use state::{Message, State};

use crate::Model;

/// How much trouble the search tries together.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct DeliveryBounds {
    /// Attempts in a schedule.
    #[arg(long, default_value_t = 2)]
    pub turns: u8,
    /// Processes that die, each between any two of its steps.
    #[arg(long, default_value_t = 2)]
    pub crashes: u8,
    /// Messages that come twice.
    #[arg(long, default_value_t = 0)]
    pub doubles: u8,
    /// Messages that are late by more than a quarter of an hour.
    #[arg(long, default_value_t = 0)]
    pub delays: u8,
    /// Openings of the circuit.
    #[arg(long, default_value_t = 1)]
    pub openings: u8,
    /// Probes of an open circuit.
    #[arg(long, default_value_t = 1)]
    pub probes: u8,
    /// Resends, once the delivery has ended.
    #[arg(long, default_value_t = 1)]
    pub resends: u8,
    /// Invocations of `deliver` at once.
    #[arg(long, default_value_t = 2)]
    pub workers: usize,
    /// Runs of `jobs` at once.
    #[arg(long, default_value_t = 2)]
    pub runs: usize,
}

/// A part of the rules that can be taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryRule {
    /// The row is written before the message is acknowledged.
    RowBeforeAcknowledgement,
    /// A row is put only if there is none.
    PutIfAbsent,
    /// A message acts only on its own `seq`.
    Sequence,
    /// A row that is held counts its `seq` up.
    SequenceOfHeld,
    /// A message acts only on its own round, and so does a result.
    Round,
    /// A result needs the turn that its worker has read.
    Turn,
    /// `jobs` claims a row before it sends a message.
    ClaimBeforeMessage,
    /// A claim ends by itself.
    ClaimsEnd,
    /// A claim needs the place in the list that the index has shown.
    ClaimOnCondition,
    /// Whoever finds that the log lacks a row's last attempt puts it there.
    MissingEntries,
    /// A message that was received before reads the row and the log first.
    LookWhenReceivedAgain,
}

/// The rules of a delivery.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// How much goes wrong.
    pub bounds: DeliveryBounds,
    /// The part of the rules that is left out.
    pub without: Option<DeliveryRule>,
}

impl Delivery {
    fn has(&self, guard: DeliveryRule) -> bool {
        self.without != Some(guard)
    }
}

/// What may happen next, collected.
type Steps = Vec<(&'static str, State)>;

impl Model for Delivery {
    type State = State;

    fn start(&self) -> State {
        State { queue: vec![Message::First { received: false }], ..State::default() }
    }

    fn steps(&self, state: &State) -> Steps {
        let mut steps = Vec::new();
        self.worker_steps(state, &mut steps);
        self.job_steps(state, &mut steps);
        self.trouble_steps(state, &mut steps);
        steps.into_iter().map(|(step, state)| (step, state.normal())).collect()
    }

    fn broken(&self, state: &State) -> Option<&'static str> {
        let unrecorded = state.is_quiet() && is_undisturbed(state) && !state.unlogged.is_empty();
        state.broken.or(unrecorded.then_some("each request is on record"))
    }

    fn is_done(&self, state: &State) -> bool {
        let ended = match &state.row {
            Some(row) => row.phase.has_ended(),
            None => state.logged_successes.contains(&0),
        };
        ended && state.is_quiet()
    }
}

/// Whether each message came once, and in time. Otherwise requests may be made twice: the rules
/// promise that no delivery is lost then, and no more.
fn is_undisturbed(state: &State) -> bool {
    state.used.doubles == 0 && state.used.delays == 0
}
