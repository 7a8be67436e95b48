//! `SendMessage`: digests, delay, size, characters, attributes, group ids.

use aws_sdk_sqs::{
    primitives::Blob,
    types::{MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName},
};

use crate::support::{Stand, attribute, code};

const MIB: usize = 1_048_576;

fn text(value: &str) -> MessageAttributeValue {
    let attribute = MessageAttributeValue::builder().data_type("String");
    attribute.string_value(value).build().unwrap()
}

async fn refusal(stand: &Stand, url: &str, body: &str) -> String {
    let send = stand.client.send_message().queue_url(url).message_body(body);
    code(&send.send().await.unwrap_err())
}

#[tokio::test]
async fn a_sent_message_is_acknowledged_with_its_id_and_digests() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    let number = MessageAttributeValue::builder().data_type("Number").string_value("3.5");
    let binary = MessageAttributeValue::builder()
        .data_type("Binary.png")
        .binary_value(Blob::new([0, 1, 254, 255]));
    let sent = stand
        .client
        .send_message()
        .queue_url(&url)
        .message_body("hello")
        .message_attributes("kind", text("order"))
        .message_attributes("amount", number.build().unwrap())
        .message_attributes("picture", binary.build().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(sent.md5_of_message_body(), Some("5d41402abc4b2a76b9719d911017c592"));
    // Computed apart, from the documented algorithm.
    assert_eq!(sent.md5_of_message_attributes(), Some("84970f9917b496b4491738dde9ed9a4e"));

    let received = stand.receive_one(&url).await;
    assert_eq!(received.message_id, sent.message_id);
    assert_eq!(received.md5_of_body(), sent.md5_of_message_body());
    assert_eq!(received.md5_of_message_attributes(), sent.md5_of_message_attributes());
    let attributes = received.message_attributes.unwrap();
    assert_eq!(attributes["kind"].string_value(), Some("order"));
    assert_eq!(attributes["picture"].binary_value(), Some(&Blob::new([0, 1, 254, 255])));
}

#[tokio::test]
async fn a_delayed_message_is_not_received_before_its_time() {
    let stand = Stand::new().await;
    let url = stand.queue_with("orders", &[(QueueAttributeName::DelaySeconds, "10")]).await;
    stand.send(&url, "by the queue").await;
    let own = stand.client.send_message().queue_url(&url).delay_seconds(900);
    own.message_body("by itself").send().await.unwrap();
    let own = stand.client.send_message().queue_url(&url).delay_seconds(0);
    own.message_body("not at all").send().await.unwrap();
    assert_eq!(stand.receive_one(&url).await.body(), Some("not at all"));

    stand.pass(9);
    assert!(stand.receive(&url).await.is_empty());
    stand.pass(1);
    assert_eq!(stand.receive_one(&url).await.body(), Some("by the queue"));
    stand.pass(889);
    let visible = stand.receive(&url).await;
    assert!(visible.iter().all(|message| message.body() != Some("by itself")));
    stand.pass(1);
    assert_eq!(stand.receive_one(&url).await.body(), Some("by itself"));
}

#[tokio::test]
async fn a_delay_over_15_minutes_is_refused() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    for delay in [-1, 901] {
        let send = stand.client.send_message().queue_url(&url).message_body("a");
        let refused = send.delay_seconds(delay).send().await.unwrap_err();
        assert_eq!(code(&refused), "InvalidParameterValue");
    }
}

#[tokio::test]
async fn a_message_holds_one_mib_and_no_byte_more() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    let largest = "x".repeat(MIB);
    stand.send(&url, &largest).await;
    assert_eq!(stand.receive_one(&url).await.body(), Some(largest.as_str()));
    assert_eq!(refusal(&stand, &url, &"x".repeat(MIB + 1)).await, "InvalidParameterValue");
    // 524,288 of two bytes each.
    stand.send(&url, &"ä".repeat(MIB / 2)).await;
    assert_eq!(refusal(&stand, &url, &"ä".repeat(MIB / 2 + 1)).await, "InvalidParameterValue");
}

#[tokio::test]
async fn attributes_count_towards_the_size_of_a_message() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    let attribute_bytes = "kind".len() + "String".len() + "order".len();
    for (body_bytes, is_taken) in
        [(MIB - attribute_bytes, true), (MIB - attribute_bytes + 1, false)]
    {
        let send = stand.client.send_message().queue_url(&url);
        let send = send.message_body("x".repeat(body_bytes));
        let outcome = send.message_attributes("kind", text("order")).send().await;
        assert_eq!(outcome.is_ok(), is_taken, "{body_bytes} bytes");
    }
}

#[tokio::test]
async fn a_queue_may_take_less_than_one_mib() {
    let stand = Stand::new().await;
    let url = stand.queue_with("small", &[(QueueAttributeName::MaximumMessageSize, "1024")]).await;
    stand.send(&url, &"x".repeat(1024)).await;
    assert_eq!(refusal(&stand, &url, &"x".repeat(1025)).await, "InvalidParameterValue");
}

#[tokio::test]
async fn characters_outside_xml_and_empty_bodies_are_refused() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    for body in ["\u{0}", "a\u{8}", "\u{b}", "\u{1f}", "\u{fffe}", "\u{ffff}"] {
        assert_eq!(refusal(&stand, &url, body).await, "InvalidMessageContents", "{body:?}");
    }
    assert_eq!(refusal(&stand, &url, "").await, "MissingParameter");
    let allowed = "\t\n\r ~\u{7f}\u{d7ff}\u{e000}\u{fffd}\u{10000}\u{10ffff}\"\\";
    stand.send(&url, allowed).await;
    assert_eq!(stand.receive_one(&url).await.body(), Some(allowed));
}

#[tokio::test]
async fn bad_message_attributes_are_refused() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    let value = |data_type: &str, value: &str| {
        let attribute = MessageAttributeValue::builder().data_type(data_type);
        attribute.string_value(value).build().unwrap()
    };
    for (name, value) in [
        ("kind", value("Colour", "red")),
        ("kind", value("String", "")),
        ("kind", value("Number", "many")),
        ("AWS.kind", text("a")),
        ("kind.", text("a")),
    ] {
        let send = stand.client.send_message().queue_url(&url).message_body("a");
        let refused = send.message_attributes(name, value).send().await.unwrap_err();
        assert_eq!(code(&refused), "InvalidParameterValue", "{name}");
    }
    let mut send = stand.client.send_message().queue_url(&url).message_body("a");
    for number in 0..11 {
        send = send.message_attributes(format!("a{number}"), text("a"));
    }
    assert_eq!(code(&send.send().await.unwrap_err()), "InvalidParameterValue");
}

#[tokio::test]
async fn a_standard_queue_keeps_a_group_id_and_refuses_a_deduplication_id() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    let send = || stand.client.send_message().queue_url(&url).message_body("a");
    send().message_group_id("proj_1").send().await.unwrap();
    let received = stand.receive_one(&url).await;
    let group = attribute(&received, &MessageSystemAttributeName::MessageGroupId);
    assert_eq!(group.as_deref(), Some("proj_1"));

    for group in ["", "with space", &"g".repeat(129)] {
        let refused = send().message_group_id(group).send().await.unwrap_err();
        assert_eq!(code(&refused), "InvalidParameterValue", "{group:?}");
    }
    let refused = send().message_deduplication_id("d").send().await.unwrap_err();
    assert_eq!(code(&refused), "InvalidParameterValue");
}
