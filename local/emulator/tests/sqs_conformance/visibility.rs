//! `ChangeMessageVisibility`: hiding longer, showing again, and the limits of both.

use crate::support::{Stand, code, receive_count};

const NOT_IN_FLIGHT: &str = "AWS.SimpleQueueService.MessageNotInflight";

#[tokio::test]
async fn a_message_can_be_hidden_longer_counting_from_now() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    stand.send(&url, "hello").await;
    let received = stand.receive_one(&url).await;
    stand.pass(20);
    stand.hide(&url, &received, 60).await.unwrap();
    stand.pass(59);
    assert!(stand.receive(&url).await.is_empty());
    assert_eq!(stand.depth(&url).await, (0, 1, 0), "hidden is in flight");
    stand.pass(1);
    assert_eq!(receive_count(&stand.receive_one(&url).await), 2);
}

#[tokio::test]
async fn a_message_can_be_shown_again_at_once() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    stand.send(&url, "hello").await;
    let received = stand.receive_one(&url).await;
    stand.hide(&url, &received, 0).await.unwrap();
    assert_eq!(stand.depth(&url).await, (1, 0, 0));
    assert_eq!(receive_count(&stand.receive_one(&url).await), 2);
}

#[tokio::test]
async fn all_timeouts_of_one_receive_together_are_at_most_twelve_hours() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    stand.send(&url, "hello").await;
    let received = stand.receive_one(&url).await;
    stand.hide(&url, &received, 43_200).await.unwrap();
    stand.pass(3_600);
    stand.hide(&url, &received, 43_200 - 3_600).await.unwrap();
    let refused = stand.hide(&url, &received, 43_200 - 3_600 + 1).await;
    assert_eq!(refused, Err("InvalidParameterValue".into()));
    stand.pass(43_200 - 3_600);

    let again = stand.receive_one(&url).await;
    stand.hide(&url, &again, 43_200).await.expect("each receive has its own twelve hours");
    for seconds in [-1, 43_201] {
        let refused = stand.hide(&url, &again, seconds).await;
        assert_eq!(refused, Err("InvalidParameterValue".into()));
    }
}

#[tokio::test]
async fn a_message_that_is_visible_again_is_not_in_flight() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    stand.send(&url, "hello").await;
    let received = stand.receive_one(&url).await;
    stand.pass(30);
    assert_eq!(stand.hide(&url, &received, 60).await, Err(NOT_IN_FLIGHT.into()));
    stand.receive_one(&url).await;
}

#[tokio::test]
async fn the_handle_of_an_earlier_receive_or_of_a_deleted_message_has_no_say() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    stand.send(&url, "hello").await;
    let earlier = stand.receive_one(&url).await;
    stand.pass(30);
    let latest = stand.receive_one(&url).await;
    assert_ne!(earlier.receipt_handle(), latest.receipt_handle());
    assert_eq!(stand.hide(&url, &earlier, 0).await, Err("InvalidParameterValue".into()));
    assert_eq!(stand.depth(&url).await, (0, 1, 0), "the latest receive still has it");

    stand.delete(&url, &latest).await;
    assert_eq!(stand.hide(&url, &latest, 0).await, Err("InvalidParameterValue".into()));
}

#[tokio::test]
async fn a_malformed_handle_is_invalid() {
    let stand = Stand::new().await;
    let url = stand.queue("orders").await;
    let other = stand.queue("other").await;
    stand.send(&other, "hello").await;
    let of_another_queue = stand.receive_one(&other).await.receipt_handle.unwrap();
    for handle in ["rubbish", "", of_another_queue.as_str()] {
        let change = stand.client.change_message_visibility().queue_url(&url);
        let change = change.receipt_handle(handle).visibility_timeout(10);
        assert_eq!(code(&change.send().await.unwrap_err()), "ReceiptHandleIsInvalid", "{handle}");
    }
}
