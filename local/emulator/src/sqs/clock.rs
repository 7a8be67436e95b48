//! The stand-in's sense of time: the system's, or one that a test moves by hand.
//!
//! Every wait must use *this* clock. A long poll that slept on the runtime's timer would not notice
//! that a test had moved the clock by twelve hours.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::sync::watch;

/// Unix time in milliseconds, and a way to wait for it.
#[derive(Clone, Debug)]
pub struct Clock {
    manual: Option<Arc<watch::Sender<i64>>>,
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self { manual: None }
    }

    /// A clock that stands at `start_ms` (Unix milliseconds) until it is
    /// [advanced](Clock::advance). Clones share the same time.
    pub fn manual(start_ms: i64) -> Self {
        Self { manual: Some(Arc::new(watch::Sender::new(start_ms))) }
    }

    /// Moves a manual clock forward and wakes whatever waited for a time now reached. The system's
    /// clock doesn't move.
    pub fn advance(&self, by: Duration) {
        if let Some(clock) = &self.manual {
            clock.send_modify(|now| *now = now.saturating_add(millis(by)));
        }
    }

    /// Now, in Unix milliseconds.
    pub fn now_ms(&self) -> i64 {
        match &self.manual {
            Some(clock) => *clock.borrow(),
            None => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis),
        }
    }

    /// Returns once the time is `due_ms` (Unix milliseconds) or later.
    pub(crate) async fn sleep_until(&self, due_ms: i64) {
        if let Some(clock) = &self.manual {
            // Fails only when the clock is gone, which `self` keeps from happening.
            let _ = clock.subscribe().wait_for(|now| *now >= due_ms).await;
        } else {
            let left_ms = due_ms.saturating_sub(self.now_ms());
            tokio::time::sleep(Duration::from_millis(left_ms.try_into().unwrap_or(0))).await;
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
