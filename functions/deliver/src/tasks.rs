//! Many things at once, of which each may panic.

use std::{collections::HashMap, future::Future};

use tokio::task::JoinSet;

/// Tasks of a batch, each with what stands for it should it panic.
pub(crate) struct Tasks<T> {
    running: JoinSet<T>,
    fallbacks: HashMap<tokio::task::Id, T>,
}

impl<T: Send + 'static> Tasks<T> {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self { running: JoinSet::new(), fallbacks: HashMap::new() }
    }

    /// Starts one.
    pub(crate) fn spawn(&mut self, fallback: T, work: impl Future<Output = T> + Send + 'static) {
        let task = self.running.spawn(work);
        self.fallbacks.insert(task.id(), fallback);
    }

    /// What they came to, in the order in which they ended; behind it what stands for those that
    /// panicked.
    pub(crate) async fn finish(mut self) -> Vec<T> {
        let mut finished = Vec::new();
        while let Some(outcome) = self.running.join_next_with_id().await {
            match outcome {
                Ok((task, result)) => {
                    self.fallbacks.remove(&task);
                    finished.push(result);
                }
                Err(panic) => {
                    tracing::error!(%panic, "a delivery panicked; its message stays on the queue");
                }
            }
        }
        finished.extend(self.fallbacks.into_values());
        finished
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_costs_its_own_task_only() {
        let mut tasks = Tasks::new();
        for number in 0..10 {
            tasks.spawn((number, "kept"), async move {
                tokio::task::yield_now().await;
                assert!(number != 3, "on purpose");
                (number, "done")
            });
        }
        let mut finished = tasks.finish().await;
        finished.sort_unstable();
        let expected: Vec<_> =
            (0..10).map(|number| (number, if number == 3 { "kept" } else { "done" })).collect();
        assert_eq!(finished, expected);
    }
}
