//! `ReceiveMessage`: what is handed out, how often, and with what.

use aws_sdk_sqs::types::{MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName};

use crate::support::{START_MS, Stand, attribute, bodies, code, receive_count};

#[tokio::test]
async fn a_received_message_is_hidden_until_its_visibility_timeout_ends() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    let id = stand.send(&url, "hello").await;
    assert_eq!(stand.receive_one(&url).await.message_id(), Some(id.as_str()));
    stand.pass(29);
    assert!(stand.receive(&url).await.is_empty());
    stand.pass(1);
    assert_eq!(stand.receive_one(&url).await.message_id(), Some(id.as_str()));
}

#[tokio::test]
async fn a_receive_may_choose_its_visibility_timeout() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    stand.send(&url, "hello").await;
    let receive =
        |seconds| stand.client.receive_message().queue_url(&url).visibility_timeout(seconds).send();
    assert_eq!(receive(0).await.unwrap().messages().len(), 1);
    assert_eq!(receive(43_200).await.unwrap().messages().len(), 1, "0 seconds hide nothing");
    stand.pass(43_199);
    assert_eq!(receive(1).await.unwrap().messages().len(), 0);
    stand.pass(1);
    assert_eq!(receive(1).await.unwrap().messages().len(), 1);
    assert_eq!(code(&receive(43_201).await.unwrap_err()), "InvalidParameterValue");
}

#[tokio::test]
async fn a_receive_hands_out_one_message_unless_it_asks_for_up_to_ten() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    for number in 0..12 {
        stand.send(&url, &format!("{number:02}")).await;
    }
    let receive = || stand.client.receive_message().queue_url(&url);
    assert_eq!(receive().send().await.unwrap().messages().len(), 1);
    assert_eq!(receive().max_number_of_messages(10).send().await.unwrap().messages().len(), 10);
    assert_eq!(receive().max_number_of_messages(10).send().await.unwrap().messages().len(), 1);
    for count in [0, 11] {
        let refused = receive().max_number_of_messages(count).send().await.unwrap_err();
        assert_eq!(code(&refused), "InvalidParameterValue", "{count}");
    }
    for seconds in [-1, 21] {
        let refused = receive().wait_time_seconds(seconds).send().await.unwrap_err();
        assert_eq!(code(&refused), "InvalidParameterValue", "{seconds}");
    }
}

#[tokio::test]
async fn the_system_attributes_tell_a_messages_history() {
    use MessageSystemAttributeName as A;
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    stand.send(&url, "hello").await;
    stand.pass(10);
    stand.receive_one(&url).await;
    stand.pass(30);
    let again = stand.receive_one(&url).await;
    for (name, value) in [
        (A::SentTimestamp, START_MS.to_string()),
        (A::ApproximateFirstReceiveTimestamp, (START_MS + 10_000).to_string()),
        (A::ApproximateReceiveCount, "2".into()),
        (A::SenderId, "000000000000".into()),
    ] {
        assert_eq!(attribute(&again, &name), Some(value), "{name}");
    }
    assert_eq!(attribute(&again, &A::MessageGroupId), None);
    assert_eq!(attribute(&again, &A::DeadLetterQueueSourceArn), None);
}

#[tokio::test]
async fn attributes_come_only_when_asked_for_by_either_name() {
    let stand = Stand::new().await;
    let url = stand.queue_with("orders", &[(QueueAttributeName::VisibilityTimeout, "0")]).await;
    let value = |value: &str| {
        let attribute = MessageAttributeValue::builder().data_type("String");
        attribute.string_value(value).build().unwrap()
    };
    let send = stand.client.send_message().queue_url(&url).message_body("hello");
    let send =
        send.message_attributes("trace.id", value("1")).message_attributes("kind", value("order"));
    send.send().await.unwrap();
    let receive = || stand.client.receive_message().queue_url(&url);

    let bare = receive().send().await.unwrap().messages.unwrap().remove(0);
    assert_eq!((bare.attributes(), bare.message_attributes()), (None, None));
    assert_eq!(bare.md5_of_message_attributes(), None);

    let newer = receive().message_system_attribute_names(MessageSystemAttributeName::SentTimestamp);
    let newer = newer.send().await.unwrap().messages.unwrap().remove(0);
    assert_eq!(newer.attributes().unwrap().len(), 1);

    #[expect(deprecated, reason = "older clients name system attributes this way")]
    let older = receive().attribute_names(QueueAttributeName::All);
    let older = older.send().await.unwrap().messages.unwrap().remove(0);
    assert_eq!(receive_count(&older), 3);

    let some = receive().message_attribute_names("trace.*").send().await.unwrap();
    let some = some.messages.unwrap().remove(0);
    assert_eq!(some.message_attributes().unwrap().len(), 1);
    assert!(some.md5_of_message_attributes().is_some());
}

#[tokio::test]
async fn messages_that_have_waited_longest_come_first() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    stand.send(&url, "early").await;
    stand.pass(1);
    stand.send(&url, "late").await;
    let receive = || stand.client.receive_message().queue_url(&url).send();
    assert_eq!(receive().await.unwrap().messages()[0].body(), Some("early"));
    assert_eq!(receive().await.unwrap().messages()[0].body(), Some("late"));
}

#[tokio::test]
async fn messages_vanish_after_the_retention_period_in_flight_or_not() {
    let stand = Stand::new().await;
    let url =
        stand.queue_with("orders", &[(QueueAttributeName::MessageRetentionPeriod, "60")]).await;
    stand.send(&url, "in flight").await;
    let in_flight = stand.receive_one(&url).await;
    stand.send(&url, "visible").await;
    stand.pass(40);
    stand.send(&url, "younger").await;
    stand.pass(20);
    assert_eq!(bodies(&stand.receive(&url).await), ["younger"]);
    stand.delete(&url, &in_flight).await;
    assert_eq!(stand.depth(&url).await, (0, 1, 0));
}

#[tokio::test]
async fn a_short_poll_fails_when_too_many_messages_are_in_flight() {
    let stand = Stand::with(|settings| settings.in_flight_limit = 3).await;
    let url = stand.queue("orders").await;
    for number in 0..5 {
        stand.send(&url, &number.to_string()).await;
    }
    let received = stand.receive(&url).await;
    assert_eq!(received.len(), 3, "as many as there is room for");
    let receive = || stand.client.receive_message().queue_url(&url).send();
    let refused = receive().await.unwrap_err();
    assert_eq!(code(&refused), "OverLimit");
    assert!(refused.into_service_error().is_over_limit());

    stand.delete(&url, &received[0]).await;
    assert_eq!(receive().await.unwrap().messages().len(), 1, "a deleted message makes room");
    assert!(receive().await.is_err());
    stand.pass(30);
    assert_eq!(
        stand.receive(&url).await.len(),
        3,
        "a message that is visible again is not in flight"
    );
}
