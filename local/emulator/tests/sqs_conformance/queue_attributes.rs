//! Reading and changing the attributes of queues.

use std::collections::HashMap;

use aws_sdk_sqs::types::QueueAttributeName;

use crate::support::{START_MS, Stand, arn, code, redrive_policy};

async fn attributes(stand: &Stand, url: &str) -> HashMap<QueueAttributeName, String> {
    stand
        .client
        .get_queue_attributes()
        .queue_url(url)
        .attribute_names(QueueAttributeName::All)
        .send()
        .await
        .unwrap()
        .attributes
        .unwrap()
}

async fn set(
    stand: &Stand,
    url: &str,
    name: QueueAttributeName,
    value: &str,
) -> Result<(), String> {
    let set = stand.client.set_queue_attributes().queue_url(url);
    let outcome = set.attributes(name, value).send().await;
    outcome.map(drop).map_err(|error| code(&error))
}

#[tokio::test]
async fn a_new_queue_has_the_documented_defaults() {
    use QueueAttributeName as A;
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    let found = attributes(&stand, &url).await;
    let created = (START_MS / 1000).to_string();
    for (name, value) in [
        (A::VisibilityTimeout, "30"),
        (A::DelaySeconds, "0"),
        (A::MessageRetentionPeriod, "345600"),
        (A::MaximumMessageSize, "1048576"),
        (A::ReceiveMessageWaitTimeSeconds, "0"),
        (A::SqsManagedSseEnabled, "true"),
        (A::QueueArn, arn("orders").as_str()),
        (A::CreatedTimestamp, created.as_str()),
        (A::LastModifiedTimestamp, created.as_str()),
        (A::ApproximateNumberOfMessages, "0"),
        (A::ApproximateNumberOfMessagesNotVisible, "0"),
        (A::ApproximateNumberOfMessagesDelayed, "0"),
    ] {
        assert_eq!(found.get(&name).map(String::as_str), Some(value), "{name}");
    }
    assert!(!found.contains_key(&A::RedrivePolicy));
}

#[tokio::test]
async fn messages_are_counted_by_state() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    for body in ["a", "b", "c"] {
        stand.send(&url, body).await;
    }
    stand.client.receive_message().queue_url(&url).send().await.unwrap();
    let later = stand.client.send_message().queue_url(&url).delay_seconds(5);
    later.message_body("d").send().await.unwrap();

    let found = attributes(&stand, &url).await;
    let count = |name: QueueAttributeName| found[&name].parse::<u32>().unwrap();
    assert_eq!(count(QueueAttributeName::ApproximateNumberOfMessages), 2);
    assert_eq!(count(QueueAttributeName::ApproximateNumberOfMessagesNotVisible), 1);
    assert_eq!(count(QueueAttributeName::ApproximateNumberOfMessagesDelayed), 1);
}

#[tokio::test]
async fn only_the_attributes_asked_for_are_returned() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    let get = stand.client.get_queue_attributes().queue_url(&url);
    let found = get.attribute_names(QueueAttributeName::QueueArn).send().await.unwrap();
    assert_eq!(
        found.attributes.unwrap(),
        HashMap::from([(QueueAttributeName::QueueArn, arn("orders"))])
    );
    let get = stand.client.get_queue_attributes().queue_url(&url);
    let refused = get.attribute_names("Colour".into()).send().await.unwrap_err();
    assert_eq!(code(&refused), "InvalidAttributeName");
}

#[tokio::test]
async fn attributes_can_be_changed_and_take_effect() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    stand.pass(100);
    set(&stand, &url, QueueAttributeName::VisibilityTimeout, "5").await.unwrap();
    let found = attributes(&stand, &url).await;
    assert_eq!(found[&QueueAttributeName::VisibilityTimeout], "5");
    let modified = (START_MS / 1000 + 100).to_string();
    assert_eq!(found[&QueueAttributeName::LastModifiedTimestamp], modified);

    stand.send(&url, "hello").await;
    stand.receive_one(&url).await;
    stand.pass(5);
    stand.receive_one(&url).await;
}

#[tokio::test]
async fn values_out_of_range_and_unknown_attributes_are_refused() {
    use QueueAttributeName as A;
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    for (name, value) in [
        (A::VisibilityTimeout, "43201"),
        (A::DelaySeconds, "901"),
        (A::MessageRetentionPeriod, "59"),
        (A::MessageRetentionPeriod, "1209601"),
        (A::MaximumMessageSize, "1023"),
        (A::MaximumMessageSize, "1048577"),
        (A::ReceiveMessageWaitTimeSeconds, "21"),
    ] {
        let refused = set(&stand, &url, name.clone(), value).await;
        assert_eq!(refused, Err("InvalidAttributeValue".into()), "{name} {value}");
    }
    let refused = set(&stand, &url, "Colour".into(), "red").await;
    assert_eq!(refused, Err("InvalidAttributeName".into()));
    let refused = set(&stand, &url, A::FifoQueue, "true").await;
    assert_eq!(refused, Err("AWS.SimpleQueueService.UnsupportedOperation".into()));
}

#[tokio::test]
async fn a_redrive_policy_needs_a_dead_letter_queue_that_exists() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    stand.queue("dead").await;
    let name = QueueAttributeName::RedrivePolicy;
    let refused = set(&stand, &url, name.clone(), &redrive_policy("nowhere", 3)).await;
    assert_eq!(refused, Err("InvalidParameterValue".into()));
    let refused = set(&stand, &url, name.clone(), &redrive_policy("orders", 3)).await;
    assert_eq!(refused, Err("InvalidParameterValue".into()), "its own dead-letter queue");
    let refused = set(&stand, &url, name.clone(), "{}").await;
    assert_eq!(refused, Err("InvalidParameterValue".into()));

    set(&stand, &url, name.clone(), &redrive_policy("dead", 3)).await.unwrap();
    assert_eq!(attributes(&stand, &url).await[&name], redrive_policy("dead", 3));
    set(&stand, &url, name.clone(), "").await.unwrap();
    assert!(!attributes(&stand, &url).await.contains_key(&name), "an empty policy is none");
}

#[tokio::test]
async fn a_dead_letter_queue_may_choose_its_sources() {
    let stand = Stand::new().await;
    let (chosen, other) = (stand.queue("chosen").await, stand.queue("other").await);
    let allow =
        format!(r#"{{"redrivePermission":"byQueue","sourceQueueArns":["{}"]}}"#, arn("chosen"));
    stand.queue_with("dead", &[(QueueAttributeName::RedriveAllowPolicy, &allow)]).await;
    let policy = redrive_policy("dead", 3);
    set(&stand, &chosen, QueueAttributeName::RedrivePolicy, &policy).await.unwrap();
    let refused = set(&stand, &other, QueueAttributeName::RedrivePolicy, &policy).await;
    assert_eq!(refused, Err("InvalidParameterValue".into()));
}
