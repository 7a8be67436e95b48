//! Steps: what a run does about a row.

use store::due::DueRow;

use crate::{
    circuit::Circuits,
    outcome::{Next, StepError},
    recovery::Recoveries,
};

/// Does the steps of everything that is due.
#[derive(Debug)]
pub(crate) struct Steps {
    pub(crate) circuits: Circuits,
    pub(crate) recoveries: Recoveries,
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
        }
    }
}
