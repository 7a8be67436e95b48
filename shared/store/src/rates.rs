//! Slots of endpoints with a rate limit: one small row each, with the first free slot (`tat`, the
//! theoretical arrival time of GCRA, in Unix microseconds) and the limit under which slots were
//! taken (`a_second`). A changed limit starts the slots again.
//!
//! A slot is taken by one conditional write, either behind those that are taken, or now, if all of
//! them have passed.

use aws_sdk_dynamodb::{
    operation::update_item::builders::UpdateItemFluentBuilder, types::ReturnValue,
};
use domain::{id::EndpointId, rate::interval, time::Timestamp};

use crate::{
    StoreError, Table,
    error::failed,
    item::{key, number},
    row_keys::{pk, sk},
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
        endpoint: EndpointId,
        limit: u16,
        now: impl Fn() -> Timestamp,
    ) -> Result<Timestamp, StoreError> {
        for _ in 0..TRIES {
            let now = now();
            let micros = now.millis().saturating_mul(1_000);
            let behind = self.update(endpoint, limit, now).update_expression(
                "SET tat = tat + :interval, a_second = :limit, expires_at = :expiry",
            );
            let behind = behind
                .condition_expression(
                    "tat >= :now AND (attribute_not_exists(a_second) OR a_second = :limit)",
                )
                .expression_attribute_values(":now", number(micros));
            let behind = behind.expression_attribute_values(":interval", number(interval(limit)));
            match behind
                .return_values(ReturnValue::UpdatedOld)
                .send()
                .await
                .map_err(failed("UpdateItem"))
            {
                Ok(output) => {
                    let taken = output
                        .attributes
                        .as_ref()
                        .and_then(|row| row.get("tat")?.as_n().ok()?.parse::<u64>().ok());
                    return taken
                        .map(|taken| Timestamp::from_millis(taken.div_ceil(1_000)))
                        .ok_or(StoreError::Damaged("an endpoint's slots"));
                }
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
            let at_once = self
                .update(endpoint, limit, now)
                .update_expression("SET tat = :next, a_second = :limit, expires_at = :expiry");
            let at_once = at_once.condition_expression(
                "attribute_not_exists(tat) OR tat < :now OR a_second <> :limit",
            );
            let at_once = at_once.expression_attribute_values(":now", number(micros));
            let at_once =
                at_once.expression_attribute_values(":next", number(micros + interval(limit)));
            match at_once.send().await.map_err(failed("UpdateItem")) {
                Ok(_) => return Ok(now),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Conflict)
    }

    fn update(&self, endpoint: EndpointId, limit: u16, now: Timestamp) -> UpdateItemFluentBuilder {
        let update = self
            .0
            .client
            .update_item()
            .table_name(&self.0.name)
            .set_key(Some(key(pk::endpoint(endpoint), sk::RATE)));
        let update = update.expression_attribute_values(":limit", number(limit.into()));
        update.expression_attribute_values(":expiry", number(now.seconds() + KEPT_SECONDS))
    }
}
