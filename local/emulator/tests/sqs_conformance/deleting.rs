//! `DeleteMessage` with handles new, old and wrong.

use crate::support::{Stand, code};

#[tokio::test]
async fn a_deleted_message_is_gone_and_deleting_it_again_succeeds() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    stand.send(&url, "hello").await;
    let received = stand.receive_one(&url).await;
    stand.delete(&url, &received).await;
    stand.delete(&url, &received).await;
    stand.pass(60);
    assert!(stand.receive(&url).await.is_empty());
    assert_eq!(stand.depth(&url).await, (0, 0, 0));
}

#[tokio::test]
async fn the_latest_handle_deletes_even_after_its_visibility_timeout() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    stand.send(&url, "hello").await;
    let received = stand.receive_one(&url).await;
    stand.pass(60);
    stand.delete(&url, &received).await;
    assert!(stand.receive(&url).await.is_empty());
}

#[tokio::test]
async fn the_handle_of_an_earlier_receive_succeeds_and_deletes_nothing() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    stand.send(&url, "hello").await;
    let earlier = stand.receive_one(&url).await;
    stand.pass(30);
    stand.receive_one(&url).await;
    stand.delete(&url, &earlier).await;
    assert_eq!(stand.depth(&url).await, (0, 1, 0));
    stand.pass(30);
    stand.receive_one(&url).await;
}

#[tokio::test]
async fn a_malformed_handle_is_invalid() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    let delete = stand.client.delete_message().queue_url(&url).receipt_handle("rubbish");
    let refused = delete.send().await.unwrap_err();
    assert_eq!(code(&refused), "ReceiptHandleIsInvalid");
    assert!(refused.into_service_error().is_receipt_handle_is_invalid());
}

#[tokio::test]
async fn a_handle_does_not_follow_a_message_into_the_dead_letter_queue() {
    let stand = Stand::new().await;
    let (live, dead) = stand.queue_with_dead_letters("orders", 1).await;
    stand.send(&live, "hopeless").await;
    let received = stand.receive_one(&live).await;
    stand.pass(30);
    assert!(stand.receive(&live).await.is_empty());
    stand.delete(&live, &received).await;
    assert_eq!(stand.depth(&dead).await, (1, 0, 0));
}
