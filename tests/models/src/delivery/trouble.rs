//! What happens to the processes: crashes, doubled messages, circuits, time.

use super::{
    Delivery, DeliveryRule, Steps,
    state::{Message, Next, State, Worker},
};

impl Delivery {
    /// The steps of everything around the processes.
    pub(super) fn trouble_steps(&self, state: &State, steps: &mut Steps) {
        self.crashes(state, steps);
        self.doubles(state, steps);
        self.claim_ends(state, steps);
        let shown = state.row.and_then(|row| row.entry());
        if state.index != shown {
            steps.push(("the index catches up", State { index: shown, ..state.clone() }));
        }
        if !state.late {
            steps.push(("ten seconds have passed", State { late: true, ..state.clone() }));
        }
        if state.open {
            steps.push(("the circuit closes", State { open: false, ..state.clone() }));
        } else if state.used.openings < self.bounds.openings {
            let mut next = State { open: true, ..state.clone() };
            next.used.openings += 1;
            steps.push(("the circuit opens", next));
        }
    }

    /// A message whose invocation has died comes again; a run that dies leaves what it has written.
    fn crashes(&self, state: &State, steps: &mut Steps) {
        if state.used.crashes >= self.bounds.crashes {
            return;
        }
        for (place, worker) in state.workers.iter().enumerate() {
            let mut next = state.clone();
            next.used.crashes += 1;
            next.workers.remove(place);
            next.lose_what_it_knows(*worker);
            next.queue.push(match worker.message {
                Message::First { .. } => Message::First { received: true },
                again @ Message::Again { .. } => again,
            });
            steps.push(("an invocation dies", next));
        }
        for place in 0..state.runs.len() {
            let mut next = state.clone();
            next.used.crashes += 1;
            next.runs.remove(place);
            steps.push(("a run dies", next));
        }
    }

    fn doubles(&self, state: &State, steps: &mut Steps) {
        if state.used.doubles >= self.bounds.doubles {
            return;
        }
        for message in &state.queue {
            let mut next = state.clone();
            next.used.doubles += 1;
            next.queue.push(*message);
            steps.push(("a message comes twice", next));
        }
    }

    /// A claim ends a quarter of an hour after its message was due. By then no invocation has the
    /// message; if it still waits, it is late.
    fn claim_ends(&self, state: &State, steps: &mut Steps) {
        let Some(row) = state.row.filter(|row| row.claimed && self.has(DeliveryRule::ClaimsEnd))
        else {
            return;
        };
        if state.is_in_hand(&row) {
            return;
        }
        let mut next = state.clone();
        if state.is_alive(&row) {
            if next.used.delays >= self.bounds.delays {
                return;
            }
            next.used.delays += 1;
        }
        next.row = next.row.map(|row| super::state::Row { claimed: false, ..row });
        steps.push(("the claim ends", next));
    }
}

impl State {
    /// A request that only this invocation knows of will never be on record.
    fn lose_what_it_knows(&mut self, worker: Worker) {
        let (Next::Write(attempt) | Next::Log { attempt, in_row: false }) = worker.next else {
            return;
        };
        if let Some(place) = self.unlogged.iter().position(|one| *one == attempt) {
            self.unlogged.remove(place);
            self.lost = true;
        }
    }
}
