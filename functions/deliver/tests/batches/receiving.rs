//! What an invocation does while it waits for slow receivers.

use std::time::{Duration, Instant};

use domain::{message::Message, work};
use emulator::aws::Fault;
use tokio::net::TcpListener;

use super::faults::World;

/// How long the slow receiver's endpoint waits for it, in seconds.
const TIMEOUT: u8 = 3;

/// A world in which the second endpoint's receiver takes connections, and never answers.
async fn with_a_slow_receiver() -> (World, TcpListener) {
    let world = World::start().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    world
        .change(world.endpoints[1], |endpoint| {
            endpoint.url = emulator::samples::endpoint(&url).unwrap().url;
            endpoint.timeout_seconds = Some(TIMEOUT);
        })
        .await;
    (world, silent)
}

impl World {
    async fn enqueue_messages(&self, messages: &[Message]) {
        for lot in messages.chunks(10) {
            let bodies: Vec<_> = lot.iter().map(|message| work::encode(message).unwrap()).collect();
            self.enqueue("DeliveriesQueue", &bodies).await;
        }
    }

    /// Messages that nobody has received.
    async fn waiting_now(&self) -> u32 {
        let name = aws_sdk_sqs::types::QueueAttributeName::ApproximateNumberOfMessages;
        let queue = self.started.aws.queue_url("DeliveriesQueue");
        let asked = self.started.sqs.get_queue_attributes().queue_url(queue);
        let answer = asked.attribute_names(name.clone()).send().await.unwrap();
        answer.attributes.unwrap()[&name].parse().unwrap()
    }

    fn arrived(&self, messages: &[Message]) -> usize {
        messages.iter().filter(|message| self.arrivals(message) == 1).count()
    }
}

#[tokio::test]
async fn an_invocation_that_waits_receives_more_of_its_queue() {
    let (mut world, _silent) = with_a_slow_receiver().await;
    let slow = world.message(1);
    let others: Vec<_> = (0..35).map(|_| world.message(0)).collect();
    let batch = world.started.enqueued("DeliveriesQueue", &slow).await;
    world.enqueue_messages(&others).await;
    let before = Instant::now();
    let (app, deadline) = (&world.started, runtime::clock::now() + Duration::from_mins(1));
    let handling = app.handle_until(batch, deadline);
    let arrived = async {
        while world.arrived(&others) < others.len() {
            tokio::task::yield_now().await;
        }
        before.elapsed()
    };
    let (kept, took) = tokio::join!(handling, arrived);
    assert!(
        took < Duration::from_secs(TIMEOUT.into()),
        "while the slow one is waited for: {took:?}"
    );
    assert_eq!(kept.unwrap(), [""; 0]);
    let left = world.started.count("DeliveriesQueue").await;
    assert_eq!(left, 1, "what is done is deleted, but for what Lambda deletes");
    assert!(world.started.row(&slow).await.is_some(), "it waits for its retry");
}

#[tokio::test]
async fn a_quick_batch_receives_nothing() {
    let mut world = World::start().await;
    let (message, other) = (world.message(0), world.message(0));
    let batch = world.started.enqueued("DeliveriesQueue", &message).await;
    world.enqueue_messages(std::slice::from_ref(&other)).await;
    assert_eq!(world.started.handle(batch).await, [""; 0]);
    assert_eq!((world.arrivals(&message), world.arrivals(&other)), (1, 0));
}

#[tokio::test]
async fn an_invocation_whose_time_is_short_receives_nothing() {
    let (mut world, _silent) = with_a_slow_receiver().await;
    let (slow, other) = (world.message(1), world.message(0));
    let batch = world.started.enqueued("DeliveriesQueue", &slow).await;
    world.enqueue_messages(std::slice::from_ref(&other)).await;
    let deadline = runtime::clock::now() + Duration::from_secs(39);
    world.started.handle_until(batch, deadline).await.unwrap();
    assert_eq!(world.arrivals(&other), 0);
}

#[tokio::test]
async fn what_cannot_be_received_or_deleted_arrives_all_the_same() {
    for (operation, fault) in [
        ("ReceiveMessage", Fault::Throttled),
        ("ReceiveMessage", Fault::ExpiredCredentials),
        ("DeleteMessageBatch", Fault::ExpiredCredentials),
        ("DeleteMessageBatch", Fault::Partly),
    ] {
        let (mut world, _silent) = with_a_slow_receiver().await;
        let slow = world.message(1);
        let others: Vec<_> = (0..12).map(|_| world.message(0)).collect();
        let batch = world.started.enqueued("DeliveriesQueue", &slow).await;
        world.enqueue_messages(&others).await;
        world.started.aws.faults().on("deliver", operation).fail(fault);
        assert_eq!(world.started.handle(batch).await, [""; 0], "{operation}: {fault:?}");
        world.started.aws.faults().heal();
        // What was not received, Lambda brings; what was not deleted comes back, and is known then.
        for _ in 0..2 {
            world.turn("DeliveriesQueue").await;
        }
        assert_eq!(world.arrived(&others), others.len(), "{operation}: {fault:?}");
    }
}

#[tokio::test]
async fn an_invocation_has_a_bounded_number_of_messages() {
    let (mut world, _silent) = with_a_slow_receiver().await;
    let slow: Vec<_> = (0..300).map(|_| world.message(1)).collect();
    world.enqueue_messages(&slow).await;
    let batch = world.receive("DeliveriesQueue").await;
    let most = async {
        // Each batch takes as long as the timeout; all that there are slots for begin before that.
        tokio::time::sleep(Duration::from_millis(2_900)).await;
        world.waiting_now().await
    };
    let (_, visible) = tokio::join!(world.started.handle(batch), most);
    assert!((300 - 256..100).contains(&visible), "{visible} are left");
}
