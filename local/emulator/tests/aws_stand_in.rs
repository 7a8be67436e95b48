//! The stand-ins for AWS through the real SDK: tables and queues of the template, roles enforced,
//! calls counted.

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, TimeToLiveStatus, WriteRequest};
use emulator::testing::AwsStandIn;

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

#[tokio::test]
async fn an_item_is_read_back_from_the_templates_table() {
    let aws = AwsStandIn::start().await;
    let dynamodb = aws_sdk_dynamodb::Client::new(&aws.sdk_config());
    let table = aws.table_name("ConfigTable");
    dynamodb
        .put_item()
        .table_name(&table)
        .item("pk", text("a"))
        .item("sk", text("b"))
        .item("v", text("c"))
        .send()
        .await
        .unwrap();
    let read = dynamodb
        .get_item()
        .table_name(&table)
        .key("pk", text("a"))
        .key("sk", text("b"))
        .send()
        .await
        .unwrap();
    assert_eq!(read.item.unwrap()["v"], text("c"));
}

#[tokio::test]
async fn a_failed_condition_is_the_error_that_the_sdk_knows() {
    let aws = AwsStandIn::start().await;
    let dynamodb = aws_sdk_dynamodb::Client::new(&aws.sdk_config());
    let put = || {
        let put = dynamodb
            .put_item()
            .table_name(aws.table_name("ConfigTable"))
            .item("pk", text("a"))
            .item("sk", text("b"));
        put.condition_expression("attribute_not_exists(pk)").send()
    };
    put().await.unwrap();
    let refused = put().await.unwrap_err().into_service_error();
    assert!(refused.is_conditional_check_failed_exception(), "{refused:?}");
}

#[tokio::test]
async fn expiry_is_switched_on_where_the_template_asks_for_it() {
    let aws = AwsStandIn::start().await;
    let dynamodb = aws_sdk_dynamodb::Client::new(&aws.sdk_config());
    let described = dynamodb
        .describe_time_to_live()
        .table_name(aws.table_name("LogTable"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        described.time_to_live_description.unwrap().time_to_live_status,
        Some(TimeToLiveStatus::Enabled)
    );
}

#[tokio::test]
async fn queues_have_the_templates_attributes_and_deliver_messages() {
    let aws = AwsStandIn::start().await;
    let sqs = aws_sdk_sqs::Client::new(&aws.sdk_config());
    let url = aws.queue_url("DeliveriesQueue");
    let all = aws_sdk_sqs::types::QueueAttributeName::All;
    let attributes = sqs
        .get_queue_attributes()
        .queue_url(&url)
        .attribute_names(all)
        .send()
        .await
        .unwrap()
        .attributes
        .unwrap();
    let queue = aws.template().queue("DeliveriesQueue").unwrap();
    for (name, value) in &queue.attributes {
        let name = aws_sdk_sqs::types::QueueAttributeName::from(name.as_str());
        if let Some(actual) = attributes.get(&name).filter(|_| name.as_str() != "RedrivePolicy") {
            assert_eq!(actual, value, "{name}");
        }
    }
    sqs.send_message().queue_url(&url).message_body("hello").send().await.unwrap();
    let received = sqs.receive_message().queue_url(&url).wait_time_seconds(5).send().await.unwrap();
    assert_eq!(received.messages()[0].body(), Some("hello"));
}

#[tokio::test]
async fn a_function_may_do_what_its_role_allows_and_nothing_else() {
    let aws = AwsStandIn::start().await;
    let events = aws_sdk_dynamodb::Client::new(&aws.sdk_config_of("events"));
    let put = |table: String| {
        events.put_item().table_name(table).item("pk", text("a")).item("sk", text("b")).send()
    };
    put(aws.table_name("LogTable")).await.unwrap();
    let refused = put(aws.table_name("ConfigTable")).await.unwrap_err().into_service_error();
    assert_eq!(refused.code(), Some("AccessDeniedException"));
    assert!(
        refused.message().unwrap().contains(
            "is not authorized to perform: dynamodb:PutItem on resource: arn:aws:dynamodb:"
        )
    );

    let sqs = aws_sdk_sqs::Client::new(&aws.sdk_config_of("endpoints"));
    let refused = sqs
        .send_message()
        .queue_url(aws.queue_url("DeliveriesQueue"))
        .message_body("x")
        .send()
        .await
        .unwrap_err();
    assert!(refused.into_service_error().message().unwrap().contains("sqs:SendMessage"));
}

#[tokio::test]
async fn calls_and_attempts_are_counted() {
    let aws = AwsStandIn::start().await;
    let deliver = aws_sdk_dynamodb::Client::new(&aws.sdk_config_of("deliver"));
    let attempt = PutRequest::builder()
        .item("pk", text("A#proj_1#we_1#0"))
        .item("sk", text("atm_1"))
        .item("n", AttributeValue::N("3".to_owned()))
        .build()
        .unwrap();
    let request = WriteRequest::builder().put_request(attempt).build();
    deliver
        .batch_write_item()
        .request_items(aws.table_name("LogTable"), vec![request])
        .send()
        .await
        .unwrap();
    let report = aws.calls();
    assert_eq!(report.attempts, 3);
    let kinds: Vec<_> = report
        .calls
        .iter()
        .map(|call| {
            (call.caller.as_str(), call.operation.as_str(), call.outcome.as_str(), call.count)
        })
        .collect();
    assert_eq!(
        kinds,
        [("deliver", "BatchWriteItem", "ok", 1)],
        "the stack's own calls aren't counted"
    );
}
