//! Idempotency: which of the posted events were posted before.
//!
//! A claim is a key and the events that it covers: the request's `Idempotency-Key` covers all of
//! them, and an event's own id covers that event. Each claim takes a lease (see
//! [`store::leases`]) with a plan of the ids and time that its events will have.

use std::time::Duration;

use api::ApiError;
use domain::{id::EventId, time::Timestamp};
use futures::future::{join_all, try_join_all};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::{
    Access, StoreError,
    leases::{LEASE_SECONDS, Lease, LeaseRequest, Leases},
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
    held: Vec<Held>,
}

/// A lease that the request holds.
struct Held {
    key: String,
    holder: u64,
    /// Whether an earlier request had it, which may have enqueued its events.
    taken_over: bool,
}

impl Claims {
    /// Takes all leases, and tells for each draft what is planned. 409 while another request is at
    /// one of them, 422 when one was used for something else; then none is kept. `retention` is how
    /// long an event's own id is remembered.
    pub(crate) async fn take(
        leases: &Leases,
        access: Access,
        drafts: &[Draft],
        key: Option<String>,
        retention: Duration,
        now: Timestamp,
    ) -> Result<(Self, Vec<Planned>), ApiError> {
        let mut planned = fresh(drafts, now);
        let mut this = Self { access, leases: leases.clone(), held: Vec::new() };
        // One after the other: two requests with the same key and id would else hold one each, and
        // both be refused.
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

    async fn take_all(
        &mut self,
        claims: &[Claim],
        planned: &mut [Planned],
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let holders: Vec<u64> = claims.iter().map(|_| rand::random()).collect();
        let found = join_all(claims.iter().zip(&holders).map(|(claim, holder)| async {
            let events = &planned[claim.events.clone()];
            let plan = encode(&Plan {
                ids: events.iter().map(|event| event.id).collect(),
                accepted_at: now,
            })?;
            let (key, fingerprint) = (&claim.key, &claim.fingerprint);
            let wanted =
                LeaseRequest { key, fingerprint, plan: &plan, kept: claim.kept, holder: *holder };
            Ok::<_, ApiError>(self.leases.take(self.access, wanted, now).await?)
        }))
        .await;
        let taken = claims.iter().zip(holders).zip(&found);
        self.held.extend(
            taken.filter_map(|((claim, holder), lease)| {
                Held::of(claim, holder, lease.as_ref().ok()?)
            }),
        );
        for (claim, lease) in claims.iter().zip(found) {
            let (plan, state) = match lease? {
                Lease::Taken => continue,
                Lease::TakenOver(plan) => (plan, State::Unsure),
                Lease::Done(plan) => (plan, State::Done),
                Lease::Busy => {
                    return Err(ApiError::busy(
                        "a request with this idempotency key or id is still in progress",
                        1,
                    ));
                }
                Lease::Mismatch => {
                    return Err(ApiError::unprocessable(
                        "this idempotency key or id was used with different content",
                    ));
                }
            };
            let plan = decode(&plan).filter(|plan| plan.ids.len() == claim.events.len());
            let plan = plan.ok_or(StoreError::Damaged("an idempotency plan"))?;
            for (event, id) in planned[claim.events.clone()].iter_mut().zip(plan.ids) {
                *event = Planned { id, accepted_at: plan.accepted_at, state };
            }
        }
        Ok(())
    }

    /// All is done: from now on the same request gets the same answer. Should this fail, the leases
    /// lapse within [`LEASE_SECONDS`] and the same request does all again, with the same ids;
    /// deliveries that were made are not made again.
    pub(crate) async fn finish(self) {
        if let Err(error) =
            try_join_all(self.held.iter().map(|held| self.leases.finish(self.access, &held.key)))
                .await
        {
            tracing::warn!(%error, lapse_seconds = LEASE_SECONDS, "could not finish an \
                idempotency lease");
        }
    }

    /// It failed: lets the leases lapse now, so that a repeat can take over at once.
    pub(crate) async fn give_up(self) {
        if let Err(error) = try_join_all(
            self.held.iter().map(|held| self.leases.give_up(self.access, &held.key, held.holder)),
        )
        .await
        {
            tracing::warn!(%error, lapse_seconds = LEASE_SECONDS, "could not give up an \
                idempotency lease");
        }
    }

    /// Releases all leases of a request that was refused before it did anything.
    pub(crate) async fn abandon(self) {
        if let Err(error) = try_join_all(self.held.iter().map(|held| self.let_go(held))).await {
            tracing::warn!(%error, lapse_seconds = LEASE_SECONDS, "could not abandon an \
                idempotency lease");
        }
    }

    /// A key that was free is free again, for any content. A key that was taken over is not: an
    /// earlier request may have enqueued what it planned, and the next request must know.
    async fn let_go(&self, held: &Held) -> Result<(), StoreError> {
        let Held { key, holder, taken_over } = held;
        if *taken_over {
            self.leases.give_up(self.access, key, *holder).await
        } else {
            self.leases.abandon(self.access, key, *holder).await
        }
    }
}

impl Held {
    fn of(claim: &Claim, holder: u64, lease: &Lease) -> Option<Self> {
        let taken_over = match lease {
            Lease::Taken => false,
            Lease::TakenOver(_) => true,
            Lease::Done(_) | Lease::Busy | Lease::Mismatch => return None,
        };
        Some(Self { key: claim.key.clone(), holder, taken_over })
    }
}

/// New ids in the order of the drafts: of one moment, and consecutive.
fn fresh(drafts: &[Draft], now: Timestamp) -> Vec<Planned> {
    // Of the 80 random bits, one less, so that counting up can't overflow.
    let base = rand::random::<u128>() >> 49;
    let number = |place: usize| base + place as u128;
    let new = |(place, draft): (usize, &Draft)| {
        draft.id.unwrap_or_else(|| EventId::new(now, number(place)))
    };
    drafts
        .iter()
        .enumerate()
        .map(new)
        .map(|id| Planned { id, accepted_at: now, state: State::New })
        .collect()
}

/// The claim of an `Idempotency-Key`: on all events.
fn by_key(drafts: &[Draft], key: Option<String>) -> Result<Vec<Claim>, ApiError> {
    let claim = |key| {
        let fingerprint = fingerprint(drafts)?;
        Ok(Claim {
            key: format!("key:{key}"),
            fingerprint,
            events: 0..drafts.len(),
            kept: KEY_KEPT,
        })
    };
    key.into_iter().map(claim).collect()
}

/// The claims of the events' own ids.
fn by_id(drafts: &[Draft], retention: Duration) -> Result<Vec<Claim>, ApiError> {
    let with_id =
        drafts.iter().enumerate().filter_map(|(place, draft)| draft.id.map(|id| (place, id)));
    with_id
        .map(|(place, id)| {
            let fingerprint = fingerprint(&drafts[place..=place])?;
            Ok(Claim {
                key: format!("id:{id}"),
                fingerprint,
                events: place..place + 1,
                kept: retention,
            })
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

#[cfg(test)]
mod tests {
    use emulator::testing::AwsStandIn;
    use runtime::clock;
    use serde_json::value::RawValue;
    use store::Table;

    use super::*;

    struct Started {
        _aws: AwsStandIn,
        leases: Leases,
    }

    async fn start() -> Started {
        let aws = AwsStandIn::start().await;
        let dynamodb = aws_sdk_dynamodb::Client::new(&aws.sdk_config());
        let leases = Leases::new(Table::new(dynamodb, aws.table_name("LogTable")));
        Started { _aws: aws, leases }
    }

    impl Started {
        async fn take(
            &self,
            drafts: &[Draft],
            key: Option<&str>,
        ) -> Result<(Claims, Vec<Planned>), ApiError> {
            self.take_at(drafts, key, clock::now()).await
        }

        async fn take_at(
            &self,
            drafts: &[Draft],
            key: Option<&str>,
            now: Timestamp,
        ) -> Result<(Claims, Vec<Planned>), ApiError> {
            let access = Access::of_project(&emulator::samples::project().unwrap());
            Claims::take(&self.leases, access, drafts, key.map(str::to_owned), KEY_KEPT, now).await
        }
    }

    fn event(data: &str) -> Draft {
        Draft {
            kind: "task.created".parse().unwrap(),
            data: RawValue::from_string(data.to_owned()).unwrap(),
            id: None,
            user_id: None,
            worker_id: None,
            webhook_url: None,
            metadata: None,
            created_at: None,
        }
    }

    fn with_id(number: u128, data: &str) -> Draft {
        Draft { id: Some(EventId::new(Timestamp::from_seconds(1), number)), ..event(data) }
    }

    #[tokio::test]
    async fn a_refused_request_frees_the_ids_that_were_free_and_no_others() {
        let started = start().await;
        let [failed, free, busy] = [1, 2, 3].map(|number| with_id(number, "1"));
        started.take(std::slice::from_ref(&failed), None).await.unwrap().0.give_up().await;
        let _at_it = started.take(std::slice::from_ref(&busy), None).await.unwrap();
        assert!(started.take(&[failed.clone(), free, busy], None).await.is_err());

        let (_, planned) = started.take(&[failed, with_id(2, "2")], None).await.unwrap();
        assert_eq!([planned[0].state, planned[1].state], [State::Unsure, State::New]);
    }

    #[tokio::test]
    async fn a_refused_request_leaves_the_key_that_it_took_over_its_plan() {
        let started = start().await;
        let batch = [event("1"), with_id(1, "1"), event("2")];
        let (first, planned) = started.take(&batch, Some("k")).await.unwrap();
        first.give_up().await;
        let (at_it, _) = started.take(&batch[1..2], None).await.unwrap();
        assert!(started.take(&batch, Some("k")).await.is_err());
        at_it.give_up().await;

        let (_, again) = started.take(&batch, Some("k")).await.unwrap();
        let unsure: Vec<_> =
            planned.into_iter().map(|event| Planned { state: State::Unsure, ..event }).collect();
        assert_eq!(again, unsure);
    }

    #[tokio::test]
    async fn a_lease_that_has_become_anothers_is_not_freed() {
        let started = start().await;
        let batch = [event("1")];
        let a_minute_ago = Timestamp::from_seconds(clock::now().seconds() - 60);
        for gives_up in [true, false] {
            let key = Some(if gives_up { "given up" } else { "abandoned" });
            let (late, _) = started.take_at(&batch, key, a_minute_ago).await.unwrap();
            let (_at_it, _) = started.take(&batch, key).await.unwrap();
            if gives_up {
                late.give_up().await;
            } else {
                late.abandon().await;
            }
            let Err(refused) = started.take(&batch, key).await else {
                panic!("{key:?}: two are at it")
            };
            assert_eq!(refused.status(), 409);
        }
    }
}
