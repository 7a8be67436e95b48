//! All of the system at one moment, as far as it concerns one delivery.

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    /// The delivery's row.
    pub row: Option<Row>,
    /// What the index shows of the row; it lags.
    pub index: Option<Entry>,
    /// The rounds and turns of which a request was made, sorted.
    pub sent: Vec<Turn>,
    /// The requests that the log has no entry of, sorted.
    pub unlogged: Vec<Attempt>,
    /// The rounds of which the log has a success, sorted.
    pub logged_successes: Vec<u8>,
    /// Whether a process died that alone knew of a request.
    pub lost: bool,
    /// Messages that wait, sorted.
    pub queue: Vec<Message>,
    /// Invocations of `deliver`, sorted.
    pub workers: Vec<Worker>,
    /// Runs of `jobs`, and of a resend, sorted.
    pub runs: Vec<Run>,
    /// Whether the endpoint's circuit is open.
    pub open: bool,
    /// Whether the ten seconds after acceptance are over.
    pub late: bool,
    /// What has gone wrong so far.
    pub used: Used,
    /// The promise that the last step broke.
    pub broken: Option<&'static str>,
}

/// A turn of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Turn {
    /// Which schedule of attempts: the first, or a resend's.
    pub round: u8,
    /// Attempts of this round so far.
    pub used: u8,
}

/// The row of a delivery that did not succeed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Row {
    /// Where it is in its schedule.
    pub turn: Turn,
    /// Which message may act on the row.
    pub seq: u8,
    /// Where the delivery stands.
    pub phase: Phase,
    /// Whether a message for `seq` is said to be on its way.
    pub claimed: bool,
    /// Stands for `list_at`: each change of the row's place in a list is another number.
    pub moved: u8,
    /// The last attempt: what its log entry says, should that be missing.
    pub last: Option<Attempt>,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// For a time.
    Waiting,
    /// For its circuit.
    Held,
    /// It has arrived.
    Succeeded,
    /// It was given up.
    Failed,
}

impl Phase {
    /// Whether nothing more happens by itself.
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

/// A key in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// Its list.
    pub phase: Phase,
    /// Its place there.
    pub moved: u8,
}

impl Row {
    /// What the index will show of it.
    pub fn entry(&self) -> Option<Entry> {
        (!self.phase.has_ended()).then_some(Entry { phase: self.phase, moved: self.moved })
    }
}

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt {
    /// The turn that its worker had read.
    pub turn: Turn,
    /// Whether it was a probe, which uses no turn.
    pub probe: bool,
    /// Whether the receiver took it.
    pub success: bool,
}

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Message {
    /// The first attempt, with the payload.
    First {
        /// Whether an invocation had it before.
        received: bool,
    },
    /// A later attempt. It acts only if the row has its round and its `seq`.
    Again {
        /// See [`Turn::round`].
        round: u8,
        /// See [`Row::seq`].
        seq: u8,
        /// Whether it is sent although the circuit is open.
        probe: bool,
    },
}

/// An invocation of `deliver` with one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Worker {
    /// The message.
    pub message: Message,
    /// What it does next.
    pub next: Next,
}

/// What an invocation does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Next {
    /// Reads the row and the log.
    Look,
    /// Makes the request of this turn.
    Send(Turn),
    /// Writes the result into the row.
    Write(Attempt),
    /// Writes that the delivery waits for its circuit, if the row is still at this turn.
    Hold(Turn),
    /// Puts the log entry of this attempt. Then the message starts over, if its row had moved on.
    Log {
        /// The attempt.
        attempt: Attempt,
        /// Whether the row has the attempt.
        in_row: bool,
    },
    /// Puts the log entry that a crash has left out, if any; the message has no more to do.
    Mend,
    /// Passes the delivery on: to a message, or to `jobs`.
    PassOn,
    /// Deletes the message.
    Acknowledge,
}

/// A process that writes a row, and then sends a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Run {
    /// It has found this in the index.
    Found(Entry),
    /// It has written the row, and sends this next.
    Sends(Message),
    /// A broken one: it has sent its message, and claims the row next.
    Claims(Entry),
}

/// How often each kind of trouble came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Used {
    /// Processes that died.
    pub crashes: u8,
    /// Messages that came twice.
    pub doubles: u8,
    /// Messages that were late by more than a quarter of an hour.
    pub delays: u8,
    /// Openings of the circuit.
    pub openings: u8,
    /// Probes.
    pub probes: u8,
    /// Resends.
    pub resends: u8,
}

impl State {
    /// Whether this message waits or is being handled, or is about to be sent.
    pub fn is_alive(&self, row: &Row) -> bool {
        self.is_in_hand(row) || self.queue.iter().any(|message| acts_on(*message, row))
    }

    /// Whether an invocation or a run has the message that acts on the row.
    pub fn is_in_hand(&self, row: &Row) -> bool {
        let sends = |run: &Run| matches!(run, Run::Sends(message) if acts_on(*message, row));
        self.workers.iter().any(|worker| acts_on(worker.message, row))
            || self.runs.iter().any(sends)
    }

    /// Puts the log entry of an attempt; twice is once.
    pub fn put_in_log(&mut self, attempt: Attempt) {
        let Some(place) = self.unlogged.iter().position(|one| *one == attempt) else { return };
        self.unlogged.remove(place);
        if attempt.success && !self.logged_successes.contains(&attempt.turn.round) {
            self.logged_successes.push(attempt.turn.round);
        }
    }

    /// Whether nothing is under way.
    pub fn is_quiet(&self) -> bool {
        self.queue.is_empty() && self.workers.is_empty() && self.runs.is_empty()
    }

    /// The same state in one form: what has no order is sorted, and numbers that only ever are
    /// compared with the row's are counted from there.
    #[must_use]
    pub fn normal(mut self) -> Self {
        if let Some(row) = self.row {
            let seq = |seq: &mut u8| *seq = (*seq + CURRENT).saturating_sub(row.seq);
            let messages = self.queue.iter_mut();
            let messages =
                messages.chain(self.workers.iter_mut().map(|worker| &mut worker.message));
            let sent = self.runs.iter_mut().filter_map(|run| match run {
                Run::Sends(message) => Some(message),
                Run::Found(_) | Run::Claims(_) => None,
            });
            for message in messages.chain(sent) {
                if let Message::Again { seq: its, .. } = message {
                    seq(its);
                }
            }
            let found = self.runs.iter_mut().filter_map(|run| match run {
                Run::Found(entry) | Run::Claims(entry) => Some(entry),
                Run::Sends(_) => None,
            });
            for entry in found.chain(&mut self.index) {
                entry.moved = (entry.moved + CURRENT).saturating_sub(row.moved);
            }
            self.row = Some(Row { seq: CURRENT, moved: CURRENT, ..row });
        }
        self.sent.sort_unstable();
        self.unlogged.sort_unstable();
        self.logged_successes.sort_unstable();
        self.queue.sort_unstable();
        self.workers.sort_unstable();
        self.runs.sort_unstable();
        self
    }
}

/// A row's own numbers in a normal state; smaller ones are of the past.
const CURRENT: u8 = 1;

fn acts_on(message: Message, row: &Row) -> bool {
    let Message::Again { round, seq, .. } = message else { return false };
    (round, seq) == (row.turn.round, row.seq)
}
