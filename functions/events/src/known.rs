//! Events that the log has already: the row answers for them, whatever a lease says.
//!
//! A lease knows the ids that producers bring. It does not know those that Posthaste has made,
//! which a producer may bring back from an answer.

use std::collections::HashMap;

use api::ApiError;
use domain::{id::EventId, model::Event, time::Timestamp};
use store::{Access, events::EventReader};

use crate::{
    claims::{OTHER_CONTENT, Planned, State},
    input::Draft,
};

/// Those of the drafts with an id of their own that the log has: one call for all of them, and none
/// without such drafts. Their plans are then done. 422 if one has other content.
///
/// A draft that a dead request may have enqueued is not looked up: its deliveries are sent again.
pub(crate) async fn find(
    events: &EventReader,
    access: Access,
    drafts: &[Draft],
    planned: &mut [Planned],
    now: Timestamp,
) -> Result<HashMap<EventId, Event>, ApiError> {
    let own = |(draft, plan): (&Draft, &Planned)| draft.id.filter(|_| plan.state != State::Unsure);
    let ids = drafts.iter().zip(planned.iter()).filter_map(own).collect();
    let logged = events.get_many(access, ids, now).await?;
    let known: HashMap<_, _> =
        logged.into_iter().map(|logged| (logged.event.id, logged.event)).collect();
    for (draft, plan) in drafts.iter().zip(planned) {
        let Some(event) = draft.id.and_then(|id| known.get(&id)) else { continue };
        if !is_same(draft, event) {
            return Err(ApiError::unprocessable(OTHER_CONTENT));
        }
        plan.state = State::Done;
    }
    Ok(known)
}

/// Whether a draft is the event again. One without a time may be of any.
fn is_same(draft: &Draft, event: &Event) -> bool {
    let text = |json: &Option<Box<serde_json::value::RawValue>>| {
        json.as_ref().map(|json| json.get().to_owned())
    };
    draft.kind == event.kind
        && draft.data.get() == event.data.get()
        && draft.user_id == event.user_id
        && draft.worker_id == event.worker_id
        && draft.webhook_url == event.webhook_url
        && text(&draft.metadata) == text(&event.metadata)
        && draft.created_at.is_none_or(|time| time == event.created_at)
}
