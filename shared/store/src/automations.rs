//! A project's automations.

use domain::{id::AutomationId, model::Automation, time::Timestamp};

use crate::{
    Access, Page, PageRequest, StoreError, Table,
    item::key,
    list::{Listing, parse},
    project_rows::ProjectRows,
    row_keys::{pk, sk},
};

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
        let sk = sk::automation(automation.id);
        // Accepting events has to know all of it.
        ProjectRows::new(&self.0, access.project(), sk).create(automation, automation).await
    }

    /// One automation of the project.
    pub async fn get(
        &self,
        access: Access,
        id: AutomationId,
    ) -> Result<Option<Automation>, StoreError> {
        self.0.get(key(pk::project(access.project()), sk::automation(id))).await
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
        let listing = Listing::new(&self.0, vec![pk::project(access.project())], sk::AUTOMATIONS);
        let keep = &keep;
        listing.page(request, now, |row| async move { Ok(Some(parse(row)?).filter(keep)) }).await
    }

    /// Overwrites an automation that is unchanged since it was read at its revision, and counts the
    /// revision up; [`StoreError::Conflict`] otherwise.
    pub async fn replace(&self, access: Access, automation: &Automation) -> Result<(), StoreError> {
        let sk = sk::automation(automation.id);
        ProjectRows::new(&self.0, access.project(), sk).replace(automation, automation).await
    }

    /// Deletes an automation. Whether it was there.
    pub async fn delete(&self, access: Access, id: AutomationId) -> Result<bool, StoreError> {
        ProjectRows::new(&self.0, access.project(), sk::automation(id)).delete().await
    }
}
