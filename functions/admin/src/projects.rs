//! Projects: create, list, read, change.

use std::{num::NonZeroU32, sync::Arc};

use api::{
    ApiError, Body, Field, ListParams, NoFilter,
    auth::{Caller, IsOperator},
    given, listed, page_request, rewrite,
};
use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use domain::{
    budget::{Limits, Resource},
    id::ProjectId,
    model::{
        Project,
        project::{MAX_NAME, ProjectSecret, ProjectStatus},
    },
    shape::BodyShape,
    signing::{Secret, SignatureStyle, compatible},
};
use http::{StatusCode, Uri};
use runtime::clock;
use serde::{Deserialize, Serialize};
use store::Access;
use utoipa::ToSchema;

use crate::App;

/// The longest brand: it becomes part of header names.
const MAX_BRAND: usize = 40;

/// A new project.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "Acme", "brand": "Acme"}))]
pub(crate) struct NewProject {
    /// Display name; must not be blank.
    #[schema(min_length = 1, max_length = 200, pattern = r"\S")]
    name: String,
    /// The name in brand-specific headers (`<Brand>-Signature`). The deployment's name if absent or
    /// null.
    #[serde(default)]
    #[schema(max_length = 40, pattern = "^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$")]
    brand: Option<String>,
    /// How requests are signed for endpoints that set no `signatures`. `standard` if absent or
    /// null.
    #[serde(default)]
    #[schema(min_items = 1)]
    signatures: Option<Vec<SignatureStyle>>,
    /// The form of the body for endpoints that set no `body`.
    #[serde(default)]
    body: Option<BodyShape>,
}

/// The fields of a project to change. Omitted fields are unchanged; `null` resets a field to its
/// default.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({"signatures": ["standard", "timestamped"]}))]
pub(crate) struct ProjectChanges {
    #[schema(min_length = 1, max_length = 200, pattern = r"\S")]
    name: Option<String>,
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 40,
        pattern = "^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$")]
    brand: Field<String>,
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<Vec<SignatureStyle>>, min_items = 1)]
    signatures: Field<Vec<SignatureStyle>>,
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<BodyShape>)]
    body: Field<BodyShape>,
    /// `suspended` stops the project within a minute: its keys are refused with 403, and its
    /// deliveries wait. `active` lets all of them go on.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<ProjectStatus>)]
    status: Field<ProjectStatus>,
    /// What the project may cause a second. Takes effect within a minute. `null` resets a limit, or
    /// all of them, to the default.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<LimitChanges>)]
    limits: Field<LimitChanges>,
}

/// The limits of a project to change. Omitted ones are unchanged.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LimitChanges {
    /// Deliveries a second: each recipient of an event counts.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 4_294_967_295_i64)]
    deliveries: Field<NonZeroU32>,
    /// Kilobytes (1,000 bytes) of these deliveries' data a second.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 4_294_967_295_i64)]
    kilobytes: Field<NonZeroU32>,
    /// Read units of the database a second, of 4 KB, that requests may take.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 4_294_967_295_i64)]
    reads: Field<NonZeroU32>,
    /// Live viewers at once.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 4_294_967_295_i64)]
    viewers: Field<NonZeroU32>,
}

impl LimitChanges {
    fn of(self, old: Limits) -> Limits {
        Limits {
            deliveries: self.deliveries.unwrap_or(old.deliveries),
            kilobytes: self.kilobytes.unwrap_or(old.kilobytes),
            reads: self.reads.unwrap_or(old.reads),
            viewers: self.viewers.unwrap_or(old.viewers),
        }
    }
}

/// What a project may cause a second, on average over ten seconds; beyond that it gets 429.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Limits)]
pub(crate) struct LimitsView {
    /// Deliveries: each recipient of an event counts.
    #[schema(example = 1_000)]
    deliveries: u32,
    /// Kilobytes (1,000 bytes) of these deliveries' data.
    #[schema(example = 32_000)]
    kilobytes: u32,
    /// Read units of the database, of 4 KB, that requests may take.
    #[schema(example = 2_000)]
    reads: u32,
    /// Live viewers: at once, not a second.
    #[schema(example = 20)]
    viewers: u32,
}

impl LimitsView {
    fn of(limits: Limits) -> Self {
        Self {
            deliveries: limits.of(Resource::Deliveries),
            kilobytes: limits.of(Resource::Kilobytes),
            reads: limits.of(Resource::Reads),
            viewers: limits.viewers(),
        }
    }
}

/// One customer of the platform.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Project)]
pub(crate) struct ProjectView {
    id: ProjectId,
    #[schema(pattern = "^project$", example = "project")]
    object: &'static str,
    #[schema(example = "Acme")]
    name: String,
    /// The name in brand-specific headers (`<Brand>-Signature`).
    #[schema(example = "Acme")]
    brand: String,
    /// How requests are signed for endpoints that set no `signatures`.
    signatures: Vec<SignatureStyle>,
    /// The form of the body for endpoints that set no `body`. `null` means `event` for endpoints,
    /// and `data` for URLs without an endpoint.
    #[schema(required)]
    body: Option<BodyShape>,
    /// Whether the operator has suspended it.
    status: ProjectStatus,
    limits: LimitsView,
    /// Unix seconds.
    #[schema(example = 1_767_225_600)]
    created_at: u64,
}

impl ProjectView {
    fn of(project: Project, brand: &str) -> Self {
        Self {
            id: project.id,
            object: "project",
            signatures: project.default_signatures(),
            body: project.body,
            status: project.status,
            limits: LimitsView::of(project.limits),
            name: project.name,
            brand: project.brand.unwrap_or_else(|| brand.to_owned()),
            created_at: project.created_at.seconds(),
        }
    }
}

/// Create a project
#[utoipa::path(
    post, path = "/projects", tag = "Operator", operation_id = "createProject",
    request_body = NewProject,
    responses((status = 201, body = ProjectView, description = "The project")),
    security(("operatorKey" = [])),
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    _: IsOperator,
    Body(input): Body<NewProject>,
) -> Result<(StatusCode, Json<ProjectView>), ApiError> {
    let now = clock::now();
    let project = Project {
        brand: input.brand.map(checked_brand).transpose()?,
        signatures: input.signatures.map(checked_styles).transpose()?,
        body: input.body,
        ..Project::new(ProjectId::new(now, rand::random()), checked_name(input.name)?, now)
    };
    let secret =
        ProjectSecret::new(&Secret::new(rand::random()), project.id, &app.vault, rand::random())?;
    app.projects.create(&project, &secret).await?;
    Ok((StatusCode::CREATED, Json(ProjectView::of(project, &app.brand))))
}

/// List projects
#[utoipa::path(
    get, path = "/projects", tag = "Operator", operation_id = "listProjects",
    params(ListParams),
    responses((status = 200, body = [ProjectView], description = "A page of projects")),
    security(("operatorKey" = [])),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, ApiError> {
    caller.operator()?;
    let (request, params, NoFilter {}) = page_request::<ProjectId, _>(uri.query())?;
    let page = app.projects.list(&request, clock::now()).await?;
    let page = page.map(|project| ProjectView::of(project, &app.brand));
    Ok(listed(uri.path(), &params, &request, &page, |view| view.id.to_string()))
}

/// Read a project
#[utoipa::path(
    get, path = "/projects/{id}", tag = "Operator", operation_id = "getProject",
    params(("id" = ProjectId, Path)),
    responses((status = 200, body = ProjectView, description = "The project")),
    security(("operatorKey" = [])),
)]
pub(crate) async fn read(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<ProjectView>, ApiError> {
    caller.operator()?;
    Ok(Json(ProjectView::of(app.find(&id).await?, &app.brand)))
}

/// Change a project
///
/// Omitted fields are unchanged; `null` resets a field to its default.
#[utoipa::path(
    patch, path = "/projects/{id}", tag = "Operator", operation_id = "changeProject",
    params(("id" = ProjectId, Path)),
    request_body = ProjectChanges,
    responses(
        (status = 200, body = ProjectView, description = "The project"),
        (status = 409, description = "Modified concurrently: read it again and retry"),
    ),
    security(("operatorKey" = [])),
)]
pub(crate) async fn change(
    State(app): State<Arc<App>>,
    _: IsOperator,
    Path(id): Path<String>,
    Body(input): Body<ProjectChanges>,
) -> Result<Json<ProjectView>, ApiError> {
    let name = input.name.map(checked_name).transpose()?;
    let brand = input.brand.map(|brand| brand.map(checked_brand).transpose()).transpose()?;
    let signatures =
        input.signatures.map(|styles| styles.map(checked_styles).transpose()).transpose()?;
    let project = rewrite(|| async {
        let old = app.find(&id).await?;
        let new = Project {
            name: name.clone().unwrap_or(old.name),
            brand: brand.clone().unwrap_or(old.brand),
            signatures: signatures.clone().unwrap_or(old.signatures),
            body: input.body.unwrap_or(old.body),
            status: input.status.map_or(old.status, Option::unwrap_or_default),
            limits: input.limits.map_or(old.limits, |limits| {
                limits.map_or_else(Limits::default, |limits| limits.of(old.limits))
            }),
            ..old
        };
        app.check_secret(&new).await?;
        app.projects.replace(&new).await?;
        Ok(new)
    })
    .await?;
    Ok(Json(ProjectView::of(project, &app.brand)))
}

impl App {
    pub(crate) async fn find(&self, id: &str) -> Result<Project, ApiError> {
        let id = id.parse().map_err(|_| ApiError::not_found("project"))?;
        self.project.get(id).await?.ok_or_else(|| ApiError::not_found("project"))
    }

    /// The project's secret must do for its default styles.
    async fn check_secret(&self, project: &Project) -> Result<(), ApiError> {
        let secret = self.secrets.get(Access::of_project(project)).await?;
        let decodable = secret.is_none_or(|secret| secret.decodable);
        match project
            .default_signatures()
            .into_iter()
            .find(|style| style.decodes_secret() && !decodable)
        {
            Some(style) => {
                let message = format!(
                    "`{}` needs a base64 secret, and the project's secret is not base64: rotate it \
                        first",
                    style.name()
                );
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
    if !token
        || brand.is_empty()
        || brand.len() > MAX_BRAND
        || brand.starts_with('-')
        || brand.ends_with('-')
    {
        return Err(ApiError::validation(
            "brand",
            format!(
                "must be 1 to {MAX_BRAND} letters, digits and inner hyphens: it is part of header \
                    names"
            ),
        ));
    }
    Ok(brand)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brand_must_fit_into_a_header_name() {
        for (brand, fits) in [
            ("Acme", true),
            ("Acme-Pay2", true),
            ("", false),
            ("-a", false),
            ("a b", false),
            ("Ä", false),
            ("a:b", false),
        ] {
            assert_eq!(checked_brand(brand.to_owned()).is_ok(), fits, "{brand:?}");
        }
    }
}
