//! Which events a request is about: the ids that they have, and which of them the log has already.
//!
//! An event is known by its own id, or by the request's `Idempotency-Key`, which has one row with
//! the id of the request's first event. An event's row itself says that it was accepted before: it
//! is written only if there is none.

use std::{collections::HashMap, time::Duration};

use api::ApiError;
use domain::{id::EventId, model::event::LoggedEvent, time::Timestamp};
use sha2::{Digest, Sha256};
use store::{
    Access,
    idempotency::{KeyOf, Known},
};

use crate::{App, input::Draft};

/// How long an `Idempotency-Key` is remembered: a day, as producers' retries go. The log keeps
/// events for as long at least.
const KEY_KEPT: Duration = Duration::from_hours(24);

/// A request's events and its key.
pub(crate) struct Identity<'a> {
    app: &'a App,
    access: Access,
    drafts: &'a [Draft],
    key: Option<KeyOf>,
    now: Timestamp,
}

/// What a request will have made.
pub(crate) struct Plan {
    /// The events' ids, in the order of the request.
    pub(crate) ids: Vec<EventId>,
    pub(crate) accepted_at: Timestamp,
    /// Those that the log has.
    pub(crate) found: HashMap<EventId, LoggedEvent>,
    /// Whether all ids were drawn at random, for this request alone.
    pub(crate) is_random: bool,
}

impl<'a> Identity<'a> {
    pub(crate) fn of(
        app: &'a App,
        access: Access,
        drafts: &'a [Draft],
        key: Option<String>,
        now: Timestamp,
    ) -> Result<Self, ApiError> {
        let with_hash = |text| Ok::<_, ApiError>(KeyOf { text, fingerprint: fingerprint(drafts)? });
        Ok(Self { app, access, drafts, key: key.map(with_hash).transpose()?, now })
    }

    /// Puts the key, and looks for events that the log may have. 422 if the key or an id was used
    /// with other content.
    pub(crate) async fn plan(&self) -> Result<Plan, ApiError> {
        let own: Vec<_> = self.drafts.iter().filter_map(|draft| draft.id).collect();
        let is_random = own.is_empty() && self.key.is_none();
        // Own ids first, and before anything is written: a request that is refused because of one
        // has used up no key, and no other event of its batch is there. A single event's row tells
        // as it is written.
        let reads = self.drafts.len() > 1 || self.key.is_some();
        let mut found = self.read(if reads { own } else { Vec::new() }).await?;
        for draft in self.drafts {
            draft.id.and_then(|id| found.get(&id)).map_or(Ok(()), |it| refuse_other(draft, it))?;
        }
        // Of the 80 random bits one less, so that counting up can't overflow.
        let new = EventId::new(self.now, rand::random::<u128>() >> 49);
        let first = match &self.key {
            Some(key) => self.put(key, new).await?,
            None => new,
        };
        let ids = self.ids(first);
        if first != new {
            let made = ids.iter().zip(self.drafts).filter(|(_, draft)| draft.id.is_none());
            found.extend(self.read(made.map(|(id, _)| *id).collect()).await?);
        }
        Ok(Plan { ids, accepted_at: first.time(), found, is_random })
    }

    /// The events, if the same request was accepted before: the log has all of them.
    pub(crate) async fn known(&self) -> Result<Option<Vec<LoggedEvent>>, ApiError> {
        let by_key = match &self.key {
            Some(key) => self.app.keys.find(self.access, key, self.now).await?,
            None => Known::New,
        };
        let ids = match by_key {
            Known::Same(first) => self.ids(first),
            Known::Other => return Ok(None),
            Known::New => self.drafts.iter().filter_map(|draft| draft.id).collect(),
        };
        if ids.len() < self.drafts.len() {
            return Ok(None);
        }
        let mut found = self.read(ids.clone()).await?;
        let same =
            |(draft, id): (&Draft, EventId)| found.remove(&id).filter(|logged| draft.is(logged));
        Ok(self.drafts.iter().zip(ids).map(same).collect())
    }

    /// Puts a key. The id of the first event that it stands for.
    async fn put(&self, key: &KeyOf, new: EventId) -> Result<EventId, ApiError> {
        let until = self.now + KEY_KEPT;
        match self.app.keys.put(self.access, key, new, until, self.now).await? {
            Known::New => Ok(new),
            Known::Same(first) => Ok(first),
            Known::Other => {
                Err(ApiError::unprocessable("this idempotency key was used with different content"))
            }
        }
    }

    /// The events' own ids; those of the others are consecutive.
    fn ids(&self, first: EventId) -> Vec<EventId> {
        let numbered = (0..).zip(self.drafts);
        numbered.map(|(place, draft)| draft.id.unwrap_or_else(|| first.nth(place))).collect()
    }

    async fn read(&self, ids: Vec<EventId>) -> Result<HashMap<EventId, LoggedEvent>, ApiError> {
        let found = self.app.events.get_many(self.access, ids, self.now).await?;
        Ok(found.into_iter().map(|logged| (logged.event.id, logged)).collect())
    }
}

/// 422 if an event of the log has other content than the one that has its id here.
pub(crate) fn refuse_other(draft: &Draft, logged: &LoggedEvent) -> Result<(), ApiError> {
    if draft.is(logged) {
        return Ok(());
    }
    Err(ApiError::unprocessable(format!(
        "there is already an event with the id `{}` and other content; leave `id` out to post \
            another event",
        logged.event.id
    )))
}

fn fingerprint(drafts: &[Draft]) -> Result<String, ApiError> {
    let content = serde_json::to_vec(drafts).map_err(|_| ApiError::unavailable())?;
    Ok(hex::encode(Sha256::digest(content)))
}
