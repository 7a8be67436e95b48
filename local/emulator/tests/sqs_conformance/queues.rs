//! Making, finding, listing, purging and deleting queues.

use aws_sdk_sqs::types::QueueAttributeName;

use crate::support::{Stand, arn, code};

#[tokio::test]
async fn creating_a_queue_again_with_the_same_attributes_gives_the_same_queue() {
    let stand = Stand::new().await;
    let timeout = (QueueAttributeName::VisibilityTimeout, "60");
    let first = stand.queue_with("orders", std::slice::from_ref(&timeout)).await;
    assert_eq!(stand.queue_with("orders", &[timeout]).await, first);
    assert_eq!(stand.queue("orders").await, first, "attributes not given don't matter");
}

#[tokio::test]
async fn creating_a_queue_again_with_another_attribute_is_refused() {
    let stand = Stand::new().await;
    stand.queue("orders").await;
    let refused = stand
        .client
        .create_queue()
        .queue_name("orders")
        .attributes(QueueAttributeName::VisibilityTimeout, "60")
        .send()
        .await
        .unwrap_err();
    assert_eq!(code(&refused), "QueueAlreadyExists");
    assert!(refused.into_service_error().is_queue_name_exists());
}

#[tokio::test]
async fn a_queue_name_has_up_to_80_letters_digits_hyphens_and_underscores() {
    let stand = Stand::new().await;
    let longest = "q".repeat(80);
    let too_long = "q".repeat(81);
    for name in ["a", "A-z_0", &longest] {
        stand.queue(name).await;
    }
    for name in ["", "a.b", "a b", "ä", "queue.fifo", &too_long] {
        let refused = stand.client.create_queue().queue_name(name).send().await;
        assert_eq!(code(&refused.unwrap_err()), "InvalidParameterValue", "{name}");
    }
}

#[tokio::test]
async fn a_queue_is_found_by_name_and_by_the_last_segment_of_its_url() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    assert!(url.ends_with("/000000000000/orders"), "{url}");
    let found = stand.client.get_queue_url().queue_name("orders").send().await;
    assert_eq!(found.unwrap().queue_url.unwrap(), url);

    let from_another_run = "http://127.0.0.1:1/000000000000/orders";
    stand.send(from_another_run, "hello").await;
    assert_eq!(stand.depth(&url).await, (1, 0, 0));
}

#[tokio::test]
async fn every_operation_on_an_unknown_queue_says_that_it_does_not_exist() {
    let stand = Stand::new().await;
    let url = "http://127.0.0.1/000000000000/nowhere";
    let client = &stand.client;
    let codes = [
        code(&client.get_queue_url().queue_name("nowhere").send().await.unwrap_err()),
        code(&client.get_queue_attributes().queue_url(url).send().await.unwrap_err()),
        code(&client.receive_message().queue_url(url).send().await.unwrap_err()),
        code(&client.send_message().queue_url(url).message_body("a").send().await.unwrap_err()),
        code(&client.delete_message().queue_url(url).receipt_handle("a").send().await.unwrap_err()),
        code(&client.purge_queue().queue_url(url).send().await.unwrap_err()),
        code(&client.delete_queue().queue_url(url).send().await.unwrap_err()),
        code(&client.list_dead_letter_source_queues().queue_url(url).send().await.unwrap_err()),
    ];
    for code in codes {
        assert_eq!(code, "AWS.SimpleQueueService.NonExistentQueue");
    }
    let typed = client.purge_queue().queue_url(url).send().await.unwrap_err();
    assert!(typed.into_service_error().is_queue_does_not_exist());
}

#[tokio::test]
async fn an_unknown_operation_is_refused() {
    let stand = Stand::new().await;
    let response = stand.sqs.call("DefragmentQueue", b"{}").await;
    assert_eq!(response.status, 400);
    assert_eq!(response.headers["x-amzn-query-error"], "InvalidAction;Sender");
    let response = stand.sqs.call("ListQueues", b"no JSON").await;
    assert_eq!(response.headers["x-amzn-query-error"], "SerializationException;Sender");
}

#[tokio::test]
async fn queues_are_listed_by_prefix_and_in_pages() {
    let stand = Stand::new().await;
    for name in ["orders-1", "orders-2", "orders-3", "other"] {
        stand.queue(name).await;
    }
    let names = |urls: Option<Vec<String>>| -> Vec<String> {
        let urls = urls.unwrap_or_default();
        urls.iter().map(|url| url.rsplit('/').next().unwrap().to_owned()).collect()
    };
    let list = || stand.client.list_queues();

    let all = list().send().await.unwrap();
    assert_eq!(names(all.queue_urls), ["orders-1", "orders-2", "orders-3", "other"]);
    let page = list().queue_name_prefix("orders").max_results(2).send().await.unwrap();
    assert_eq!(names(page.queue_urls), ["orders-1", "orders-2"]);
    let next = list()
        .queue_name_prefix("orders")
        .max_results(2)
        .next_token(page.next_token.expect("there is more"))
        .send()
        .await
        .unwrap();
    assert_eq!(names(next.queue_urls), ["orders-3"]);
    assert_eq!(next.next_token, None);
    let none = list().queue_name_prefix("nothing").send().await.unwrap();
    assert!(none.queue_urls().is_empty());
}

#[tokio::test]
async fn purging_deletes_every_message_and_keeps_the_queue() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    stand.send(&url, "visible").await;
    stand.send(&url, "in flight").await;
    stand.receive(&url).await;
    stand.client.purge_queue().queue_url(&url).send().await.unwrap();
    assert_eq!(stand.depth(&url).await, (0, 0, 0));
    stand.send(&url, "new").await;
    assert_eq!(stand.receive_one(&url).await.body(), Some("new"));
}

#[tokio::test]
async fn a_deleted_queue_is_gone_with_its_messages_even_when_made_again() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    stand.send(&url, "old").await;
    let old = stand.receive_one(&url).await;
    stand.client.delete_queue().queue_url(&url).send().await.unwrap();
    assert!(stand.client.purge_queue().queue_url(&url).send().await.is_err());

    stand.queue("orders").await;
    assert!(stand.receive(&url).await.is_empty());
    let stale = stand.hide(&url, &old, 10).await;
    assert_eq!(stale, Err("ReceiptHandleIsInvalid".into()), "a handle of the deleted queue");
}

#[tokio::test]
async fn the_sources_of_a_dead_letter_queue_are_listed() {
    let stand = Stand::new().await;
    let (live, dead) = stand.queue_with_dead_letters("orders", 3).await;
    let sources = |url: &str| stand.client.list_dead_letter_source_queues().queue_url(url).send();
    assert!(sources(&live).await.unwrap().queue_urls.is_empty());
    assert_eq!(sources(&dead).await.unwrap().queue_urls, [live]);
}

#[tokio::test]
async fn the_front_door_can_tell_which_queue_a_call_is_about() {
    let body = format!(r#"{{"SourceArn":"{}"}}"#, arn("dead"));
    let name = emulator::sqs::Sqs::queue_of("StartMessageMoveTask", body.as_bytes());
    assert_eq!(name.as_deref(), Some("dead"));
}
