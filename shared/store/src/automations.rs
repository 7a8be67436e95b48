//! A project's automations.

use crate::{
    Page, PageRequest, StoreError, Table,
    item::{item, key, project_pk},
    list::{Listing, parse},
};
use domain::{id::AutomationId, model::Automation, time::Timestamp};

use crate::Access;

/// Makes, reads, changes and deletes automations.
#[derive(Clone, Debug)]
pub struct AutomationStore(Table);

impl AutomationStore {
    /// Over the config table.
    pub fn new(config: Table) -> Self {
        Self(config)
    }

    /// Writes a new automation.
    pub async fn create(&self, access: Access, automation: &Automation) -> Result<(), StoreError> {
        self.0.put_new(item(project_pk(access.project()), sk(automation.id), automation)?).await
    }

    /// One automation of the project.
    pub async fn get(
        &self,
        access: Access,
        id: AutomationId,
    ) -> Result<Option<Automation>, StoreError> {
        self.0.get(key(project_pk(access.project()), sk(id))).await
    }

    /// A page of the project's automations that `keep` keeps.
    pub async fn list<F>(
        &self,
        access: Access,
        request: &PageRequest<AutomationId>,
        now: Timestamp,
        keep: F,
    ) -> Result<Page<Automation>, StoreError>
    where
        F: Fn(&Automation) -> bool,
    {
        let listing = Listing::new(&self.0, vec![project_pk(access.project())], "AUTO#auto_");
        let keep = &keep;
        listing.page(request, now, |row| async move { Ok(Some(parse(row)?).filter(keep)) }).await
    }

    /// Overwrites an automation that nobody has changed since it was read at `revision`;
    /// [`StoreError::Conflict`] otherwise.
    pub async fn replace(
        &self,
        access: Access,
        automation: &Automation,
        revision: u64,
    ) -> Result<(), StoreError> {
        self.0
            .put_revision(
                item(project_pk(access.project()), sk(automation.id), automation)?,
                revision,
            )
            .await
    }

    /// Deletes an automation. Whether it was there.
    pub async fn delete(&self, access: Access, id: AutomationId) -> Result<bool, StoreError> {
        self.0.delete_if_there(key(project_pk(access.project()), sk(id))).await
    }
}

fn sk(id: AutomationId) -> String {
    format!("AUTO#{id}")
}
