//! Refuses an id that the log has and no lease knows: Posthaste made it, and a producer sends it
//! back.

use api::ApiError;
use domain::time::Timestamp;
use store::{Access, events::EventReader};

use crate::{
    claims::{Planned, State},
    input::Draft,
};

/// 422 if a new event has the id of one that is in the log: it would replace that. One call for all
/// events with an id of their own, and none without such events.
///
/// # Pitfalls
///
/// No answer may call such an event accepted, even if its content is the same: the request that has
/// written it to the log may have died before it enqueued the deliveries.
pub(crate) async fn refuse(
    events: &EventReader,
    access: Access,
    drafts: &[Draft],
    planned: &[Planned],
    now: Timestamp,
) -> Result<(), ApiError> {
    let new = |(draft, plan): (&Draft, &Planned)| draft.id.filter(|_| plan.state == State::New);
    let ids = drafts.iter().zip(planned).filter_map(new).collect();
    match events.get_many(access, ids, now).await?.first() {
        None => Ok(()),
        Some(logged) => Err(ApiError::unprocessable(format!(
            "there is already an event with the id `{}`; leave `id` out to post another event, or \
                resend the message",
            logged.event.id
        ))),
    }
}
