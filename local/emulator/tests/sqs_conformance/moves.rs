//! Message move tasks: redriving a dead-letter queue.

use std::collections::HashSet;

use aws_sdk_sqs::types::{
    ListMessageMoveTasksResultEntry, MessageSystemAttributeName, QueueAttributeName,
};

use crate::support::{
    START_MS, Stand, arn, attribute, bodies, code, receive_count, redrive_policy,
};

/// Waits until the latest task of the dead-letter queue satisfies a condition.
async fn task_when(
    stand: &Stand,
    source: &str,
    is_there: impl Fn(&ListMessageMoveTasksResultEntry) -> bool,
) -> ListMessageMoveTasksResultEntry {
    let wait = async {
        loop {
            let list = stand.client.list_message_move_tasks().source_arn(arn(source));
            let task = list.send().await.unwrap().results.unwrap().remove(0);
            if is_there(&task) {
                return task;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), wait)
        .await
        .expect("the task gets there")
}

async fn ended(stand: &Stand, source: &str) -> ListMessageMoveTasksResultEntry {
    task_when(stand, source, |task| !matches!(task.status(), Some("RUNNING" | "CANCELLING"))).await
}

async fn start(stand: &Stand, source: &str) -> String {
    let start = stand.client.start_message_move_task().source_arn(arn(source));
    start.send().await.unwrap().task_handle.unwrap()
}

async fn start_at(stand: &Stand, source: &str, rate: i32) -> String {
    let start = stand.client.start_message_move_task().source_arn(arn(source));
    let started = start.max_number_of_messages_per_second(rate).send().await;
    started.unwrap().task_handle.unwrap()
}

#[tokio::test]
async fn messages_go_back_to_their_source_as_new_ones() {
    let stand = Stand::new().await;
    let (live, dead) = stand.queue_with_dead_letters("orders", 1).await;
    let id = stand.send(&live, "hopeless").await;
    stand.receive_one(&live).await;
    stand.pass(30);
    assert!(stand.receive(&live).await.is_empty());
    assert_eq!(stand.depth(&dead).await, (1, 0, 0));

    start(&stand, "orders-dead").await;
    let task = ended(&stand, "orders-dead").await;
    assert_eq!(task.status(), Some("COMPLETED"));
    assert_eq!(task.approximate_number_of_messages_moved(), 1);
    assert_eq!(task.approximate_number_of_messages_to_move(), Some(1));
    assert_eq!((task.task_handle(), task.destination_arn()), (None, None));
    assert_eq!(task.started_timestamp(), START_MS + 30_000);

    let again = stand.receive_one(&live).await;
    assert_ne!(again.message_id(), Some(id.as_str()), "a moved message has a new id");
    assert_eq!(receive_count(&again), 1);
    let sent = attribute(&again, &MessageSystemAttributeName::SentTimestamp);
    assert_eq!(sent, Some((START_MS + 30_000).to_string()));
    let source = attribute(&again, &MessageSystemAttributeName::DeadLetterQueueSourceArn);
    assert_eq!(source, None);
    assert_eq!(stand.depth(&dead).await, (0, 0, 0));
}

#[tokio::test]
async fn messages_go_to_the_destination_that_is_named() {
    let stand = Stand::new().await;
    let (_, dead) = stand.queue_with_dead_letters("orders", 1).await;
    let elsewhere = stand.queue("elsewhere").await;
    stand.send(&dead, "hello").await;
    let move_to = stand.client.start_message_move_task().source_arn(arn("orders-dead"));
    move_to.destination_arn(arn("elsewhere")).send().await.unwrap();
    let task = ended(&stand, "orders-dead").await;
    assert_eq!(task.destination_arn(), Some(arn("elsewhere").as_str()));
    assert_eq!(bodies(&stand.receive(&elsewhere).await), ["hello"]);
}

#[tokio::test]
async fn a_message_sent_straight_to_the_dead_letter_queue_goes_to_its_only_source() {
    let stand = Stand::new().await;
    let (live, dead) = stand.queue_with_dead_letters("orders", 1).await;
    stand.send(&dead, "exhausted").await;
    start(&stand, "orders-dead").await;
    assert_eq!(ended(&stand, "orders-dead").await.status(), Some("COMPLETED"));
    assert_eq!(bodies(&stand.receive(&live).await), ["exhausted"]);
}

#[tokio::test]
async fn a_message_sent_straight_to_the_dead_letter_queue_of_several_fails_the_task() {
    let stand = Stand::new().await;
    let (_, dead) = stand.queue_with_dead_letters("orders", 1).await;
    let policy = redrive_policy("orders-dead", 5);
    stand.queue_with("others", &[(QueueAttributeName::RedrivePolicy, &policy)]).await;
    stand.send(&dead, "exhausted").await;
    start(&stand, "orders-dead").await;
    let task = ended(&stand, "orders-dead").await;
    assert_eq!(task.status(), Some("FAILED"));
    assert_eq!(task.failure_reason(), Some("CouldNotDetermineMessageSource"));
    assert_eq!(stand.depth(&dead).await, (1, 0, 0), "the message stays");
}

#[tokio::test]
async fn a_task_fails_when_the_source_queue_is_gone() {
    let stand = Stand::new().await;
    let (live, dead) = stand.queue_with_dead_letters("orders", 1).await;
    let policy = redrive_policy("orders-dead", 5);
    stand.queue_with("others", &[(QueueAttributeName::RedrivePolicy, &policy)]).await;
    stand.send(&live, "hopeless").await;
    stand.receive_one(&live).await;
    stand.pass(30);
    assert!(stand.receive(&live).await.is_empty());
    stand.client.delete_queue().queue_url(&live).send().await.unwrap();
    start(&stand, "orders-dead").await;
    let task = ended(&stand, "orders-dead").await;
    assert_eq!(task.failure_reason(), Some("AWS.SimpleQueueService.NonExistentQueue"));
    assert_eq!(stand.depth(&dead).await, (1, 0, 0));
}

#[tokio::test]
async fn many_messages_are_moved_and_those_in_flight_stay() {
    let stand = Stand::new().await;
    let (live, dead) = stand.queue_with_dead_letters("orders", 1).await;
    for number in 0..250 {
        stand.send(&dead, &number.to_string()).await;
    }
    stand.client.receive_message().queue_url(&dead).send().await.unwrap();
    start(&stand, "orders-dead").await;
    let task = ended(&stand, "orders-dead").await;
    assert_eq!(task.approximate_number_of_messages_moved(), 249);
    assert_eq!(stand.depth(&dead).await, (0, 1, 0));
    assert_eq!(stand.depth(&live).await, (249, 0, 0));
}

#[tokio::test]
async fn a_rate_is_honoured_and_only_one_task_runs_at_a_time() {
    let stand = Stand::new().await;
    let (live, dead) = stand.queue_with_dead_letters("orders", 1).await;
    for number in 0..5 {
        stand.send(&dead, &number.to_string()).await;
    }
    let handle = start_at(&stand, "orders-dead", 2).await;
    let task =
        task_when(&stand, "orders-dead", |task| task.approximate_number_of_messages_moved() == 1)
            .await;
    assert_eq!(task.status(), Some("RUNNING"), "the clock stands still");
    assert_eq!(task.task_handle(), Some(handle.as_str()));
    assert_eq!(task.max_number_of_messages_per_second(), Some(2));

    let second = stand.client.start_message_move_task().source_arn(arn("orders-dead"));
    assert_eq!(code(&second.send().await.unwrap_err()), "InvalidParameterValue");

    stand.pass(1);
    task_when(&stand, "orders-dead", |task| task.approximate_number_of_messages_moved() == 3).await;
    assert_eq!(stand.depth(&live).await, (3, 0, 0));
    stand.pass(1);
    assert_eq!(ended(&stand, "orders-dead").await.status(), Some("COMPLETED"));
    start(&stand, "orders-dead").await;
}

#[tokio::test]
async fn a_cancelled_task_stops_and_moves_nothing_back() {
    let stand = Stand::new().await;
    let (live, dead) = stand.queue_with_dead_letters("orders", 1).await;
    stand.send(&dead, "a").await;
    stand.send(&dead, "b").await;
    let handle = start_at(&stand, "orders-dead", 1).await;
    task_when(&stand, "orders-dead", |task| task.approximate_number_of_messages_moved() == 1).await;
    let cancel = || stand.client.cancel_message_move_task().task_handle(&handle).send();
    assert_eq!(cancel().await.unwrap().approximate_number_of_messages_moved(), 1);
    assert_eq!(ended(&stand, "orders-dead").await.status(), Some("CANCELLED"));
    stand.pass(60);
    assert_eq!((stand.depth(&live).await, stand.depth(&dead).await), ((1, 0, 0), (1, 0, 0)));
    let refused = cancel().await.unwrap_err();
    assert_eq!(code(&refused), "AWS.SimpleQueueService.UnsupportedOperation");
}

#[tokio::test]
async fn a_task_under_way_goes_on_after_a_restart() {
    let stand = Stand::new().await;
    let (live, dead) = stand.queue_with_dead_letters("orders", 1).await;
    for number in 0..5 {
        stand.send(&dead, &number.to_string()).await;
    }
    start_at(&stand, "orders-dead", 1).await;
    task_when(&stand, "orders-dead", |task| task.approximate_number_of_messages_moved() == 1).await;

    let stand = stand.reopened().await;
    stand.pass(60);
    task_when(&stand, "orders-dead", |task| task.approximate_number_of_messages_moved() >= 2).await;
    stand.pass(60);
    let task = ended(&stand, "orders-dead").await;
    assert_eq!(task.status(), Some("COMPLETED"));
    assert_eq!(task.approximate_number_of_messages_moved(), 5);
    let received: HashSet<_> = stand.receive(&live).await.iter().map(|m| m.body.clone()).collect();
    assert_eq!(received.len(), 5, "every message once");
}

#[tokio::test]
async fn tasks_are_listed_newest_first() {
    let stand = Stand::new().await;
    stand.queue_with_dead_letters("orders", 1).await;
    for _ in 0..3 {
        start(&stand, "orders-dead").await;
        ended(&stand, "orders-dead").await;
        stand.pass(1);
    }
    let list = || stand.client.list_message_move_tasks().source_arn(arn("orders-dead"));
    assert_eq!(list().send().await.unwrap().results().len(), 1, "one unless more are asked for");
    let tasks = list().max_results(10).send().await.unwrap().results.unwrap();
    let started: Vec<_> = tasks.iter().map(|task| task.started_timestamp() - START_MS).collect();
    assert_eq!(started, [2_000, 1_000, 0]);
    assert!(list().max_results(11).send().await.is_err());
}

#[tokio::test]
async fn tasks_that_make_no_sense_are_refused() {
    let stand = Stand::new().await;
    stand.queue_with_dead_letters("orders", 1).await;
    let start = |source: &str| stand.client.start_message_move_task().source_arn(source);
    let dead = arn("orders-dead");
    let not_dead = start(&arn("orders")).send().await.unwrap_err();
    assert_eq!(code(&not_dead), "InvalidParameterValue", "no queue's dead-letter queue");
    let unknown = start(&arn("nowhere")).send().await.unwrap_err();
    assert_eq!(code(&unknown), "ResourceNotFoundException");
    assert!(unknown.into_service_error().is_resource_not_found_exception());
    let nowhere = start(&dead).destination_arn(arn("nowhere")).send().await.unwrap_err();
    assert_eq!(code(&nowhere), "ResourceNotFoundException");
    let itself = start(&dead).destination_arn(&dead).send().await.unwrap_err();
    assert_eq!(code(&itself), "InvalidParameterValue");
    assert!(start("orders-dead").send().await.is_err(), "not an ARN");
    for rate in [0, 501] {
        let refused = start(&dead).max_number_of_messages_per_second(rate).send().await;
        assert_eq!(code(&refused.unwrap_err()), "InvalidParameterValue", "{rate}");
    }
    let cancel = stand.client.cancel_message_move_task().task_handle("rubbish").send().await;
    assert_eq!(code(&cancel.unwrap_err()), "InvalidParameterValue");
}
