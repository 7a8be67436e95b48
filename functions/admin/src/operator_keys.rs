//! Operator keys: create, list, revoke. The first one is made by a [`command`](crate::command).

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
    id::OperatorKeyId,
    model::{ApiKey, OperatorKeyRecord, project::MAX_NAME},
};
use http::{StatusCode, Uri};
use runtime::clock;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{App, keys::Revoked};

/// The most operator keys of a deployment.
const MAX_KEYS: usize = 100;

/// A new operator key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "Billing backend"}))]
pub(crate) struct NewOperatorKey {
    /// Who or what uses the key. No two operator keys have the same name.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
}

// No `Debug`: it may hold a key.
/// An operator key.
#[derive(Serialize, ToSchema)]
#[schema(as = OperatorKey)]
pub(crate) struct OperatorKeyView {
    id: OperatorKeyId,
    #[schema(pattern = "^operator_key$", example = "operator_key")]
    object: &'static str,
    #[schema(example = "Billing backend")]
    name: String,
    /// Unix seconds.
    #[schema(example = 1_767_225_600)]
    created_at: u64,
    /// The key itself, only in the response to a creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "operator_…")]
    key: Option<String>,
}

impl From<OperatorKeyRecord> for OperatorKeyView {
    fn from(record: OperatorKeyRecord) -> Self {
        Self {
            id: record.id,
            object: "operator_key",
            name: record.name,
            created_at: record.created_at.seconds(),
            key: None,
        }
    }
}

impl App {
    /// Makes a key and writes its hash. The answer holds the key itself, this once.
    pub(crate) async fn create_operator_key(
        &self,
        new: NewOperatorKey,
    ) -> Result<OperatorKeyView, ApiError> {
        let name = new.name.trim();
        if name.is_empty() || name.chars().count() > MAX_NAME {
            let rule = format!("must have 1 to {MAX_NAME} characters, and not only spaces");
            return Err(ApiError::validation("name", rule));
        }
        let there = self.operator_keys.all().await?;
        if there.iter().any(|key| key.name == name) {
            return Err(ApiError::conflict(format!(
                "there is an operator key of the name `{name}`, and nothing was changed; \
                 choose another name, or revoke that key first"
            )));
        }
        if there.len() >= MAX_KEYS {
            return Err(ApiError::conflict(format!(
                "a deployment has at most {MAX_KEYS} operator keys; revoke one first"
            )));
        }
        let (key, now) = (ApiKey::for_operator(rand::random()), clock::now());
        let id = OperatorKeyId::new(now, rand::random());
        let record =
            OperatorKeyRecord { id, hash: key.hash(), name: name.to_owned(), created_at: now };
        self.operator_keys.create(&record).await?;
        tracing::info!(%id, name, "an operator key was created");
        Ok(OperatorKeyView { key: Some(key.reveal().to_owned()), ..record.into() })
    }
}

/// Create an operator key
///
/// The response holds the key itself, only this once. An operator key may do everything, in all
/// projects.
#[utoipa::path(
    post, path = "/operator-keys", tag = "Operator", operation_id = "createOperatorKey",
    request_body = NewOperatorKey,
    responses(
        (status = 201, body = OperatorKeyView, description = "The key"),
        (status = 409, description = "The name is taken, or there are 100 operator keys"),
    ),
    security(("operatorKey" = [])),
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    _: IsOperator,
    Body(new): Body<NewOperatorKey>,
) -> Result<(StatusCode, Json<OperatorKeyView>), ApiError> {
    Ok((StatusCode::CREATED, Json(app.create_operator_key(new).await?)))
}

/// List operator keys
#[utoipa::path(
    get, path = "/operator-keys", tag = "Operator", operation_id = "listOperatorKeys",
    params(ListParams),
    responses((status = 200, body = [OperatorKeyView], description = "A page of operator keys")),
    security(("operatorKey" = [])),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, ApiError> {
    caller.operator()?;
    let (request, params, NoFilter {}) = page_request::<OperatorKeyId, _>(uri.query())?;
    let page = app.operator_keys.list(&request, clock::now()).await?;
    let page = page.map(OperatorKeyView::from);
    Ok(listed(uri.path(), &params, &request, &page, |view| view.id.to_string()))
}

/// Revoke an operator key
///
/// You may revoke the last one too: whoever is allowed to invoke the function `admin` can create a
/// new one.
#[utoipa::path(
    delete, path = "/operator-keys/{id}", tag = "Operator", operation_id = "revokeOperatorKey",
    params(("id" = OperatorKeyId, Path)),
    responses(
        (status = 200, body = Revoked, description = "Revoked. Takes effect within a minute"),
    ),
    security(("operatorKey" = [])),
)]
pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Revoked>, ApiError> {
    caller.operator()?;
    let id: OperatorKeyId = id.parse().map_err(|_| ApiError::not_found("operator key"))?;
    if !app.operator_keys.revoke(id).await? {
        return Err(ApiError::not_found("operator key"));
    }
    tracing::info!(%id, "an operator key was revoked");
    Ok(Json(Revoked { success: true }))
}
