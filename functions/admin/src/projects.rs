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
    auth::{Access, Caller},
    http::{ApiError, Body, Field, given, listed, page_request},
    id::ProjectId,
    model::{
        Project,
        project::{MAX_NAME, ProjectSecret},
    },
    shape::BodyShape,
    signing::{Secret, SignatureStyle, compatible},
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
    #[serde(default)]
    signatures: Option<Vec<SignatureStyle>>,
    #[serde(default)]
    body: Option<BodyShape>,
}

/// What isn't named stays; null sets back to the default.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ProjectChanges {
    name: Option<String>,
    #[serde(deserialize_with = "given")]
    brand: Field<String>,
    #[serde(deserialize_with = "given")]
    signatures: Field<Vec<SignatureStyle>>,
    #[serde(deserialize_with = "given")]
    body: Field<BodyShape>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ProjectView {
    id: ProjectId,
    object: &'static str,
    name: String,
    brand: String,
    /// How requests are signed where an endpoint doesn't say.
    signatures: Vec<SignatureStyle>,
    /// What bodies look like where an endpoint doesn't say; null is `event` for endpoints, and `data` for URLs without one.
    body: Option<BodyShape>,
    created_at: u64,
}

impl ProjectView {
    fn of(project: Project, brand: &str) -> Self {
        Self {
            id: project.id,
            object: "project",
            signatures: project.default_signatures(),
            body: project.body,
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
        brand: input.brand.map(checked_brand).transpose()?,
        signatures: input.signatures.map(checked_styles).transpose()?,
        body: input.body,
        ..Project::new(ProjectId::new(now, rand::random()), checked_name(input.name)?, now)
    };
    let secret = ProjectSecret::new(&Secret::new(rand::random()), project.id, &app.vault, rand::random())?;
    app.projects.create(&project, &secret).await?;
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
    let brand = input.brand.map(|brand| brand.map(checked_brand).transpose()).transpose()?;
    let signatures = input.signatures.map(|styles| styles.map(checked_styles).transpose()).transpose()?;
    let project = Project {
        name: input.name.map_or(Ok(old.name), checked_name)?,
        brand: brand.unwrap_or(old.brand),
        signatures: signatures.unwrap_or(old.signatures),
        body: input.body.unwrap_or(old.body),
        ..old
    };
    app.check_secret(&project).await?;
    app.projects.update(&project).await?;
    Ok(Json(ProjectView::of(project, &app.brand)))
}

impl App {
    pub(crate) async fn find(&self, id: &str) -> Result<Project, ApiError> {
        let id = id.parse().map_err(|_| ApiError::not_found("project"))?;
        self.project.get(id).await?.ok_or_else(|| ApiError::not_found("project"))
    }

    /// The project's secret must do for its default styles.
    async fn check_secret(&self, project: &Project) -> Result<(), ApiError> {
        let secret = self.secrets.get(Access::trusted(project.id)).await?;
        let decodable = secret.is_none_or(|secret| secret.decodable);
        match project.default_signatures().into_iter().find(|style| style.decodes_secret() && !decodable) {
            Some(style) => {
                let message = format!("`{}` needs a secret in base64, and the project's is another: rotate it first", style.name());
                Err(ApiError::validation("signatures", message))
            }
            None => Ok(()),
        }
    }
}

fn checked_name(name: String) -> Result<String, ApiError> {
    if name.trim().is_empty() || name.chars().count() > MAX_NAME {
        return Err(ApiError::validation("name", format!("must be 1 to {MAX_NAME} characters")));
    }
    Ok(name)
}

fn checked_styles(styles: Vec<SignatureStyle>) -> Result<Vec<SignatureStyle>, ApiError> {
    compatible(styles).map_err(|error| ApiError::validation("signatures", error.to_string()))
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
