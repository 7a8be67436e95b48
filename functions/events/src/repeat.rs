//! A request whose events are in the log already: did the first one get as far as its messages?
//!
//! It may have died before it had sent them, or is still at it, or they wait in their queue. So
//! each delivery that has left no trace gets a row, which is due when a message that was sent
//! before would have left one. `jobs` finds it then, and `deliver` asks the log again.

use std::collections::HashSet;

use api::ApiError;
use domain::{
    delivery_row::DeliveryRow,
    id::EventId,
    message::Message,
    model::{Target, event::LoggedEvent},
    time::Timestamp,
};
use futures::{StreamExt, TryStreamExt, future::ready, stream};
use runtime::clock;
use store::{Access, StoreError};

use crate::{App, audience::Audience};

/// Deliveries that are looked up at a time.
const CONCURRENCY: usize = 16;

/// Sees to it that each delivery of these events is made.
pub(crate) async fn repeat(
    app: &App,
    access: Access,
    audience: &Audience,
    found: &[&LoggedEvent],
    now: Timestamp,
) -> Result<(), ApiError> {
    let untraced: HashSet<EventId> = stream::iter(confirming(app, access, audience, found, now))
        .buffer_unordered(CONCURRENCY)
        .try_filter_map(|untraced| ready(Ok(untraced)))
        .try_collect()
        .await?;
    // The first request may have died before it had told viewers, too.
    for logged in found {
        if logged.targets.is_empty() || untraced.contains(&logged.event.id) {
            app.log.place_again(access, logged, clock::now).await?;
        }
    }
    Ok(())
}

/// The look-ups of all deliveries.
fn confirming<'a>(
    app: &'a App,
    access: Access,
    audience: &'a Audience,
    found: &'a [&'a LoggedEvent],
    now: Timestamp,
) -> impl Iterator<Item = impl Future<Output = Result<Option<EventId>, StoreError>>> {
    found.iter().flat_map(move |logged| {
        // A test is made once: whoever wants another makes one.
        let targets = logged.targets.iter().filter(|target| !target.test);
        targets.map(move |target| confirm(app, access, audience, logged, target, now))
    })
}

/// Writes the row of a delivery that has left no trace, if there is none. The event, if so.
async fn confirm(
    app: &App,
    access: Access,
    audience: &Audience,
    logged: &LoggedEvent,
    target: &Target,
    now: Timestamp,
) -> Result<Option<EventId>, StoreError> {
    if app.attempts.history(access, logged, target.endpoint).await?.attempts > 0 {
        return Ok(None);
    }
    let recipient = audience.recipient_again(&logged.event, target);
    let first = Message::first(access.project(), audience.brand(), &logged.event, &recipient, now);
    let due = clock::now() + app.confirm_after;
    app.rows
        .begin_unconfirmed(&DeliveryRow::unconfirmed(&first, due, rand::random::<u32>().into()))
        .await?;
    Ok(Some(logged.event.id))
}
