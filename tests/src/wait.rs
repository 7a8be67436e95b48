//! Waiting for a condition.

use std::time::{Duration, Instant};

/// How long a condition may take to come true. Generous: only a failing test waits this long, and
/// machines are slow.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// How often a condition is polled.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Returns what `probe` finds, once it finds something. Panics with `what` was waited for if that
/// takes longer than [`PATIENCE`].
pub async fn eventually<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {} s: {what}", PATIENCE.as_secs());
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
