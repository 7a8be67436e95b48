//! The topics that a project may use: the deployment's, and its own.

use std::sync::Arc;

use api::{
    ApiError, Body, Params,
    auth::{Caller, ManagesEndpoints},
};
use axum::{
    Json,
    extract::{Path, State},
};
use domain::{
    json::canonicalise,
    model::{
        CatalogueEntry, Scope, Topic,
        catalogue::{MAX_DESCRIPTION, MAX_EXAMPLE},
        topic::SYSTEM_PREFIX,
    },
};
use http::{StatusCode, Uri};
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{
    App,
    view::{Deleted, TopicView},
};

/// The most topics that a project adds.
const MAX_TOPICS: usize = 500;

/// A topic of the project's own.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"description": "A task succeeded", "example": {"id": "task_1",
    "object": "task", "status": "succeeded"}}))]
pub(crate) struct NewTopic {
    /// What the topic means, for the developers who subscribe to it.
    #[serde(default)]
    #[schema(max_length = 500)]
    description: String,
    /// The payload of a test of an endpoint: any JSON of at most 16 KiB. Derived from the topic's
    /// name if absent.
    #[serde(default)]
    #[schema(value_type = Value)]
    example: Option<Box<RawValue>>,
}

/// List topics
///
/// The deployment's topics and the project's own, all in one response.
#[utoipa::path(
    get, path = "/webhooks/topics", tag = "Topics", operation_id = "listTopics",
    responses((status = 200, body = [TopicView], description = "All topics, by name")),
    security(
        ("projectKey" = ["endpoints"]),
        ("projectKey" = ["events"]),
        ("projectKey" = ["read"]),
    ),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<Vec<TopicView>>, ApiError> {
    let access = caller.access(&Scope::ALL)?;
    Params::read(uri.query(), &[])?;
    let own = app.topics.all(access).await?;
    Ok(Json(app.catalogue.with(own).entries().map(TopicView::from).collect()))
}

/// Read a topic
#[utoipa::path(
    get, path = "/webhooks/topics/{name}", tag = "Topics", operation_id = "getTopic",
    params(("name" = Topic, Path)),
    responses((status = 200, body = TopicView, description = "The topic")),
    security(
        ("projectKey" = ["endpoints"]),
        ("projectKey" = ["events"]),
        ("projectKey" = ["read"]),
    ),
)]
pub(crate) async fn read(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<TopicView>, ApiError> {
    let access = caller.access(&Scope::ALL)?;
    let name: Topic = name.parse().map_err(|_| ApiError::not_found("topic"))?;
    let own = app.topics.all(access).await?;
    let entry = app.catalogue.with(own).get(&name).ok_or_else(|| ApiError::not_found("topic"))?;
    Ok(Json(entry.into()))
}

/// Add or update a topic
#[utoipa::path(
    put, path = "/webhooks/topics/{name}", tag = "Topics", operation_id = "putTopic",
    params(("name" = Topic, Path)),
    request_body = NewTopic,
    responses(
        (status = 200, body = TopicView, description = "The updated topic"),
        (status = 201, body = TopicView, description = "The new topic"),
        (status = 409, description = "The project has 500 topics"),
    ),
    security(("projectKey" = ["endpoints"])),
)]
pub(crate) async fn write(
    State(app): State<Arc<App>>,
    ManagesEndpoints(access): ManagesEndpoints,
    Path(name): Path<String>,
    Body(input): Body<NewTopic>,
) -> Result<(StatusCode, Json<TopicView>), ApiError> {
    let name: Topic =
        name.parse().map_err(|error| ApiError::validation("name", format!("{error}")))?;
    if name.is_system() {
        return Err(ApiError::validation(
            "name",
            format!("topics under `{SYSTEM_PREFIX}` are reserved for Posthaste"),
        ));
    }
    if input.description.chars().count() > MAX_DESCRIPTION {
        return Err(ApiError::validation(
            "description",
            format!("must be at most {MAX_DESCRIPTION} characters"),
        ));
    }
    let example = input.example.map(|example| checked_example(&example)).transpose()?;
    let own = app.topics.all(access).await?;
    let new = !own.iter().any(|entry| entry.name == name);
    if new && own.len() >= MAX_TOPICS {
        return Err(ApiError::conflict(format!("a project adds at most {MAX_TOPICS} topics")));
    }
    let entry = CatalogueEntry { name, description: input.description, example };
    app.topics.put(access, &entry).await?;
    Ok((if new { StatusCode::CREATED } else { StatusCode::OK }, Json(entry.into())))
}

/// Delete a topic of the project's own
///
/// Endpoints that subscribe to it keep their subscription; Posthaste refuses events of this topic
/// from now on.
#[utoipa::path(
    delete, path = "/webhooks/topics/{name}", tag = "Topics", operation_id = "deleteTopic",
    params(("name" = Topic, Path)),
    responses(
        (status = 200, body = Deleted, description = "Deleted"),
        (status = 409, description = "The topic belongs to the deployment"),
    ),
    security(("projectKey" = ["endpoints"])),
)]
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<Deleted>, ApiError> {
    let access = caller.access(&[Scope::Endpoints])?;
    let name: Topic = name.parse().map_err(|_| ApiError::not_found("topic"))?;
    if app.topics.delete(access, &name).await? {
        return Ok(Json(Deleted::YES));
    }
    if app.catalogue.knows(&name) {
        return Err(ApiError::conflict(
            "this topic belongs to the deployment; a project can't delete it",
        ));
    }
    Err(ApiError::not_found("topic"))
}

fn checked_example(example: &RawValue) -> Result<String, ApiError> {
    let text = canonicalise(example.get().as_bytes())
        .map_err(|error| ApiError::validation("example", error.to_string()))?;
    if text.len() > MAX_EXAMPLE {
        return Err(ApiError::validation(
            "example",
            format!("must be at most {MAX_EXAMPLE} bytes of compact JSON"),
        ));
    }
    Ok(text)
}
