//! A project's automations.

use domain::{id::AutomationId, model::Automation, time::Timestamp};

use crate::{
    Access, Page, PageRequest, StoreError, Table,
    item::{item, key},
    list::{Listing, parse},
    project_config::next_version,
    row_keys::{pk, sk},
    table::Transaction,
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
        let row = item(pk::project(access.project()), sk::automation(automation.id), automation)?;
        self.with_subscription(access, self.0.transaction().put_new(row)?, automation)?
            .write()
            .await
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
        let row = item(pk::project(access.project()), sk::automation(automation.id), automation)?;
        let writes = self.0.transaction().put_revision(row)?;
        self.with_subscription(access, writes, automation)?.write().await
    }

    /// Adds what accepting events has to know of the automation, which is all of it.
    fn with_subscription<'a>(
        &self,
        access: Access,
        writes: Transaction<'a>,
        automation: &Automation,
    ) -> Result<Transaction<'a>, StoreError> {
        let project = access.project();
        let row = item(pk::subscriptions(project), sk::automation(automation.id), automation)?;
        writes.put(row)?.update(next_version(&self.0, project))
    }

    /// Deletes an automation. Whether it was there.
    pub async fn delete(&self, access: Access, id: AutomationId) -> Result<bool, StoreError> {
        let project = access.project();
        self.0
            .transaction()
            .delete_there(key(pk::project(project), sk::automation(id)))?
            .delete(key(pk::subscriptions(project), sk::automation(id)))?
            .update(next_version(&self.0, project))?
            .write_if()
            .await
    }
}
