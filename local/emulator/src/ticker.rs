//! Stands in for the rules of `EventBridge`, which invoke a function by the time.
//!
//! They do so asynchronously: nobody waits for the answer, a run may begin while another goes on,
//! and Lambda may lose an invocation or make it twice (its guide, "Invoking a function
//! asynchronously"). So this does, at random.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::runtime::Pool;

/// Of so many invocations one is lost, and one is made twice. Far more than on AWS.
const LUCK: u8 = 16;

/// A rule; dropped, it ends.
pub struct Ticker(JoinHandle<()>);

impl Ticker {
    /// Invokes the function of this pool so often, from now on.
    pub fn start(pool: Arc<Pool>, every: Duration) -> Self {
        Self(tokio::spawn(async move {
            let mut ticks = interval(every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                ticks.tick().await;
                let times = match rand::random_range(0..LUCK) {
                    0 => 0,
                    1 => 2,
                    _ => 1,
                };
                for _ in 0..times {
                    let pool = Arc::clone(&pool);
                    // The pool logs what goes wrong.
                    tokio::spawn(async move { pool.invoke(event().into()).await });
                }
            }
        }))
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What `EventBridge` hands to a function.
pub fn event() -> String {
    json!({"version": "0", "id": uuid::Uuid::new_v4().to_string(),
        "detail-type": "Scheduled Event", "source": "aws.events", "detail": {}})
    .to_string()
}
