//! Runs move tasks: a step at a time, at the rate asked for, until the task ends.
//!
//! A task outlives the process: opening the store resumes every active task. A runner holds the
//! store only during a step, so that dropping the stand-in ends it.

use std::sync::{Arc, Weak};

use tokio::sync::Notify;

use super::{Inner, clock::Clock, error::SqsError, ops::moves, store::MoveTask};

/// How many messages one step moves at most, so that other calls aren't held up.
const STEP: i64 = 100;

/// How long a task waits after a fault of the store before it tries again.
const AFTER_FAULT_MS: i64 = 1_000;

/// Runs the task in the background.
pub(crate) fn spawn(runtime: &tokio::runtime::Handle, inner: &Arc<Inner>, task_id: i64) {
    let clock = inner.settings.clock.clone();
    let cancelled = Arc::clone(&inner.cancelled);
    runtime.spawn(run(Arc::downgrade(inner), clock, cancelled, task_id));
}

async fn run(inner: Weak<Inner>, clock: Clock, cancelled: Arc<Notify>, task_id: i64) {
    let started_ms = clock.now_ms();
    let mut taken = 0;
    // The first step moves nothing: it tells the task's rate.
    let mut allowance = 0;
    loop {
        let cancellation = cancelled.notified();
        let Some(outcome) = step(&inner, task_id, allowance).await else {
            return;
        };
        let (pace, next_ms) = match outcome {
            Ok(Some(task)) if task.status.is_active() => {
                let pace = Pace::of(&task);
                taken += allowance;
                (pace, started_ms + pace.due_ms(taken))
            }
            Ok(_) => return,
            Err(error) => {
                tracing::warn!(%error, task_id, "a message move task will be tried again");
                (Pace::PerSecond(1), clock.now_ms() + AFTER_FAULT_MS)
            }
        };
        tokio::select! {
            () = clock.sleep_until(next_ms) => {}
            () = cancellation => {}
        }
        allowance = pace.allowance(clock.now_ms() - started_ms, taken);
    }
}

/// One step; the outer `None` if the stand-in is gone.
async fn step(
    inner: &Weak<Inner>,
    task_id: i64,
    allowance: i64,
) -> Option<Result<Option<MoveTask>, SqsError>> {
    let inner = inner.upgrade()?;
    let step = inner.worker.run(move |store| moves::step(store, task_id, allowance));
    Some(step.await)
}

/// How fast a task moves messages, counted from when this process took it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    Free,
    PerSecond(i64),
}

impl Pace {
    fn of(task: &MoveTask) -> Self {
        task.rate.map_or(Self::Free, Self::PerSecond)
    }

    /// How many messages may be moved now, `elapsed_ms` after the start and after `taken` others.
    fn allowance(self, elapsed_ms: i64, taken: i64) -> i64 {
        match self {
            Self::Free => STEP,
            Self::PerSecond(rate) => (elapsed_ms * rate / 1_000 + 1 - taken).clamp(0, STEP),
        }
    }

    /// How long after the start the next message may be moved.
    fn due_ms(self, taken: i64) -> i64 {
        match self {
            Self::Free => 0,
            Self::PerSecond(rate) => (taken * 1_000 + rate - 1) / rate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_never_exceeded() {
        let pace = Pace::PerSecond(3);
        let mut taken = 0;
        let mut times = Vec::new();
        let mut now = 0;
        while taken < 9 {
            let allowance = pace.allowance(now, taken);
            assert_eq!(allowance, 1, "at {now} ms");
            times.push(now);
            taken += allowance;
            now = pace.due_ms(taken);
        }
        assert_eq!(times, [0, 334, 667, 1000, 1334, 1667, 2000, 2334, 2667]);
    }

    #[test]
    fn a_late_step_catches_up() {
        assert_eq!(Pace::PerSecond(10).allowance(1_000, 1), 10);
        assert_eq!(Pace::PerSecond(10).allowance(50, 1), 0);
    }
}
