//! The search: breadth first, so that what it finds has the fewest steps.

use std::{
    collections::{HashMap, VecDeque},
    fmt::{Debug, Display, Formatter, Result as Written},
    hash::Hash,
};

/// Rules, as the states that they allow.
pub trait Model {
    /// All of the system at one moment.
    type State: Clone + Debug + Eq + Hash;

    /// Where it begins.
    fn start(&self) -> Self::State;

    /// What may happen next: what it is, and the state after it.
    fn steps(&self, state: &Self::State) -> Vec<(&'static str, Self::State)>;

    /// The promise that a state breaks.
    fn broken(&self, state: &Self::State) -> Option<&'static str>;

    /// Whether everything has ended well. It must be possible to get here from every state.
    fn is_done(&self, state: &Self::State) -> bool;
}

/// What the search has found.
#[derive(Clone, Debug)]
pub struct Report {
    /// How many states there are, or were seen until a violation.
    pub states: usize,
    /// The first one that was found, if there is one.
    pub violation: Option<Violation>,
}

/// A state that must not be, and how to get there.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The promise that it breaks.
    pub promise: &'static str,
    /// The steps from the start.
    pub steps: Vec<&'static str>,
    /// The state.
    pub state: String,
}

impl Display for Violation {
    fn fmt(&self, f: &mut Formatter<'_>) -> Written {
        writeln!(f, "{}, after {} steps:", self.promise, self.steps.len())?;
        for step in &self.steps {
            writeln!(f, "  {step}")?;
        }
        write!(f, "{}", self.state)
    }
}

/// The states that were seen, by their place.
struct Seen<S> {
    places: HashMap<S, usize>,
    /// From which state each was first reached, and by which step.
    from: Vec<(usize, &'static str)>,
    /// The states from which each can be reached in one step.
    before: Vec<Vec<usize>>,
    done: Vec<bool>,
}

/// Looks at every state that the rules allow.
pub fn explore<M: Model>(model: &M) -> Report {
    let mut seen =
        Seen { places: HashMap::new(), from: Vec::new(), before: Vec::new(), done: Vec::new() };
    let mut waiting = VecDeque::new();
    let start = model.start();
    seen.add(model, &start, (0, ""));
    waiting.push_back((0, start));
    while let Some((place, state)) = waiting.pop_front() {
        if let Some(promise) = model.broken(&state) {
            return seen.report(Some((promise, place)));
        }
        for (step, next) in model.steps(&state) {
            let known = seen.places.get(&next).copied();
            let to = known.unwrap_or_else(|| seen.add(model, &next, (place, step)));
            seen.before[to].push(place);
            if known.is_none() {
                waiting.push_back((to, next));
            }
        }
    }
    let stuck = seen.first_stuck();
    seen.report(stuck.map(|place| ("from here it can't end any more", place)))
}

impl<S: Clone + Debug + Eq + Hash> Seen<S> {
    fn add<M: Model<State = S>>(
        &mut self,
        model: &M,
        state: &S,
        from: (usize, &'static str),
    ) -> usize {
        let place = self.from.len();
        self.places.insert(state.clone(), place);
        self.from.push(from);
        self.before.push(Vec::new());
        self.done.push(model.is_done(state));
        place
    }

    /// The first state from which no end can be reached: what can reach one is marked backwards.
    fn first_stuck(&self) -> Option<usize> {
        let mut ends = self.done.clone();
        let mut marked: Vec<_> = (0..ends.len()).filter(|place| ends[*place]).collect();
        while let Some(place) = marked.pop() {
            for before in &self.before[place] {
                if !ends[*before] {
                    ends[*before] = true;
                    marked.push(*before);
                }
            }
        }
        ends.iter().position(|ends| !ends)
    }

    fn report(&self, found: Option<(&'static str, usize)>) -> Report {
        let violation = found.map(|(promise, place)| {
            let state = self.places.iter().find(|(_, there)| **there == place);
            let state = state.map(|(state, _)| format!("{state:#?}")).unwrap_or_default();
            Violation { promise, steps: self.steps_to(place), state }
        });
        Report { states: self.from.len(), violation }
    }

    fn steps_to(&self, mut place: usize) -> Vec<&'static str> {
        let mut steps = Vec::new();
        while place != 0 {
            let (before, step) = self.from[place];
            steps.push(step);
            place = before;
        }
        steps.reverse();
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts up to a bound by ones or threes; may never be `forbidden`, and ends at the bound.
    struct Counter {
        forbidden: u8,
        trap: bool,
    }

    impl Model for Counter {
        type State = u8;

        fn start(&self) -> u8 {
            0
        }

        fn steps(&self, state: &u8) -> Vec<(&'static str, u8)> {
            match *state {
                5 if self.trap => Vec::new(),
                10.. => Vec::new(),
                state => vec![("one", state + 1), ("three", (state + 3).min(10))],
            }
        }

        fn broken(&self, state: &u8) -> Option<&'static str> {
            (*state == self.forbidden).then_some("it is forbidden")
        }

        fn is_done(&self, state: &u8) -> bool {
            *state == 10
        }
    }

    #[test]
    fn a_model_that_holds_is_searched_whole() {
        let report = explore(&Counter { forbidden: 99, trap: false });
        assert_eq!((report.states, report.violation.is_none()), (11, true));
    }

    #[test]
    fn a_broken_promise_is_found_by_the_shortest_way() {
        let violation = explore(&Counter { forbidden: 4, trap: false }).violation.unwrap();
        assert_eq!((violation.promise, violation.steps.len()), ("it is forbidden", 2));
    }

    #[test]
    fn a_state_without_a_way_to_the_end_is_found() {
        let violation = explore(&Counter { forbidden: 99, trap: true }).violation.unwrap();
        assert_eq!(violation.promise, "from here it can't end any more");
        assert_eq!((violation.steps.len(), violation.state.as_str()), (3, "5"));
    }
}
