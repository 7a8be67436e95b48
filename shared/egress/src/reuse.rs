//! Telling whether a request went out on a pooled connection.
//!
//! A Lambda function is frozen between invocations, and its pooled connections die unnoticed. A
//! request on a dead one fails as if the receiver had hung up, which must not cost an attempt; so
//! [`super::DeliveryClient`] sends it again. On a fresh connection the same error is the receiver's
//! doing, and is reported.
//!
//! # Pitfalls
//!
//! Hyper races a new connection against one becoming idle. So what is noted is "began to connect",
//! and only its absence proves reuse.

use std::{cell::Cell, future::Future};

tokio::task_local! {
    static BEGAN_TO_CONNECT: Cell<bool>;
}

/// Runs a request, and tells whether it certainly used a pooled connection.
pub(crate) async fn noting_reuse<T>(request: impl Future<Output = T>) -> (T, bool) {
    BEGAN_TO_CONNECT
        .scope(Cell::new(false), async {
            let result = request.await;
            (result, !BEGAN_TO_CONNECT.with(Cell::get))
        })
        .await
}

/// For the client's connector: called with each new connection's target, in the task of the request
/// that wants it.
pub(crate) fn note_connecting<Target>(target: Target) -> Target {
    // No caller connects outside of a request; if one did, there would be nothing to note.
    let _ = BEGAN_TO_CONNECT.try_with(|began| began.set(true));
    target
}
