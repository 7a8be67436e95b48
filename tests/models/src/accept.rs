//! What happens before the 202: some requests with one key, one event, its messages.
//!
//! A request puts its key's row with the id that its event will have, then the event's row, each if
//! there is none; then it sends the event's messages. One that meets the event's row is a repeat,
//! and can't know whether the first request got as far as its messages. So for each message that
//! has left no trace it puts a row, which is due when a message that was sent before would have
//! left one. Then the row's message looks at the log before it makes the request. A first message
//! that is late looks too: first for a row, then at the log.
//!
//! How a row gets its one message is [`delivery`](crate::delivery)'s.

use crate::Model;

/// How much the search tries together.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct AcceptBounds {
    /// Requests with the same key and content.
    #[arg(long, default_value_t = 3)]
    pub requests: u8,
    /// Messages of the event.
    #[arg(long, default_value_t = 1)]
    pub messages: u8,
    /// Processes that die, each between any two of its steps.
    #[arg(long, default_value_t = 2)]
    pub crashes: u8,
}

/// A part of the rules that can be taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptRule {
    /// A request uses the id that its key's row has.
    IdOfTheKey,
    /// A request that meets the event's row knows that it is a repeat.
    EventIfAbsent,
    /// A repeat puts a row for what has left no trace.
    Row,
    /// It puts it only if there is none.
    RowIfAbsent,
    /// The row is due only when a first message would have left a trace.
    RowWaits,
    /// The row's message looks at the log before it makes a request.
    RowLooks,
    /// A late first message, or one that comes again, looks at the log.
    LateLooks,
    /// And for a row.
    LateLeavesItToTheRow,
    /// For the row first: it may go when the log has it.
    RowBeforeLog,
    /// The answer comes after the messages.
    AnswerLast,
}

/// The rules of accepting an event.
#[derive(Clone, Debug)]
pub struct Accept {
    /// How much goes wrong.
    pub bounds: AcceptBounds,
    /// The part of the rules that is left out.
    pub without: Option<AcceptRule>,
}

/// All of the system at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    /// Requests that have begun so far.
    begun: u8,
    /// Those that are being handled, sorted.
    requests: Vec<Request>,
    /// The id in the key's row.
    key: Option<u8>,
    /// The ids of the events' rows, sorted.
    events: Vec<u8>,
    /// First messages that wait, sorted.
    queue: Vec<First>,
    /// Rows, sorted.
    rows: Vec<Row>,
    /// Invocations of `deliver`, each with a message, sorted.
    workers: Vec<Worker>,
    /// What is on record: a trace. Sorted.
    recorded: Vec<Part>,
    /// Requests to the receiver that were made, sorted.
    sent: Vec<Part>,
    /// Of these, those whose invocation died before it could record them.
    forgotten: u8,
    /// The event that a 202 has told.
    answered: Option<u8>,
    /// Whether first messages are late.
    late: bool,
    crashes: u8,
    broken: Option<&'static str>,
}

/// A message's part of an event: the event's id, and the number of the message.
type Part = (u8, u8);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Request {
    number: u8,
    next: Next,
}

/// What a request does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Next {
    PutKey,
    PutEvent { id: u8 },
    Send { id: u8, message: u8 },
    Look { id: u8, message: u8 },
    PutRow { id: u8, message: u8 },
    Answer { id: u8 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct First {
    of: Part,
    /// Whether it comes again, from an invocation that died.
    again: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Row {
    of: Part,
    is_due: bool,
    /// Whether an invocation has its message.
    is_taken: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Worker {
    of: Part,
    /// Whether its message is that of a row.
    for_row: bool,
    next: Work,
}

/// What `deliver` does next with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Work {
    ReadRow,
    ReadLog,
    /// Both in the wrong order: the log was empty.
    ReadRowLast,
    Send,
    Record,
    DeleteRow,
}

type Steps = Vec<(&'static str, State)>;

impl Accept {
    fn has(&self, guard: AcceptRule) -> bool {
        self.without != Some(guard)
    }

    fn request_steps(&self, state: &State, steps: &mut Steps) {
        if state.begun < self.bounds.requests {
            let mut next = state.clone();
            next.requests.push(Request { number: state.begun, next: Next::PutKey });
            next.begun += 1;
            steps.push(("a request comes", next));
        }
        for (place, request) in state.requests.iter().enumerate() {
            let mut rest = state.clone();
            rest.requests.remove(place);
            if state.crashes < self.bounds.crashes {
                let crashes = state.crashes + 1;
                steps.push(("a request dies", State { crashes, ..rest.clone() }));
            }
            steps.push(self.request_step(rest, *request));
        }
    }

    /// One step of a request; `rest` is the state without it.
    fn request_step(&self, mut rest: State, request: Request) -> (&'static str, State) {
        let mut tells = None;
        let (step, next) = match request.next {
            Next::PutKey => {
                let planned = *rest.key.get_or_insert(request.number);
                let id = if self.has(AcceptRule::IdOfTheKey) { planned } else { request.number };
                ("it puts its key", Next::PutEvent { id })
            }
            Next::PutEvent { id } if !rest.events.contains(&id) => {
                rest.events.push(id);
                ("it puts the event", Next::Send { id, message: 0 })
            }
            Next::PutEvent { id } if self.has(AcceptRule::EventIfAbsent) => {
                ("it meets the event", Next::Look { id, message: 0 })
            }
            Next::PutEvent { id } => ("it puts the event again", Next::Send { id, message: 0 }),
            Next::Send { id, message } | Next::Look { id, message }
                if message == self.bounds.messages =>
            {
                ("all is sent", Next::Answer { id })
            }
            Next::Send { id, message } => {
                rest.queue.push(First { of: (id, message), again: false });
                tells = (!self.has(AcceptRule::AnswerLast)).then_some(id);
                ("it sends a message", Next::Send { id, message: message + 1 })
            }
            Next::Look { id, message } => {
                let next = Next::Look { id, message: message + 1 };
                let puts = !rest.recorded.contains(&(id, message)) && self.has(AcceptRule::Row);
                ("it looks for a trace", if puts { Next::PutRow { id, message } } else { next })
            }
            Next::PutRow { id, message } => {
                rest.put_row((id, message), self.has(AcceptRule::RowIfAbsent));
                ("it puts a row", Next::Look { id, message: message + 1 })
            }
            Next::Answer { id } => {
                rest.answer(self, id);
                return ("it answers 202", rest);
            }
        };
        rest.requests.push(Request { next, ..request });
        if let Some(id) = tells {
            rest.answer(self, id);
        }
        (step, rest)
    }

    fn time_steps(&self, state: &State, steps: &mut Steps) {
        if !state.late && !state.events.is_empty() {
            steps.push(("ten seconds have passed", State { late: true, ..state.clone() }));
        }
        for (place, row) in state.rows.iter().enumerate().filter(|(_, row)| !row.is_due) {
            // By then the request that has put the event has ended, and so has each invocation that
            // didn't see the row.
            let sends =
                |request: &Request| matches!(request.next, Next::Send { id, .. } if id == row.of.0);
            let may_send = |worker: &Worker| {
                worker.of == row.of && !worker.for_row && worker.next != Work::ReadRow
            };
            let is_early = state.requests.iter().any(sends) || state.workers.iter().any(may_send);
            if !is_early || !self.has(AcceptRule::RowWaits) {
                let mut next = State { late: true, ..state.clone() };
                next.rows[place].is_due = true;
                steps.push(("a row is due", next));
            }
        }
    }

    fn worker_steps(&self, state: &State, steps: &mut Steps) {
        for (place, message) in state.queue.iter().enumerate() {
            let mut next = state.clone();
            next.queue.remove(place);
            let looks = (state.late || message.again) && self.has(AcceptRule::LateLooks);
            let work = match looks {
                false => Work::Send,
                true if !self.has(AcceptRule::LateLeavesItToTheRow) => Work::ReadLog,
                true if !self.has(AcceptRule::RowBeforeLog) => Work::ReadLog,
                true => Work::ReadRow,
            };
            next.workers.push(Worker { of: message.of, for_row: false, next: work });
            steps.push(("deliver gets a first message", next));
        }
        let due = |(_, row): &(usize, &Row)| row.is_due && !row.is_taken;
        for (place, row) in state.rows.iter().enumerate().filter(due) {
            let mut next = state.clone();
            next.rows[place].is_taken = true;
            let looks = self.has(AcceptRule::RowLooks);
            let work = if looks { Work::ReadLog } else { Work::Send };
            next.workers.push(Worker { of: row.of, for_row: true, next: work });
            steps.push(("deliver gets a row's message", next));
        }
        for (place, worker) in state.workers.iter().enumerate() {
            let mut rest = state.clone();
            rest.workers.remove(place);
            if state.crashes < self.bounds.crashes {
                steps.push(("an invocation dies", rest.clone().without(*worker)));
            }
            steps.push(self.work(rest, *worker));
        }
    }

    /// One step of an invocation; `rest` is the state without it.
    fn work(&self, mut rest: State, worker: Worker) -> (&'static str, State) {
        let Worker { of, for_row, .. } = worker;
        let has_row = rest.rows.iter().any(|row| row.of == of);
        let has_record = rest.recorded.contains(&of);
        let in_wrong_order = !for_row && !self.has(AcceptRule::RowBeforeLog);
        let (step, next) = match worker.next {
            Work::ReadRow | Work::ReadRowLast if has_row => {
                return ("it leaves the delivery to its row", rest);
            }
            Work::ReadRow => ("it finds no row", Work::ReadLog),
            Work::ReadRowLast => ("it finds no row", Work::Send),
            Work::ReadLog if has_record && for_row => ("it was recorded", Work::DeleteRow),
            Work::ReadLog if has_record => return ("it was recorded", rest),
            Work::ReadLog if in_wrong_order => ("it finds no trace", Work::ReadRowLast),
            Work::ReadLog => ("it finds no trace", Work::Send),
            Work::Send => {
                rest.sent.push(of);
                let requests = rest.sent.iter().filter(|sent| **sent == of).count();
                if requests > 1 + usize::from(rest.forgotten) {
                    rest.broken = Some("one request a delivery");
                }
                ("it makes the request", Work::Record)
            }
            Work::Record if for_row => {
                rest.recorded.push(of);
                ("it records the request", Work::DeleteRow)
            }
            Work::Record => {
                rest.recorded.push(of);
                return ("it records the request", rest);
            }
            Work::DeleteRow => {
                rest.rows.retain(|row| row.of != of);
                return ("it deletes the row", rest);
            }
        };
        rest.workers.push(Worker { next, ..worker });
        (step, rest)
    }
}

impl State {
    fn put_row(&mut self, of: Part, if_absent: bool) {
        if if_absent && self.rows.iter().any(|row| row.of == of) {
            return;
        }
        self.rows.retain(|row| row.of != of);
        self.rows.push(Row { of, is_due: false, is_taken: false });
    }

    /// An invocation has died: its message comes again, or `jobs` sends another.
    fn without(mut self, Worker { of, for_row, next }: Worker) -> Self {
        self.crashes += 1;
        self.forgotten += u8::from(next == Work::Record);
        if for_row {
            self.rows.iter_mut().filter(|row| row.of == of).for_each(|row| row.is_taken = false);
        } else {
            self.queue.push(First { of, again: true });
        }
        self
    }

    /// Tells the caller of an event, and notes the promise that this breaks.
    fn answer(&mut self, rules: &Accept, id: u8) {
        let on_its_way = |message| {
            let of = (id, message);
            self.recorded.contains(&of)
                || self.queue.iter().any(|waiting| waiting.of == of)
                || self.workers.iter().any(|worker| worker.of == of)
                || self.rows.iter().any(|row| row.of == of)
        };
        if !(0..rules.bounds.messages).all(on_its_way) {
            self.broken = Some("a 202 means that each delivery is on its way");
        }
        if self.answered.is_some_and(|told| told != id) {
            self.broken = Some("one key, one event");
        }
        self.answered = Some(id);
    }

    /// The same state in one form.
    fn normal(mut self) -> Self {
        self.requests.sort_unstable();
        self.events.sort_unstable();
        self.queue.sort_unstable();
        self.rows.sort_unstable();
        self.workers.sort_unstable();
        self.sent.sort_unstable();
        self.recorded.sort_unstable();
        self.recorded.dedup();
        self
    }
}

impl Model for Accept {
    type State = State;

    fn start(&self) -> State {
        State::default()
    }

    fn steps(&self, state: &State) -> Steps {
        let mut steps = Vec::new();
        self.request_steps(state, &mut steps);
        self.time_steps(state, &mut steps);
        self.worker_steps(state, &mut steps);
        steps.into_iter().map(|(step, state)| (step, state.normal())).collect()
    }

    fn broken(&self, state: &State) -> Option<&'static str> {
        state.broken
    }

    fn is_done(&self, state: &State) -> bool {
        let is_quiet = state.requests.is_empty()
            && state.queue.is_empty()
            && state.rows.is_empty()
            && state.workers.is_empty();
        let arrived = |id| (0..self.bounds.messages).all(|one| state.recorded.contains(&(id, one)));
        is_quiet && state.answered.is_none_or(arrived)
    }
}
