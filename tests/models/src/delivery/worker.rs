//! `deliver`: what an invocation does with a message.

use super::{
    Delivery, DeliveryRule, Steps, is_undisturbed,
    state::{Attempt, Message, Next, Phase, Row, State, Turn, Worker},
};

impl Delivery {
    /// The steps of the invocations, and of one that begins.
    pub(super) fn worker_steps(&self, state: &State, steps: &mut Steps) {
        if state.workers.len() < self.bounds.workers {
            for (place, message) in state.queue.iter().enumerate() {
                let mut next = state.clone();
                next.queue.remove(place);
                next.workers.push(Worker { message: *message, next: Next::Look });
                steps.push(("deliver gets a message", next));
            }
        }
        for (place, worker) in state.workers.iter().enumerate() {
            let mut rest = state.clone();
            rest.workers.remove(place);
            self.step(rest, *worker, steps);
        }
    }

    /// One step of an invocation; `rest` is the state without it.
    fn step(&self, mut rest: State, worker: Worker, steps: &mut Steps) {
        let goes_on = |mut state: State, next| {
            state.workers.push(Worker { next, ..worker });
            state
        };
        match worker.next {
            Next::Look => {
                let next = self.look(&mut rest, worker.message);
                steps.push(("it looks", goes_on(rest, next)));
            }
            Next::Send(turn) => {
                for success in [true, false] {
                    let mut state = rest.clone();
                    let attempt = send(&mut state, worker.message, turn, success);
                    let step = if success { "a request arrives" } else { "a request fails" };
                    steps.push((step, goes_on(state, Next::Write(attempt))));
                }
            }
            Next::Write(attempt) => {
                let in_row = self.write(&mut rest, worker.message, attempt);
                steps.push(("it writes the row", goes_on(rest, Next::Log { attempt, in_row })));
            }
            Next::Hold(turn) => {
                let next = self.hold(&mut rest, worker.message, turn);
                steps.push(("it holds the delivery", goes_on(rest, next)));
            }
            Next::Log { attempt, in_row } => {
                rest.put_in_log(attempt);
                let next = match worker.message {
                    Message::Again { .. } if !in_row => Next::Look,
                    _ => Next::PassOn,
                };
                steps.push(("it puts the log entry", goes_on(rest, next)));
            }
            Next::Mend => {
                self.mend(&mut rest);
                steps.push(("it mends the log", goes_on(rest, Next::Acknowledge)));
            }
            Next::PassOn => pass_on(&rest, worker, steps),
            Next::Acknowledge => steps.push(("it deletes the message", rest)),
        }
    }

    fn look(&self, state: &mut State, message: Message) -> Next {
        match message {
            Message::First { received } => {
                let looks = received && self.has(DeliveryRule::LookWhenReceivedAgain) || state.late;
                match state.row {
                    Some(_) if looks => Next::Mend,
                    None if looks && state.logged_successes.contains(&0) => Next::Acknowledge,
                    _ if state.open => Next::Hold(Turn::FIRST),
                    _ => Next::Send(Turn::FIRST),
                }
            }
            Message::Again { round, seq, probe } => {
                let acts = |row: &Row| {
                    (row.turn.round == round || !self.has(DeliveryRule::Round))
                        && (row.seq == seq || !self.has(DeliveryRule::Sequence))
                        && !row.phase.has_ended()
                };
                let Some(row) = state.row.filter(acts) else { return Next::Mend };
                self.mend(state);
                if state.open && !probe { Next::Hold(row.turn) } else { Next::Send(row.turn) }
            }
        }
    }

    /// Puts the log entry that the row knows of.
    fn mend(&self, state: &mut State) {
        if let Some(last) = state.row.and_then(|row| row.last)
            && self.has(DeliveryRule::MissingEntries)
        {
            state.put_in_log(last);
        }
    }

    /// Writes a result. Whether the row has it.
    fn write(&self, state: &mut State, message: Message, attempt: Attempt) -> bool {
        match message {
            Message::First { .. } => {
                // Within the window, a success needs no row.
                if attempt.success && !state.late {
                    return false;
                }
                if !attempt.success && !self.has(DeliveryRule::RowBeforeAcknowledgement) {
                    return false;
                }
                self.put(state, self.row_after(Row::new(Turn::FIRST), attempt))
            }
            Message::Again { .. } => {
                let same = |row: &Row| {
                    (row.turn.round == attempt.turn.round || !self.has(DeliveryRule::Round))
                        && (attempt.success
                            || row.turn == attempt.turn
                            || !self.has(DeliveryRule::Turn))
                };
                let Some(row) = state.row.filter(same) else { return false };
                state.change_row(self.row_after(row, attempt));
                true
            }
        }
    }

    /// A row after an attempt. A probe that fails uses no turn, and moves nothing.
    fn row_after(&self, row: Row, attempt: Attempt) -> Row {
        let row = Row { claimed: false, last: Some(attempt), ..row };
        if attempt.probe && !attempt.success {
            return self.held(row);
        }
        let turn = Turn { used: row.turn.used + 1, ..row.turn };
        let phase = match attempt.success {
            true => Phase::Succeeded,
            false if turn.used >= self.bounds.turns => Phase::Failed,
            false => Phase::Waiting,
        };
        Row { turn, phase, moved: row.moved + 1, ..row }
    }

    /// Writes that the delivery waits for its circuit. What the worker does then.
    fn hold(&self, state: &mut State, message: Message, turn: Turn) -> Next {
        match (message, state.row) {
            (Message::First { .. }, _) => {
                self.put(state, Row { phase: Phase::Held, ..Row::new(turn) });
                Next::Acknowledge
            }
            (Message::Again { .. }, Some(row)) if row.turn == turn => {
                state.change_row(self.held(Row { claimed: false, moved: row.moved + 1, ..row }));
                Next::Acknowledge
            }
            (Message::Again { .. }, _) => Next::Look,
        }
    }

    /// A row that waits for its circuit. `jobs` may claim it at once, so the message that its
    /// worker still has may not act on it any more, should the worker die before it deletes it.
    fn held(&self, row: Row) -> Row {
        let seq = row.seq + u8::from(self.has(DeliveryRule::SequenceOfHeld));
        Row { phase: Phase::Held, seq, ..row }
    }

    /// Puts a row if there is none. Whether it did.
    fn put(&self, state: &mut State, row: Row) -> bool {
        let free = state.row.is_none() || !self.has(DeliveryRule::PutIfAbsent);
        if free {
            state.change_row(row);
        }
        free
    }
}

impl Row {
    /// A row that is new.
    pub(super) fn new(turn: Turn) -> Self {
        let phase = Phase::Waiting;
        Self { turn, seq: 1, phase, claimed: false, moved: 1, last: None }
    }
}

impl Turn {
    /// The first of the first round.
    const FIRST: Self = Self { round: 0, used: 0 };
}

impl State {
    /// Writes the row, and notes the promise that this breaks.
    fn change_row(&mut self, row: Row) {
        let undoes = |old: Row| {
            let arrived = row.phase == Phase::Succeeded;
            let same = row.turn.round == old.turn.round && row.phase == old.phase;
            old.phase.has_ended() && !same && !arrived
        };
        if self.row.is_some_and(undoes) {
            self.broken = Some("what has ended stays so");
        }
        self.row = Some(row);
    }
}

/// Makes a request, and notes the promise that it breaks.
fn send(state: &mut State, message: Message, turn: Turn, success: bool) -> Attempt {
    let probe = matches!(message, Message::Again { probe: true, .. });
    let in_row = |row: &Row| row.turn.round == turn.round && row.phase == Phase::Succeeded;
    let succeeded =
        state.row.as_ref().is_some_and(in_row) || state.logged_successes.contains(&turn.round);
    let again = !probe && state.sent.contains(&turn);
    if is_undisturbed(state) && succeeded {
        state.broken = Some("no request after a success that is on record");
    } else if is_undisturbed(state) && again && !state.lost {
        state.broken = Some("one request a turn");
    }
    if !probe && !again {
        state.sent.push(turn);
    }
    let attempt = Attempt { turn, probe, success };
    state.unlogged.push(attempt);
    attempt
}

/// A short wait is a message: a new one after the first attempt, later the same one, hidden. A long
/// one is the row's.
fn pass_on(rest: &State, worker: Worker, steps: &mut Steps) {
    let waits = rest.row.filter(|row| row.phase == Phase::Waiting);
    if let Some(row) = waits {
        let mut state = rest.clone();
        match worker.message {
            Message::First { .. } => {
                state.queue.push(Message::Again { round: 0, seq: 1, probe: false });
                state.workers.push(Worker { next: Next::Acknowledge, ..worker });
                steps.push(("it sends a message for the retry", state));
            }
            Message::Again { round, seq, .. } if (round, seq) == (row.turn.round, row.seq) => {
                state.queue.push(Message::Again { round, seq, probe: false });
                steps.push(("it hides the message for the retry", state));
            }
            Message::Again { .. } => {}
        }
    }
    let mut state = rest.clone();
    state.workers.push(Worker { next: Next::Acknowledge, ..worker });
    steps.push(("it leaves the retry to jobs", state));
}
