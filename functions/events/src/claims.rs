//! Idempotency: which of the posted events were posted before.
//!
//! A claim is a key and the events that it covers: the request's `Idempotency-Key` covers all of them, and an event's own id covers that event. Each claim
//! takes a lease (see [`shared::store::leases`]) with a plan of the ids and time that its events will have.

use std::time::Duration;

use futures::future::{join_all, try_join_all};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shared::{
    auth::Access,
    http::ApiError,
    id::EventId,
    store::{
        StoreError,
        leases::{LEASE_SECONDS, Lease, Leases, Wanted},
    },
    time::Timestamp,
};

use crate::input::Draft;

/// What was decided about one event: its id and time, and whether it is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) id: EventId,
    pub(crate) accepted_at: Timestamp,
    pub(crate) state: State,
}

/// Whether an event is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It is.
    New,
    /// A request that died may have enqueued it.
    Unsure,
    /// It was accepted before.
    Done,
}

/// How long an `Idempotency-Key` is remembered: a day, as producers' retries go.
const KEY_KEPT: Duration = Duration::from_hours(24);

#[derive(Serialize, Deserialize)]
struct Plan {
    ids: Vec<EventId>,
    accepted_at: Timestamp,
}

struct Claim {
    key: String,
    fingerprint: String,
    events: std::ops::Range<usize>,
    kept: Duration,
}

/// The leases of one request.
pub(crate) struct Claims {
    access: Access,
    leases: Leases,
    taken: Vec<String>,
}

impl Claims {
    /// Takes all leases, and tells for each draft what is planned. 409 while another request is at one of them, 422 when one was used for
    /// something else; then none is kept. `retention` is how long an event's own id is remembered.
    pub(crate) async fn take(
        leases: &Leases,
        access: Access,
        drafts: &[Draft],
        key: Option<String>,
        retention: Duration,
        now: Timestamp,
    ) -> Result<(Self, Vec<Planned>), ApiError> {
        let mut planned = fresh(drafts, now);
        let mut this = Self { access, leases: leases.clone(), taken: Vec::new() };
        // One after the other: two requests with the same key and id would else hold one each, and both be refused.
        for claims in [by_key(drafts, key)?, by_id(drafts, retention)?] {
            if let Err(error) = this.take_all(&claims, &mut planned, now).await {
                this.abandon().await;
                return Err(error);
            }
            if planned.iter().all(|event| event.state == State::Done) {
                break;
            }
        }
        Ok((this, planned))
    }

    async fn take_all(&mut self, claims: &[Claim], planned: &mut [Planned], now: Timestamp) -> Result<(), ApiError> {
        let found = join_all(claims.iter().map(|claim| async {
            let events = &planned[claim.events.clone()];
            let plan = encode(&Plan { ids: events.iter().map(|event| event.id).collect(), accepted_at: now })?;
            let (key, fingerprint) = (&claim.key, &claim.fingerprint);
            let wanted = Wanted { key, fingerprint, plan: &plan, kept: claim.kept, holder: rand::random() };
            Ok::<_, ApiError>(self.leases.take(self.access, wanted, now).await?)
        }))
        .await;
        let held = |lease: &Result<Lease, ApiError>| matches!(lease, Ok(Lease::Taken | Lease::TakenOver(_)));
        self.taken.extend(claims.iter().zip(&found).filter(|(_, lease)| held(lease)).map(|(claim, _)| claim.key.clone()));
        for (claim, lease) in claims.iter().zip(found) {
            let (plan, state) = match lease? {
                Lease::Taken => continue,
                Lease::TakenOver(plan) => (plan, State::Unsure),
                Lease::Done(plan) => (plan, State::Done),
                Lease::Busy => return Err(ApiError::busy("a request with this idempotency key or id is under way", 1)),
                Lease::Mismatch => return Err(ApiError::unprocessable("this idempotency key or id was used with other content")),
            };
            let plan = decode(&plan).filter(|plan| plan.ids.len() == claim.events.len());
            let plan = plan.ok_or(StoreError::Damaged("an idempotency plan"))?;
            for (event, id) in planned[claim.events.clone()].iter_mut().zip(plan.ids) {
                *event = Planned { id, accepted_at: plan.accepted_at, state };
            }
        }
        Ok(())
    }

    /// All is done: from now on the same request gets the same answer. Should this fail, the leases lapse within [`LEASE_SECONDS`] and the same request
    /// does all again, with the same ids; deliveries that were made are not made again.
    pub(crate) async fn finish(self) {
        if let Err(error) = try_join_all(self.taken.iter().map(|key| self.leases.finish(self.access, key))).await {
            tracing::warn!(%error, lapse_seconds = LEASE_SECONDS, "could not finish an idempotency lease");
        }
    }

    /// It failed: lets the leases lapse now, so that a repeat can take over at once.
    pub(crate) async fn give_up(self) {
        if let Err(error) = try_join_all(self.taken.iter().map(|key| self.leases.give_up(self.access, key))).await {
            tracing::warn!(%error, lapse_seconds = LEASE_SECONDS, "could not give up an idempotency lease");
        }
    }

    /// Nothing was done under these leases, so their keys are free for other content.
    async fn abandon(self) {
        if let Err(error) = try_join_all(self.taken.iter().map(|key| self.leases.abandon(self.access, key))).await {
            tracing::warn!(%error, lapse_seconds = LEASE_SECONDS, "could not abandon an idempotency lease");
        }
    }
}

/// New ids in the order of the drafts: of one moment, and consecutive.
fn fresh(drafts: &[Draft], now: Timestamp) -> Vec<Planned> {
    // Of the 80 random bits, one less, so that counting up can't overflow.
    let base = rand::random::<u128>() >> 49;
    let number = |place: usize| base + place as u128;
    let new = |(place, draft): (usize, &Draft)| draft.id.unwrap_or_else(|| EventId::new(now, number(place)));
    drafts.iter().enumerate().map(new).map(|id| Planned { id, accepted_at: now, state: State::New }).collect()
}

/// The claim of an `Idempotency-Key`: on all events.
fn by_key(drafts: &[Draft], key: Option<String>) -> Result<Vec<Claim>, ApiError> {
    let claim = |key| {
        let fingerprint = fingerprint(drafts)?;
        Ok(Claim { key: format!("key:{key}"), fingerprint, events: 0..drafts.len(), kept: KEY_KEPT })
    };
    key.into_iter().map(claim).collect()
}

/// The claims of the events' own ids.
fn by_id(drafts: &[Draft], retention: Duration) -> Result<Vec<Claim>, ApiError> {
    let with_id = drafts.iter().enumerate().filter_map(|(place, draft)| draft.id.map(|id| (place, id)));
    with_id
        .map(|(place, id)| {
            let fingerprint = fingerprint(&drafts[place..=place])?;
            Ok(Claim { key: format!("id:{id}"), fingerprint, events: place..place + 1, kept: retention })
        })
        .collect()
}

fn fingerprint(drafts: &[Draft]) -> Result<String, ApiError> {
    let content = serde_json::to_vec(drafts).map_err(|_| ApiError::unavailable())?;
    Ok(hex::encode(Sha256::digest(content)))
}

fn encode(plan: &Plan) -> Result<String, ApiError> {
    serde_json::to_string(plan).map_err(|_| ApiError::unavailable())
}

fn decode(text: &str) -> Option<Plan> {
    serde_json::from_str(text).ok()
}
