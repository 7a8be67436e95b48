//! Rate limits: when a request may be made. Endpoints without a limit pay nothing for it.

use std::time::Duration;

use domain::{
    message::Message,
    model::{Endpoint, Status, Trigger},
    rate::{NEAR, RateSlot, SlotCheck, check_slot},
    time::Timestamp,
};
use runtime::clock::Clock;
use store::{StoreError, rates::RateStore};

/// What the limit says.
pub(crate) enum Pacing {
    /// Now: any wait is over.
    Now,
    /// Later, with this slot: after this wait.
    Later(RateSlot, Duration),
}

/// Spaces the requests of endpoints with a limit.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    pub(crate) slots: RateStore,
    pub(crate) clock: Clock,
}

impl RateLimiter {
    /// Waits for a near slot. Tests are not limited: a customer is waiting for the result.
    pub(crate) async fn pace(
        &self,
        endpoint: Option<&Endpoint>,
        message: &Message,
        number: u32,
    ) -> Result<Pacing, StoreError> {
        let active = |endpoint: &&Endpoint| {
            endpoint.status == Status::Active && message.trigger != Trigger::Test
        };
        let limited =
            endpoint.filter(active).and_then(|endpoint| Some((endpoint, endpoint.rate_limit?)));
        let Some((endpoint, limit)) = limited else { return Ok(Pacing::Now) };
        let reserved = message.reserved.filter(|slot| slot.is_under(limit));
        let slot = match check_slot(reserved, number, self.clock.now()) {
            SlotCheck::Good(slot) => slot,
            SlotCheck::Needed { passed } => {
                RateSlot { number, at: self.take(endpoint, limit).await?, passed, limit }
            }
        };
        let wait = slot.at.since(self.clock.now());
        if wait > NEAR {
            // Whole seconds, rounded down: the rest is waited here when it comes again.
            let whole = Duration::from_secs(wait.as_secs());
            return Ok(Pacing::Later(slot, whole));
        }
        tokio::time::sleep(wait).await;
        Ok(Pacing::Now)
    }

    async fn take(&self, endpoint: &Endpoint, limit: u16) -> Result<Timestamp, StoreError> {
        self.slots.take(endpoint.project, endpoint.id, limit, || self.clock.now()).await
    }
}
