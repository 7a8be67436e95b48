//! A bound on the messages that this process has hidden on the retries queue.
//!
//! SQS takes a hidden message for one in flight, and hands out nothing more from a queue that has
//! 120,000 of them (SQS quotas: standard queues). Then nobody would get retries. So a process hides
//! a bounded number, and of one project a quarter of that; what is over it waits in its row alone,
//! until `jobs` finds it due.
//!
//! # Pitfalls
//!
//! A process that starts knows nothing of what another one has hidden before it. Lambda replaces a
//! process every few hours, and a wait that is carried is 15 minutes at most.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    sync::{Mutex, PoisonError},
};

use domain::{id::ProjectId, time::Timestamp};

/// How many messages a process hides. With the twenty processes at a time that the template allows
/// the retries queue at most, these are 60,000.
const MOST: usize = 3_000;
/// And of one project.
const MOST_OF_A_PROJECT: usize = MOST / 4;

/// What is hidden now.
#[derive(Debug, Default)]
pub(crate) struct Hidden(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// When each of them shows itself again, the first one first.
    ends: BinaryHeap<Reverse<(Timestamp, ProjectId)>>,
    of_project: HashMap<ProjectId, usize>,
}

impl Hidden {
    /// Makes room for one more until then. Whether there was room.
    pub(crate) fn take(&self, project: ProjectId, until: Timestamp, now: Timestamp) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.forget(now);
        let own = known.of_project.get(&project).copied().unwrap_or(0);
        if known.ends.len() >= MOST || own >= MOST_OF_A_PROJECT {
            return false;
        }
        known.of_project.insert(project, own + 1);
        known.ends.push(Reverse((until, project)));
        true
    }
}

impl Known {
    fn forget(&mut self, now: Timestamp) {
        while let Some(Reverse((until, project))) = self.ends.peek().copied() {
            if until > now {
                return;
            }
            self.ends.pop();
            if let Some(count) = self.of_project.get_mut(&project) {
                *count -= 1;
                if *count == 0 {
                    self.of_project.remove(&project);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn project(number: u128) -> ProjectId {
        ProjectId::new(at(1), number)
    }

    #[test]
    fn a_project_gets_a_quarter_and_all_together_the_whole() {
        let hidden = Hidden::default();
        let take = |number, until| hidden.take(project(number), at(until), at(1));
        let taken: Vec<_> =
            (0..6).map(|number| (0..MOST).filter(|_| take(number, 100)).count()).collect();
        let quarter = MOST_OF_A_PROJECT;
        assert_eq!(taken, [quarter, quarter, quarter, quarter, 0, 0]);
    }

    #[test]
    fn there_is_room_again_when_a_message_has_shown_itself() {
        let hidden = Hidden::default();
        for number in 0..MOST_OF_A_PROJECT {
            let until = at(100 + u64::try_from(number).unwrap());
            assert!(hidden.take(project(1), until, at(1)));
        }
        assert!(!hidden.take(project(1), at(9), at(99)));
        for _ in 0..11 {
            assert!(hidden.take(project(1), at(900), at(110)));
        }
        assert!(!hidden.take(project(1), at(900), at(110)));
        assert!(hidden.take(project(2), at(900), at(10_000)));
        let known = hidden.0.lock().unwrap();
        assert_eq!((known.ends.len(), known.of_project.len()), (1, 1), "nothing is kept for ever");
    }
}
