//! A step of an hour's usage: it sums up what a project has accepted in it, shard by shard.

use domain::{
    id::{ProjectId, SHARDS},
    time::Timestamp,
    usage::closes_at,
};
use runtime::clock::Clock;
use store::usage::UsageReader;

use crate::outcome::{Next, StepError};

/// Sums up hours.
#[derive(Debug)]
pub(crate) struct Usages {
    pub(crate) hours: UsageReader,
    pub(crate) clock: Clock,
}

impl Usages {
    /// Sums up an hour that is over. A run whose time ends leaves the other shards to the next.
    pub(crate) async fn step(
        &self,
        project: ProjectId,
        hour: Timestamp,
    ) -> Result<Next, StepError> {
        if self.clock.now() < closes_at(hour) {
            return Ok(None);
        }
        let Some(done) = self.hours.shards_done(project, hour).await? else { return Ok(None) };
        for shard in done..SHARDS {
            self.hours.sum_shard(project, hour, shard).await?;
        }
        Ok(None)
    }
}
