//! Connections: refused, reused, and found dead.

use egress::{ExchangeResult, MAX_IDLE_PER_HOST, UnreachableClass};
use tokio::{io::AsyncWriteExt, net::TcpListener};

use crate::{
    class_of, local_client, outcome_of, post,
    receiver::{Receiver, read_request},
};

const NO_CONTENT: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

fn status_of(outcome: &ExchangeResult) -> u16 {
    match outcome {
        ExchangeResult::Answered { status, .. } => *status,
        other => panic!("expected an answer, but: {other:?}"),
    }
}

#[tokio::test]
async fn a_port_that_nobody_listens_on_is_a_connect_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/?token=sesame", listener.local_addr().unwrap());
    drop(listener);
    let outcome = outcome_of(&local_client(), post(url)).await;
    assert_eq!(class_of(&outcome), UnreachableClass::Connect, "{outcome:?}");
}

#[tokio::test]
async fn connections_are_reused() {
    let receiver = Receiver::serving(|mut stream, _| async move {
        while !read_request(&mut stream).await.is_empty() {
            stream.write_all(NO_CONTENT).await.unwrap();
        }
    });
    let client = local_client();
    for _ in 0..20 {
        assert_eq!(status_of(&outcome_of(&client, post(receiver.url())).await), 204);
    }
    // A connection becomes idle a moment after the answer, so the next request may be too early for
    // it.
    assert!(receiver.connections() < 20);
}

#[tokio::test]
async fn a_pooled_connection_that_turns_out_dead_costs_no_attempt() {
    // The first connection answers once, and takes a second request only to hang up, as one does
    // that died in between.
    let receiver = Receiver::serving(|mut stream, connection| async move {
        read_request(&mut stream).await;
        stream.write_all(NO_CONTENT).await.unwrap();
        if connection > 0 {
            return;
        }
        read_request(&mut stream).await;
    });
    let client = local_client();
    assert_eq!(status_of(&outcome_of(&client, post(receiver.url())).await), 204);
    assert_eq!(status_of(&outcome_of(&client, post(receiver.url())).await), 204);
    assert_eq!(receiver.connections(), 2);
}

#[tokio::test]
async fn a_receiver_that_always_hangs_up_is_not_asked_for_ever() {
    let receiver = Receiver::serving(|mut stream, connection| async move {
        read_request(&mut stream).await;
        if connection == 0 {
            stream.write_all(NO_CONTENT).await.unwrap();
            read_request(&mut stream).await;
        }
    });
    let client = local_client();
    assert_eq!(status_of(&outcome_of(&client, post(receiver.url())).await), 204);
    let outcome = outcome_of(&client, post(receiver.url())).await;
    assert_eq!(class_of(&outcome), UnreachableClass::Closed, "{outcome:?}");
    assert!(receiver.connections() <= 1 + MAX_IDLE_PER_HOST);
}
