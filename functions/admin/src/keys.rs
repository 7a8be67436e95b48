//! A project's keys: create, list, revoke.

use std::sync::Arc;

use api::{
    ApiError, Body, ListParams, NoFilter,
    auth::{Caller, IsOperator},
    listed, page_request,
};
use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use domain::{
    id::{KeyId, ProjectId},
    model::{ApiKey, KeyRecord, Scope, project::MAX_NAME},
};
use http::{StatusCode, Uri};
use runtime::clock;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::App;

/// The most keys of a project: each creation counts them all.
const MAX_KEYS: usize = 100;

/// A new key.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "Backend", "scopes": ["events", "read"]}))]
pub(crate) struct NewKey {
    /// Display name.
    #[serde(default)]
    #[schema(max_length = 200)]
    name: Option<String>,
    /// What the key may do. Everything if absent or null.
    #[serde(default)]
    #[schema(min_items = 1)]
    scopes: Option<Vec<Scope>>,
}

// No `Debug`: it may hold a key.
/// A project's key.
#[derive(Serialize, ToSchema)]
#[schema(as = Key)]
pub(crate) struct KeyView {
    id: KeyId,
    #[schema(pattern = "^api_key$", example = "api_key")]
    object: &'static str,
    project_id: ProjectId,
    #[schema(required, example = "Backend")]
    name: Option<String>,
    scopes: Vec<Scope>,
    /// Unix seconds.
    #[schema(example = 1_767_225_600)]
    created_at: u64,
    /// The key itself, only in the response to a creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "phk_…")]
    key: Option<String>,
}

impl From<KeyRecord> for KeyView {
    fn from(record: KeyRecord) -> Self {
        Self {
            id: record.id,
            object: "api_key",
            project_id: record.project,
            name: record.name,
            scopes: record.scopes,
            created_at: record.created_at.seconds(),
            key: None,
        }
    }
}

/// The response to a revocation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Revoked {
    #[schema(example = true)]
    pub(crate) success: bool,
}

/// Create a project's key
///
/// The response holds the key itself, only this once.
#[utoipa::path(
    post, path = "/projects/{id}/keys", tag = "Operator", operation_id = "createKey",
    params(("id" = ProjectId, Path)),
    request_body = NewKey,
    responses(
        (status = 201, body = KeyView, description = "The key"),
        (status = 409, description = "The project has 100 keys"),
    ),
    security(("operatorKey" = [])),
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    _: IsOperator,
    Path(project): Path<String>,
    Body(input): Body<NewKey>,
) -> Result<(StatusCode, Json<KeyView>), ApiError> {
    let project = app.find(&project).await?;
    if input.name.as_ref().is_some_and(|name| name.chars().count() > MAX_NAME) {
        return Err(ApiError::validation("name", format!("must be at most {MAX_NAME} characters")));
    }
    let scopes = input.scopes.unwrap_or_else(|| Scope::ALL.to_vec());
    let scopes: Vec<_> = Scope::ALL.into_iter().filter(|scope| scopes.contains(scope)).collect();
    if scopes.is_empty() {
        return Err(ApiError::validation("scopes", "must name at least one scope"));
    }
    if app.keys.count(project.id).await? >= MAX_KEYS {
        return Err(ApiError::conflict(format!(
            "a project has at most {MAX_KEYS} keys; revoke one first"
        )));
    }
    let now = clock::now();
    let key = ApiKey::new(rand::random());
    let record = KeyRecord {
        id: KeyId::new(now, rand::random()),
        project: project.id,
        hash: key.hash(),
        name: input.name,
        scopes,
        created_at: now,
    };
    app.keys.create(&record).await?;
    let view = KeyView { key: Some(key.reveal().to_owned()), ..record.into() };
    Ok((StatusCode::CREATED, Json(view)))
}

/// List a project's keys
#[utoipa::path(
    get, path = "/projects/{id}/keys", tag = "Operator", operation_id = "listKeys",
    params(("id" = ProjectId, Path), ListParams),
    responses((status = 200, body = [KeyView], description = "A page of keys")),
    security(("operatorKey" = [])),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(project): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    caller.operator()?;
    let (request, params, NoFilter {}) = page_request::<KeyId, _>(uri.query())?;
    let project = app.find(&project).await?;
    let page = app.keys.list(project.id, &request, clock::now()).await?.map(KeyView::from);
    Ok(listed(uri.path(), &params, &request, &page, |view| view.id.to_string()))
}

/// Revoke a project's key
#[utoipa::path(
    delete, path = "/projects/{id}/keys/{key_id}", tag = "Operator", operation_id = "revokeKey",
    params(("id" = ProjectId, Path), ("key_id" = KeyId, Path)),
    responses(
        (status = 200, body = Revoked, description = "Revoked. Takes effect within a minute"),
    ),
    security(("operatorKey" = [])),
)]
pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((project, key)): Path<(String, String)>,
) -> Result<Json<Revoked>, ApiError> {
    caller.operator()?;
    let project = app.find(&project).await?;
    let id: KeyId = key.parse().map_err(|_| ApiError::not_found("key"))?;
    if app.keys.revoke(project.id, id).await? {
        Ok(Json(Revoked { success: true }))
    } else {
        Err(ApiError::not_found("key"))
    }
}
