//! Projects: create, list, read, change.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use shared::{
    auth::Caller,
    http::{ApiError, Body, listed, page_request},
    id::ProjectId,
    model::{Project, project::MAX_NAME},
    time::Timestamp,
};

use crate::App;

/// The longest brand: it becomes part of header names.
const MAX_BRAND: usize = 40;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewProject {
    name: String,
    #[serde(default)]
    brand: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProjectChanges {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    brand: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ProjectView {
    id: ProjectId,
    object: &'static str,
    name: String,
    brand: String,
    created_at: u64,
}

impl ProjectView {
    fn of(project: Project, brand: &str) -> Self {
        Self {
            id: project.id,
            object: "project",
            name: project.name,
            brand: project.brand.unwrap_or_else(|| brand.to_owned()),
            created_at: project.created_at.seconds(),
        }
    }
}

pub(crate) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(input): Body<NewProject>,
) -> Result<(StatusCode, Json<ProjectView>), ApiError> {
    caller.operator()?;
    let now = Timestamp::now();
    let project = Project {
        id: ProjectId::new(now, rand::random()),
        name: checked_name(input.name)?,
        brand: input.brand.map(checked_brand).transpose()?,
        created_at: now,
    };
    app.projects.create(&project).await?;
    Ok((StatusCode::CREATED, Json(ProjectView::of(project, &app.brand))))
}

pub(crate) async fn list(State(app): State<Arc<App>>, caller: Caller, uri: Uri) -> Result<Response, ApiError> {
    caller.operator()?;
    let (request, params) = page_request::<ProjectId>(uri.query(), &[])?;
    let page = app.projects.list(&request, Timestamp::now()).await?;
    let page = page.map(|project| ProjectView::of(project, &app.brand));
    Ok(listed(uri.path(), &params, &request, &page, |view| view.id.to_string()))
}

pub(crate) async fn read(State(app): State<Arc<App>>, caller: Caller, Path(id): Path<String>) -> Result<Json<ProjectView>, ApiError> {
    caller.operator()?;
    Ok(Json(ProjectView::of(app.find(&id).await?, &app.brand)))
}

pub(crate) async fn change(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Body(input): Body<ProjectChanges>,
) -> Result<Json<ProjectView>, ApiError> {
    caller.operator()?;
    let old = app.find(&id).await?;
    let project = Project {
        name: input.name.map_or(Ok(old.name), checked_name)?,
        brand: input.brand.map(checked_brand).transpose()?.or(old.brand),
        ..old
    };
    app.projects.update(&project).await?;
    Ok(Json(ProjectView::of(project, &app.brand)))
}

impl App {
    pub(crate) async fn find(&self, id: &str) -> Result<Project, ApiError> {
        let id = id.parse().map_err(|_| ApiError::not_found("project"))?;
        self.project.get(id).await?.ok_or_else(|| ApiError::not_found("project"))
    }
}

fn checked_name(name: String) -> Result<String, ApiError> {
    if name.trim().is_empty() || name.chars().count() > MAX_NAME {
        return Err(ApiError::validation("name", format!("must be 1 to {MAX_NAME} characters")));
    }
    Ok(name)
}

fn checked_brand(brand: String) -> Result<String, ApiError> {
    let token = brand.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !token || brand.is_empty() || brand.len() > MAX_BRAND || brand.starts_with('-') || brand.ends_with('-') {
        return Err(ApiError::validation(
            "brand",
            format!("must be 1 to {MAX_BRAND} letters, digits and inner hyphens: it is part of header names"),
        ));
    }
    Ok(brand)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brand_must_fit_into_a_header_name() {
        for (brand, fits) in [("Acme", true), ("Acme-Pay2", true), ("", false), ("-a", false), ("a b", false), ("Ä", false), ("a:b", false)]
        {
            assert_eq!(checked_brand(brand.to_owned()).is_ok(), fits, "{brand:?}");
        }
    }
}
