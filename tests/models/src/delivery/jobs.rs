//! `jobs`: finds in the index what is due, claims it, and sends a message.

use super::{
    Delivery, DeliveryRule, Steps,
    state::{Entry, Message, Next, Phase, Row, Run, State, Turn, Worker},
};

impl Delivery {
    /// The steps of the runs, and of one that begins; and of a person who resends.
    pub(super) fn job_steps(&self, state: &State, steps: &mut Steps) {
        if state.runs.len() < self.bounds.runs {
            self.find(state, steps);
            self.resend(state, steps);
        }
        for (place, run) in state.runs.iter().enumerate() {
            let mut rest = state.clone();
            rest.runs.remove(place);
            match *run {
                Run::Found(entry) if self.has(DeliveryRule::ClaimBeforeMessage) => {
                    if let Some(message) = self.claim(&mut rest, entry) {
                        rest.runs.push(Run::Sends(message));
                    }
                    steps.push(("jobs claims the row", rest));
                }
                Run::Found(entry) => {
                    let Some(row) = rest.row else { continue };
                    rest.queue.push(message_of(&rest, Row { seq: row.seq + 1, ..row }));
                    rest.runs.push(Run::Claims(entry));
                    steps.push(("jobs sends a message", rest));
                }
                Run::Sends(message) => {
                    rest.queue.push(message);
                    steps.push(("the message is sent", rest));
                }
                Run::Claims(entry) => {
                    self.claim(&mut rest, entry);
                    steps.push(("jobs claims the row", rest));
                }
            }
        }
    }

    /// A run finds the row in the index: one that is held at any moment. One that waits for a time
    /// is due a quarter of an hour after its message, if it has one, or else after the wait, which
    /// is longer than an invocation. So the invocation that wrote it has ended, as has one that had
    /// the message; a message that still waits is late.
    fn find(&self, state: &State, steps: &mut Steps) {
        let Some(entry) = state.index else { return };
        let mut next = state.clone();
        if let Some(row) = state.row.filter(|row| !row.claimed && row.phase == Phase::Waiting) {
            if state.is_in_hand(&row) || state.workers.iter().copied().any(has_written) {
                return;
            }
            if state.is_alive(&row) {
                if next.used.delays >= self.bounds.delays {
                    return;
                }
                next.used.delays += 1;
            }
        }
        if state.open && entry.phase == Phase::Held {
            if next.used.probes >= self.bounds.probes {
                return;
            }
            next.used.probes += 1;
        }
        next.runs.push(Run::Found(entry));
        steps.push(("jobs finds the row in the index", next));
    }

    /// Counts `seq` up, if the row is where the index has shown it and has no claim. The message
    /// that may then act.
    fn claim(&self, state: &mut State, entry: Entry) -> Option<Message> {
        let there = |row: &Row| {
            row.entry() == Some(entry) && !row.claimed || !self.has(DeliveryRule::ClaimOnCondition)
        };
        let row = state.row.filter(there)?;
        let claimed = Row { seq: row.seq + 1, claimed: true, ..row };
        state.row = Some(claimed);
        Some(message_of(state, claimed))
    }

    /// A person resends what has ended: a new round.
    fn resend(&self, state: &State, steps: &mut Steps) {
        let ended = match state.row {
            Some(row) => row.phase.has_ended(),
            None => state.logged_successes.contains(&0),
        };
        if !ended || state.used.resends >= self.bounds.resends {
            return;
        }
        let mut next = state.clone();
        next.used.resends += 1;
        let new = match state.row {
            Some(old) => Row {
                seq: old.seq + 1,
                moved: old.moved + 1,
                last: old.last,
                ..Row::new(Turn { round: old.turn.round + 1, used: 0 })
            },
            None => Row::new(Turn { round: 1, used: 0 }),
        };
        next.row = Some(new);
        next.runs.push(Run::Sends(message_of(&next, new)));
        steps.push(("a person resends", next));
    }
}

fn has_written(worker: Worker) -> bool {
    matches!(worker.next, Next::Log { in_row: true, .. } | Next::PassOn)
}

fn message_of(state: &State, row: Row) -> Message {
    let probe = state.open && row.phase == Phase::Held;
    Message::Again { round: row.turn.round, seq: row.seq, probe }
}
