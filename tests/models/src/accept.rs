//! What happens before the 202: some requests with one key, one event, its messages.
//!
//! A request puts its key's row with the id that its event will have, then the event's row, each if
//! there is none; then it sends the event's messages. One that meets the event's row is a repeat,
//! and can't know whether the first request got as far as its messages. So for each message that
//! has left no trace it sends a *recheck*, which waits until a first copy would have been recorded,
//! looks again, and puts a row as its claim before it makes the request.
//!
//! # Pitfalls
//!
//! A first copy that waits in its queue for longer than a recheck does is the one case in which a
//! request may be made twice without a fault: both may look at the same moment.

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
    /// Writes that are carried out and answered with an error.
    #[arg(long, default_value_t = 1)]
    pub lost_answers: u8,
}

/// A part of the rules that can be taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptRule {
    /// A request uses the id that its key's row has.
    IdOfTheKey,
    /// A request that meets the event's row knows that it is a repeat.
    EventIfAbsent,
    /// A repeat sends a recheck for what has left no trace.
    Recheck,
    /// A recheck waits until a first copy would have been recorded.
    RecheckWaits,
    /// A recheck looks for a trace before it makes a request.
    RecheckLooks,
    /// A recheck puts a row as its claim.
    RecheckClaims,
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
    /// Messages that wait, sorted.
    queue: Vec<Message>,
    /// Messages that `deliver` has, sorted.
    workers: Vec<Worker>,
    /// What a recheck has claimed.
    claims: Vec<Part>,
    /// What is on record: a trace.
    recorded: Vec<Part>,
    /// Requests to the receiver that were made.
    sent: Vec<Part>,
    /// The event that a 202 has told.
    answered: Option<u8>,
    /// Whether rechecks are due: a minute and a half have passed.
    due: bool,
    /// Whether a first copy was still in the queue then, or an invocation has died.
    disturbed: bool,
    crashes: u8,
    lost_answers: u8,
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
    Send { id: u8, message: u8, is_repeat: bool },
    Answer { id: u8 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Message {
    of: Part,
    recheck: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Worker {
    message: Message,
    next: Work,
}

/// What `deliver` does next with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Work {
    Look,
    Claim,
    Send,
    Record,
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
            self.request_step(rest, *request, steps);
        }
    }

    /// One step of a request; `rest` is the state without it.
    fn request_step(&self, mut rest: State, request: Request, steps: &mut Steps) {
        let goes_on = |mut state: State, next| {
            state.requests.push(Request { next, ..request });
            state
        };
        match request.next {
            Next::PutKey => {
                let planned = *rest.key.get_or_insert(request.number);
                let id = if self.has(AcceptRule::IdOfTheKey) { planned } else { request.number };
                steps.push(("it puts its key", goes_on(rest, Next::PutEvent { id })));
            }
            Next::PutEvent { id } => {
                let is_there = rest.events.contains(&id);
                if !is_there {
                    rest.events.push(id);
                }
                let repeats = is_there && self.has(AcceptRule::EventIfAbsent);
                let send = |is_repeat| Next::Send { id, message: 0, is_repeat };
                if !is_there && rest.lost_answers < self.bounds.lost_answers {
                    // The SDK tries again and meets the row that it has written.
                    let lost_answers = rest.lost_answers + 1;
                    let state = State { lost_answers, ..rest.clone() };
                    steps.push((
                        "it puts the event and does not hear so",
                        goes_on(state, send(true)),
                    ));
                }
                steps.push(("it puts the event", goes_on(rest, send(repeats))));
            }
            Next::Send { id, message, .. } if message == self.bounds.messages => {
                steps.push(("all is sent", goes_on(rest, Next::Answer { id })));
            }
            Next::Send { id, message, is_repeat } => {
                let of = (id, message);
                let has_trace = rest.recorded.contains(&of);
                if !is_repeat {
                    rest.queue.push(Message { of, recheck: false });
                } else if !has_trace && self.has(AcceptRule::Recheck) {
                    rest.queue.push(Message { of, recheck: true });
                }
                let next = Next::Send { id, message: message + 1, is_repeat };
                if !self.has(AcceptRule::AnswerLast) {
                    rest.answer(self, id);
                }
                steps.push(("it sends a message", goes_on(rest, next)));
            }
            Next::Answer { id } => {
                rest.answer(self, id);
                steps.push(("it answers 202", rest));
            }
        }
    }

    fn worker_steps(&self, state: &State, steps: &mut Steps) {
        for (place, message) in state.queue.iter().enumerate() {
            // A first copy that an invocation still has by then will have been recorded.
            let has_first =
                |worker: &Worker| worker.message.of == message.of && !worker.message.recheck;
            let waits = !state.due || state.workers.iter().any(has_first);
            if message.recheck && waits && self.has(AcceptRule::RecheckWaits) {
                continue;
            }
            let mut next = state.clone();
            next.queue.remove(place);
            let looks =
                if message.recheck { self.has(AcceptRule::RecheckLooks) } else { state.due };
            let work = if looks { Work::Look } else { Work::Send };
            next.workers.push(Worker { message: *message, next: work });
            steps.push(("deliver gets a message", next));
        }
        for (place, worker) in state.workers.iter().enumerate() {
            let mut rest = state.clone();
            rest.workers.remove(place);
            if state.crashes < self.bounds.crashes {
                let mut next = rest.clone();
                next.crashes += 1;
                next.disturbed = true;
                next.queue.push(worker.message);
                steps.push(("an invocation dies", next));
            }
            self.work(rest, *worker, steps);
        }
    }

    /// One step of an invocation; `rest` is the state without it.
    fn work(&self, mut rest: State, worker: Worker, steps: &mut Steps) {
        let Message { of, recheck } = worker.message;
        let goes_on = |mut state: State, next| {
            state.workers.push(Worker { next, ..worker });
            state
        };
        match worker.next {
            Work::Look if rest.recorded.contains(&of) => steps.push(("it was recorded", rest)),
            // The claim may be its own, from before it died; or else the other recheck sends.
            Work::Look if rest.claims.contains(&of) && !(recheck && rest.disturbed) => {
                steps.push(("it was claimed", rest));
            }
            Work::Look => {
                let claims = recheck && self.has(AcceptRule::RecheckClaims);
                let next = if claims { Work::Claim } else { Work::Send };
                steps.push(("it finds no trace", goes_on(rest, next)));
            }
            Work::Claim if rest.claims.contains(&of) && !rest.disturbed => {
                steps.push(("it was claimed", rest));
            }
            Work::Claim => {
                rest.claims.push(of);
                steps.push(("it claims the delivery", goes_on(rest, Work::Send)));
            }
            Work::Send => {
                if rest.sent.contains(&of) && !rest.disturbed {
                    rest.broken = Some("one request a delivery");
                }
                rest.sent.push(of);
                steps.push(("it makes the request", goes_on(rest, Work::Record)));
            }
            Work::Record => {
                rest.recorded.push(of);
                steps.push(("it records the request", rest));
            }
        }
    }
}

impl State {
    /// Tells the caller of an event, and notes the promise that this breaks.
    fn answer(&mut self, rules: &Accept, id: u8) {
        let on_its_way = |message| {
            let of = (id, message);
            self.recorded.contains(&of)
                || self.queue.iter().any(|waiting| waiting.of == of)
                || self.workers.iter().any(|worker| worker.message.of == of)
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
        self.workers.sort_unstable();
        for deliveries in [&mut self.claims, &mut self.recorded, &mut self.sent] {
            deliveries.sort_unstable();
            deliveries.dedup();
        }
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
        self.worker_steps(state, &mut steps);
        // Counted from the event's row; by then the request that has put it has ended.
        let sends_first =
            |request: &Request| matches!(request.next, Next::Send { is_repeat: false, .. });
        if !state.due && !state.events.is_empty() && !state.requests.iter().any(sends_first) {
            let backlog = state.queue.iter().any(|message| !message.recheck);
            let disturbed = state.disturbed || backlog;
            let next = State { due: true, disturbed, ..state.clone() };
            steps.push(("a minute and a half have passed", next));
        }
        steps.into_iter().map(|(step, state)| (step, state.normal())).collect()
    }

    fn broken(&self, state: &State) -> Option<&'static str> {
        state.broken
    }

    fn is_done(&self, state: &State) -> bool {
        let is_quiet =
            state.requests.is_empty() && state.queue.is_empty() && state.workers.is_empty();
        let arrived = |id| (0..self.bounds.messages).all(|one| state.recorded.contains(&(id, one)));
        is_quiet && state.answered.is_none_or(arrived)
    }
}
