//! Rate limits, held by several instances of `deliver` together.

use std::time::Duration;

use serde_json::json;
use system_tests::{Receiver, Reply, Stack};

const LIMIT: usize = 20;
const EVENTS: usize = 200;

#[tokio::test]
async fn a_limited_endpoint_gets_no_more_a_second_than_it_asked_for_and_all_of_it_in_the_end() {
    let stack = Stack::start().await;
    let (project, receiver) = (stack.project().await, Receiver::start().await);
    // Slow enough to keep several instances busy.
    receiver.always(Reply::slow(Duration::from_millis(300)));
    let endpoint = json!({"url": receiver.url("/"), "topics": ["*"], "rate_limit": LIMIT});
    let endpoint = project.create_endpoint_with(endpoint).await;
    let batch: Vec<_> =
        (0..EVENTS / 2).map(|number| json!({"kind": "task.created", "data": number})).collect();
    for _ in 0..2 {
        project.post("/events/batch", json!({"events": batch})).await.expect(202);
    }
    let mut arrivals: Vec<_> =
        receiver.wait_for(EVENTS).await.into_iter().map(|request| request.arrived).collect();
    arrivals.sort();
    stack.queues().wait_until_idle().await;
    assert_eq!(receiver.received().len(), EVENTS, "each once");

    #[allow(clippy::cast_precision_loss, reason = "small numbers")]
    let rate = |count: usize, time: Duration| count as f64 / time.as_secs_f64();
    let whole = rate(EVENTS - 1, arrivals[EVENTS - 1] - arrivals[0]);
    let limit = rate(LIMIT, Duration::from_secs(1));
    eprintln!("{EVENTS} deliveries at {whole:.1} a second, of {limit} allowed");
    assert!(whole <= 1.2 * limit, "{whole:.1} a second");

    let shown = project.get(&format!("/webhooks/endpoints/{}", endpoint.id)).await.expect(200);
    assert_eq!(shown["rate_limit"], LIMIT);
    let attempts = project
        .get(&format!("/webhooks/endpoints/{}/deliveries?limit=100", endpoint.id))
        .await
        .expect(200);
    let attempts = attempts.as_array().unwrap();
    assert!(
        attempts.iter().all(|attempt| attempt["number"] == 1 && attempt["outcome"] == "succeeded"),
        "waiting is no attempt"
    );
}
