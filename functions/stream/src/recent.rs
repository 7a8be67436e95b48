//! The last events that a viewer was sent: what it is shown again is dropped (see
//! [`store::feed`] for when that can be).

use std::collections::{HashSet, VecDeque};

use domain::id::EventId;

/// How many: an event moves by seconds, in which a project has hardly more.
const KEPT: usize = 4_096;

/// A bounded memory of ids.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    known: HashSet<EventId>,
    order: VecDeque<EventId>,
}

impl Recent {
    /// Remembers an id. Whether it is new.
    pub(crate) fn add(&mut self, id: EventId) -> bool {
        if !self.known.insert(id) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use domain::time::Timestamp;

    use super::*;

    #[test]
    fn an_id_is_new_once_until_it_is_forgotten_and_the_memory_is_bounded() {
        let id = |number: usize| EventId::new(Timestamp::from_seconds(1), number as u128);
        let mut recent = Recent::default();
        assert!(recent.add(id(0)));
        assert!(!recent.add(id(0)));
        assert!((1..=KEPT).all(|number| recent.add(id(number))));
        assert!(!recent.add(id(KEPT)));
        assert!(recent.add(id(0)), "the oldest is forgotten");
        assert_eq!((recent.known.len(), recent.order.len()), (KEPT, KEPT));
    }
}
