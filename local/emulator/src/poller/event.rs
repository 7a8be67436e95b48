//! Messages as Lambda's SQS event.
//!
//! The message attributes' JSON spells its fields differently from the SQS API (`stringValue`,
//! `dataType`).

use aws_sdk_sqs::types::{Message, MessageAttributeValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json, json};

use sam_template::REGION;

/// The event for a batch from the queue with this ARN.
pub fn event(messages: &[Message], queue_arn: &str) -> Json {
    json!({"Records": messages.iter().map(|message| record(message,
        queue_arn)).collect::<Vec<_>>()})
}

fn record(message: &Message, queue_arn: &str) -> Json {
    let attributes = message.attributes().into_iter().flatten();
    let attributes: Map<String, Json> = attributes
        .map(|(name, value)| (name.as_str().to_owned(), Json::from(value.as_str())))
        .collect();
    let message_attributes = message.message_attributes().into_iter().flatten();
    let message_attributes: Map<String, Json> =
        message_attributes.map(|(name, value)| (name.clone(), attribute(value))).collect();
    let mut record = json!({
        "messageId": message.message_id(),
        "receiptHandle": message.receipt_handle(),
        "body": message.body().unwrap_or_default(),
        "attributes": attributes,
        "messageAttributes": message_attributes,
        "md5OfBody": message.md5_of_body(),
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": REGION,
    });
    if let Some(md5) = message.md5_of_message_attributes() {
        record["md5OfMessageAttributes"] = md5.into();
    }
    record
}

fn attribute(value: &MessageAttributeValue) -> Json {
    let mut attribute =
        json!({"stringListValues": [], "binaryListValues": [], "dataType": value.data_type()});
    if let Some(text) = value.string_value() {
        attribute["stringValue"] = text.into();
    }
    if let Some(bytes) = value.binary_value() {
        attribute["binaryValue"] = STANDARD.encode(bytes).into();
    }
    attribute
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::types::MessageSystemAttributeName;

    use super::*;

    #[test]
    fn a_message_becomes_a_record_of_lambdas_sqs_event() {
        let number =
            MessageAttributeValue::builder().data_type("Number").string_value("7").build().unwrap();
        let message = Message::builder()
            .message_id("m")
            .receipt_handle("r")
            .body("hello")
            .md5_of_body("5d41402abc4b2a76b9719d911017c592")
            .attributes(MessageSystemAttributeName::ApproximateReceiveCount, "2")
            .message_attributes("n", number)
            .build();
        let expected = json!({"Records": [{
            "messageId": "m", "receiptHandle": "r", "body": "hello",
            "md5OfBody": "5d41402abc4b2a76b9719d911017c592",
            "attributes": {"ApproximateReceiveCount": "2"},
            "messageAttributes": {"n": {"dataType": "Number", "stringValue": "7",
                "stringListValues": [], "binaryListValues": []}},
            "eventSource": "aws:sqs", "eventSourceARN": "arn:q", "awsRegion": "us-east-1"
        }]});
        assert_eq!(event(&[message], "arn:q"), expected);
    }
}
