//! Steps: what a run does about a row.

use std::sync::Arc;

use domain::time::Timestamp;
use store::{delivery_rows::DeliveryKey, due::DueRow};

use crate::{
    backlog::Backlog,
    circuit::Circuits,
    news::News,
    outcome::{AHEAD, Next, StepError},
    recovery::Recoveries,
    usage::Usages,
};

/// Does the steps of everything that is due.
#[derive(Debug)]
pub(crate) struct Steps {
    pub(crate) backlog: Arc<Backlog>,
    pub(crate) circuits: Circuits,
    pub(crate) recoveries: Recoveries,
    pub(crate) news: News,
    pub(crate) usages: Usages,
}

impl Steps {
    /// Does the step that a row names, if it is due.
    pub(crate) async fn take(&self, row: DueRow) -> Result<Next, StepError> {
        match row {
            DueRow::Circuit(project, endpoint) => {
                Box::pin(self.circuits.step(project, endpoint)).await
            }
            DueRow::Recovery(project, endpoint, id) => {
                Box::pin(self.recoveries.step(project, endpoint, id)).await
            }
            DueRow::Usage(project, hour) => Box::pin(self.usages.step(project, hour)).await,
            DueRow::Report(report) => Box::pin(self.news.step(report)).await,
            DueRow::Delivery(project, event, endpoint) => {
                let before = self.backlog.clock.now() + AHEAD;
                self.send_due(&[DeliveryKey { project, event, endpoint }], before).await?;
                Ok(None)
            }
        }
    }

    /// Has those of these deliveries sent that are due before then.
    pub(crate) async fn send_due(
        &self,
        keys: &[DeliveryKey],
        before: Timestamp,
    ) -> Result<usize, StepError> {
        Box::pin(self.backlog.send_due(keys, before)).await
    }
}
