//! Who runs background work: one invocation at a time.

use domain::time::Timestamp;

use crate::{
    StoreError, Table,
    item::{key, number},
    row_keys::{pk, sk},
};

/// The lease of a run.
#[derive(Clone, Debug)]
pub struct RunLease(Table);

impl RunLease {
    /// Over the state table.
    pub fn new(state: Table) -> Self {
        Self(state)
    }

    /// Takes the lease until then, or holds it for longer. `holder` is random, and another for each
    /// run. Whether it is this run's.
    pub async fn hold(
        &self,
        holder: u64,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let free = "attribute_not_exists(pk) OR run_until <= :now OR holder = :holder";
        let values = [
            (":now", number(now.millis())),
            (":until", number(until.millis())),
            (":holder", number(holder)),
        ];
        let change = "SET run_until = :until, holder = :holder";
        let update = self.0.update(key(pk::RUNS, sk::RUN), change).when(free).values(values);
        Box::pin(update.make_if()).await
    }

    /// Gives the lease back, if this run has it.
    pub async fn give_back(&self, holder: u64) -> Result<(), StoreError> {
        let values = [(":holder", number(holder)), (":never", number(0))];
        let change = self.0.update(key(pk::RUNS, sk::RUN), "SET run_until = :never");
        Box::pin(change.when("holder = :holder").values(values).make_if()).await.map(drop)
    }
}
