//! Slots of endpoints with a rate limit: one small row each, with the first free slot (`tat`, the
//! theoretical arrival time of GCRA, in Unix microseconds) and the limit under which slots were
//! taken (`a_second`). A changed limit starts the slots again.
//!
//! A slot is taken by one conditional write, either behind those that are taken, or now, if all of
//! them have passed.

use aws_sdk_dynamodb::types::ReturnValue;
use domain::{
    id::{EndpointId, ProjectId},
    rate::interval,
    time::Timestamp,
};

use crate::{
    StoreError, Table,
    item::{Item, key, number},
    row_keys::{pk, sk},
    table::Update,
};

/// How often it is tried: each try fails only if the row has gone from one case to the other in
/// between.
const TRIES: u32 = 6;
/// A row that was not used for this long expires.
const KEPT_SECONDS: u64 = 30 * 86_400;

/// Gives out slots.
#[derive(Clone, Debug)]
pub struct RateStore(Table);

impl RateStore {
    /// Over the log table.
    pub fn new(log: Table) -> Self {
        Self(log)
    }

    /// The next free slot of an endpoint that takes `limit` deliveries a second. One call if other
    /// deliveries wait, two if none does.
    pub async fn take(
        &self,
        project: ProjectId,
        endpoint: EndpointId,
        limit: u16,
        now: impl Fn() -> Timestamp,
    ) -> Result<Timestamp, StoreError> {
        let row = key(pk::endpoint_log(project, endpoint), sk::RATE);
        for _ in 0..TRIES {
            let now = now();
            let behind = self
                .update(
                    row.clone(),
                    "SET tat = tat + :interval, a_second = :limit, expires_at = :expiry",
                    "tat >= :now AND (attribute_not_exists(a_second) OR a_second = :limit)",
                    limit,
                    now,
                )
                .value(":interval", number(interval(limit)));
            match behind.returning(ReturnValue::UpdatedOld).await {
                Ok(row) => {
                    let taken = row.get("tat").and_then(|tat| tat.as_n().ok()?.parse::<u64>().ok());
                    return taken
                        .map(|taken| Timestamp::from_millis(taken.div_ceil(1_000)))
                        .ok_or(StoreError::Damaged("an endpoint's slots"));
                }
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
            let at_once = self
                .update(
                    row.clone(),
                    "SET tat = :next, a_second = :limit, expires_at = :expiry",
                    "attribute_not_exists(tat) OR tat < :now OR a_second <> :limit",
                    limit,
                    now,
                )
                .value(":next", number(micros(now) + interval(limit)));
            if at_once.make_if().await? {
                return Ok(now);
            }
        }
        Err(StoreError::Conflict)
    }

    fn update(
        &self,
        row: Item,
        change: &str,
        condition: &str,
        limit: u16,
        now: Timestamp,
    ) -> Update {
        self.0.update(row, change).when(condition).values([
            (":now", number(micros(now))),
            (":limit", number(limit.into())),
            (":expiry", number(now.seconds() + KEPT_SECONDS)),
        ])
    }
}

fn micros(time: Timestamp) -> u64 {
    time.millis().saturating_mul(1_000)
}
