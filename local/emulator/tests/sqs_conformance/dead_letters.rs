//! The redrive policy: messages received too often go to the dead-letter queue.

use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};

use crate::support::{START_MS, Stand, arn, attribute, bodies, receive_count, redrive_policy};

#[tokio::test]
async fn a_message_received_too_often_goes_to_the_dead_letter_queue_as_it_is() {
    let stand = Stand::new().await;
    let (live, dead) = stand.queue_with_dead_letters("orders", 3).await;
    let id = stand.send(&live, "hopeless").await;
    for count in 1..=3 {
        assert_eq!(receive_count(&stand.receive_one(&live).await), count);
        assert!(stand.receive(&dead).await.is_empty(), "not before it would be received again");
        stand.pass(30);
    }
    assert!(stand.receive(&live).await.is_empty());
    assert_eq!(stand.depth(&live).await, (0, 0, 0));

    let buried = stand.receive_one(&dead).await;
    assert_eq!(buried.message_id(), Some(id.as_str()));
    assert_eq!(buried.body(), Some("hopeless"));
    let sent = attribute(&buried, &MessageSystemAttributeName::SentTimestamp);
    assert_eq!(sent, Some(START_MS.to_string()), "it keeps its age");
    let source = attribute(&buried, &MessageSystemAttributeName::DeadLetterQueueSourceArn);
    assert_eq!(source, Some(arn("orders")));
}

#[tokio::test]
async fn hopeless_messages_do_not_keep_others_from_being_received() {
    let stand = Stand::new().await;
    let (live, dead) = stand.queue_with_dead_letters("orders", 1).await;
    for number in 0..10 {
        stand.send(&live, &format!("hopeless {number}")).await;
    }
    stand.receive(&live).await;
    stand.pass(30);
    stand.send(&live, "new").await;
    assert_eq!(bodies(&stand.receive(&live).await), ["new"]);
    assert_eq!(stand.depth(&dead).await, (10, 0, 0));
}

#[tokio::test]
async fn retention_in_the_dead_letter_queue_counts_from_the_first_sending() {
    let stand = Stand::new().await;
    stand.queue_with("dead", &[(QueueAttributeName::MessageRetentionPeriod, "100")]).await;
    let policy = redrive_policy("dead", 1);
    let live = stand.queue_with("orders", &[(QueueAttributeName::RedrivePolicy, &policy)]).await;
    stand.send(&live, "hopeless").await;
    stand.receive_one(&live).await;
    stand.pass(60);
    assert!(stand.receive(&live).await.is_empty());
    let depth = async || stand.sqs.depths().await.unwrap()["dead"].visible;
    assert_eq!(depth().await, 1);
    stand.pass(40);
    assert_eq!(depth().await, 0, "100 seconds after it was sent, 40 after it was moved");
}

#[tokio::test]
async fn without_its_dead_letter_queue_a_policy_loses_nothing() {
    let stand = Stand::new().await;
    let (live, dead) = stand.queue_with_dead_letters("orders", 1).await;
    stand.send(&live, "hello").await;
    stand.client.delete_queue().queue_url(&dead).send().await.unwrap();
    for count in 1..=3 {
        assert_eq!(receive_count(&stand.receive_one(&live).await), count);
        stand.pass(30);
    }
}
