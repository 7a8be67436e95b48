//! Power cuts, and kills at each step between accept and log.

mod deliver;
mod events;
mod steps;

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::join_all;
use serde_json::json;
use system_tests::{Receiver, Reply, Stack, eventually};

const EVENTS: usize = 2_000;
const CLIENTS: usize = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "one story")]
async fn killed_in_the_middle_of_two_thousand_events_every_accepted_one_arrives() {
    let mut stack = Stack::start().await;
    let project = stack.project().await;
    let receiver = Receiver::start().await;
    receiver.always(Reply::slow(Duration::from_secs(1)));
    let endpoint = project.create_endpoint(&receiver.url("/"), &["*"]).await;

    let numbers = Arc::new(std::sync::Mutex::new(0..EVENTS));
    let dead = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (project, numbers, dead) =
                (project.clone(), Arc::clone(&numbers), Arc::clone(&dead));
            tokio::spawn(async move {
                let mut accepted = Vec::new();
                while !dead.load(Ordering::SeqCst) {
                    let next = numbers.lock().unwrap().next();
                    let Some(number) = next else { break };
                    accepted.extend(
                        project.try_to_post_event("task.created", json!({"number": number})).await,
                    );
                }
                accepted
            })
        })
        .collect();

    // Half of them are accepted: of these some have arrived, some wait in a queue, some have no
    // answer yet; of the others some are being posted.
    eventually("half of the events are posted", async || {
        (numbers.lock().unwrap().start >= EVENTS / 2).then_some(())
    })
    .await;
    stack.kill_hard();
    receiver.always(Reply::status(200));
    dead.store(true, Ordering::SeqCst);
    let mut accepted: HashSet<String> =
        join_all(clients).await.into_iter().flat_map(Result::unwrap).collect();
    let arrived = receiver.received().len();
    eprintln!("killed after {} events were accepted and {arrived} had arrived", accepted.len());
    assert!(
        accepted.len() < EVENTS && arrived < accepted.len(),
        "the kill came too late to be in the middle"
    );

    let started = Instant::now();
    stack.restart().await;
    let project = project.at(stack.base_url());
    assert_eq!(
        project.endpoint(&endpoint.id).await.url,
        endpoint.url,
        "keys and endpoints survive"
    );
    let rest: Vec<_> = numbers.lock().unwrap().clone().collect();
    let (project, per_client) = (&project, rest.len().div_ceil(CLIENTS).max(1));
    let posts = rest.chunks(per_client).map(|part| async move {
        let mut ids = Vec::new();
        for number in part {
            ids.push(project.post_event("task.created", json!({"number": number})).await.id);
        }
        ids
    });
    accepted.extend(join_all(posts).await.into_iter().flatten());

    eventually("every accepted event arrives", async || {
        let arrived: HashSet<String> =
            receiver.received().iter().map(system_tests::Request::webhook_id).collect();
        let missing = accepted.difference(&arrived).count();
        (missing == 0).then_some(())
    })
    .await;
    eprintln!(
        "all {} accepted events had arrived {:.1} s after the restart",
        accepted.len(),
        started.elapsed().as_secs_f64()
    );

    stack.queues().wait_until_idle().await;
    for id in accepted.iter().take(50) {
        assert_eq!(
            project.message(id).await.deliveries[0].status,
            "succeeded",
            "the log says so too"
        );
    }
}

#[tokio::test]
async fn a_retry_that_waits_survives_a_power_cut() {
    let mut stack = Stack::start().await;
    let project = stack.project().await;
    let receiver = Receiver::start().await;
    receiver.failing(1);
    project
        .create_endpoint_with(
            json!({"url": receiver.url("/"), "topics": ["*"], "retry_schedule": [3]}),
        )
        .await;
    let event = project.post_event("task.created", json!({})).await;
    project.wait_for_attempts(&event.id, 1).await;
    stack.kill_hard();
    stack.restart().await;
    let project = project.at(stack.base_url());
    assert_eq!(project.wait_for_message(&event.id, "succeeded").await.deliveries[0].attempts, 2);
    assert_eq!(receiver.received().len(), 2);
}
