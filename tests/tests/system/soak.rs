//! The soak run, in short. In full: `cargo run --bin soak`.

use std::time::Duration;

use system_tests::soak::{self, Plan};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_half_a_minute_of_kills_every_acknowledged_delivery_is_accounted_for() {
    let plan = Plan {
        length: Duration::from_secs(16),
        drain: Duration::from_secs(12),
        rate: 10.0,
        clients: 3,
        kill_every: Some(Duration::from_secs(4)),
        trouble: 0,
        hostile: false,
        seed: 7,
    };
    let ledger = soak::run(&plan).await;
    assert!(ledger.balances(), "{ledger}");
    assert!(ledger.kills >= 2, "too few kills to prove anything");
    let succeeded: usize = ledger.pages.values().map(|page| page.succeeded).sum();
    assert!(succeeded > 50, "too few deliveries to prove anything: {ledger}");
}
