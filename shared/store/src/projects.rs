//! Projects. A project stands twice: in its own partition, where each event's one Query finds it,
//! and in the operator's list.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use domain::{
    id::ProjectId,
    model::{Project, project::ProjectSecret},
    time::Timestamp,
};

use crate::{
    Page, PageRequest, StoreError, Table,
    error::{failed, is_contended},
    item::{Item, item, key, number},
    list::{Listing, parse},
    row_keys::{pk, sk},
    secrets,
};

/// Reads one project: what authentication needs to let the operator act for it.
#[derive(Clone, Debug)]
pub struct ProjectReader(Table);

impl ProjectReader {
    /// Over the config table.
    pub fn new(config: Table) -> Self {
        Self(config)
    }

    /// The project, if it exists.
    pub async fn get(&self, id: ProjectId) -> Result<Option<Project>, StoreError> {
        self.0.get(key(pk::project(id), sk::PROJECT)).await
    }
}

/// Makes, changes and lists projects: the operator's own.
#[derive(Clone, Debug)]
pub struct ProjectStore(Table);

impl ProjectStore {
    /// Over the config table.
    pub fn new(config: Table) -> Self {
        Self(config)
    }

    /// Writes a new project with its secret.
    pub async fn create(
        &self,
        project: &Project,
        secret: &ProjectSecret,
    ) -> Result<(), StoreError> {
        let mut items = rows(project)?;
        items.push(secrets::row(project.id, secret)?);
        self.write(items, "attribute_not_exists(pk)", None).await
    }

    /// Overwrites a project that is unchanged since it was read at `revision`;
    /// [`StoreError::Conflict`] otherwise.
    pub async fn replace(&self, project: &Project, revision: u64) -> Result<(), StoreError> {
        let value = (":revision".to_owned(), number(revision));
        self.write(rows(project)?, "revision = :revision", Some(value)).await
    }

    /// A page of all projects.
    pub async fn list(
        &self,
        request: &PageRequest<ProjectId>,
        now: Timestamp,
    ) -> Result<Page<Project>, StoreError> {
        let listing = Listing::new(&self.0, vec![pk::PROJECTS.to_owned()], ProjectId::PREFIX);
        listing.page(request, now, |row| async move { parse(row).map(Some) }).await
    }

    /// All or none, and a conflict also while another transaction writes one of them.
    async fn write(
        &self,
        items: Vec<Item>,
        condition: &str,
        value: Option<(String, AttributeValue)>,
    ) -> Result<(), StoreError> {
        let values = value.map(|value| HashMap::from([value]));
        let put = |item: Item| {
            let put = Put::builder()
                .table_name(&self.0.name)
                .set_item(Some(item))
                .condition_expression(condition);
            let put = put.set_expression_attribute_values(values.clone()).build();
            put.map(|put| TransactWriteItem::builder().put(put).build())
                .map_err(|_| StoreError::Damaged("no item to put"))
        };
        let puts = items.into_iter().map(put).collect::<Result<Vec<_>, _>>()?;
        match self.0.client.transact_write_items().set_transact_items(Some(puts)).send().await {
            Ok(_) => Ok(()),
            Err(error) if is_contended(&error) => Err(StoreError::Conflict),
            Err(error) => Err(failed("TransactWriteItems")(error)),
        }
    }
}

/// A project in both of its places.
fn rows(project: &Project) -> Result<Vec<Item>, StoreError> {
    Ok(vec![
        item(pk::project(project.id), sk::PROJECT, project)?,
        item(pk::PROJECTS, sk::id(project.id), project)?,
    ])
}
