//! The outgoing client over real sockets: receivers that answer, stall, break off, lie, and try to
//! be somewhere else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of this is test code"
)]

#[path = "client/answers.rs"]
mod answers;
#[path = "client/connections.rs"]
mod connections;
#[path = "client/floods.rs"]
mod floods;
#[path = "client/hostile.rs"]
mod hostile;
#[path = "client/names.rs"]
mod names;
#[path = "client/receiver.rs"]
mod receiver;
#[path = "client/tls.rs"]
mod tls;

use std::time::Duration;

use bytes::Bytes;
use domain::endpoint_url::TargetPolicy;
use egress::{DeliveryClient, ExchangeResult, SignedRequest, UnreachableClass};
use http::HeaderMap;

/// Long enough to never matter, on any machine.
const PLENTY: Duration = Duration::from_mins(1);

/// Short enough to wait for.
const BRIEF: Duration = Duration::from_millis(300);

/// Stands in each URL's query, and must never be seen in an outcome.
const QUERY: &str = "token=sesame";

fn local_client() -> DeliveryClient {
    DeliveryClient::new(TargetPolicy::Local).unwrap()
}

fn post(url: impl Into<String>) -> SignedRequest {
    SignedRequest {
        url: url.into(),
        headers: HeaderMap::new(),
        body: Bytes::from_static(b"{}"),
        timeout: PLENTY,
    }
}

/// Sends to the URL and checks what holds for every outcome.
async fn outcome_of(client: &DeliveryClient, request: SignedRequest) -> ExchangeResult {
    let exchange = client.send(request).await;
    assert!(
        !format!("{:?}", exchange.outcome).contains("sesame"),
        "the query leaked: {:?}",
        exchange.outcome
    );
    exchange.outcome
}

/// The class of an exchange that broke.
fn class_of(outcome: &ExchangeResult) -> UnreachableClass {
    match outcome {
        ExchangeResult::Unreachable { class, .. } => *class,
        other => panic!("expected the exchange to break, but: {other:?}"),
    }
}
