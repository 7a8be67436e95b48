//! Endpoints: create, list, read, change, replace, delete, and their secret.

use std::sync::Arc;

use api::{
    ApiError, Body, ListParams,
    auth::{Caller, ManagesEndpoints},
    listed, page_request, rewrite,
};
use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use domain::{
    id::EndpointId,
    model::{Endpoint, Outcome, Scope, Status, Subscription, Topic},
    signing::Secret,
    system_event::MAX_LISTENERS,
};
use http::{HeaderMap, StatusCode, Uri};
use runtime::clock;
use serde::Deserialize;
use store::{Access, project_config::ProjectConfig};
use utoipa::IntoParams;

use crate::{
    App,
    input::{Changes, EndpointChanges, EndpointReplacement, NewEndpoint, Rules, check_secret},
    view::{Deleted, EndpointView},
};

/// The most endpoints of a project: accepting an event knows all of them.
const MAX_ENDPOINTS: usize = 500;

/// Attempts among which the last success is looked for.
const NEWEST: usize = 25;

/// Which endpoints a list shows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EndpointFilter {
    /// Filter by state.
    status: Option<Status>,
    /// Filter by topic: endpoints that subscribe to it.
    topic: Option<Topic>,
}

pub(crate) type Answer<T> = Result<Json<T>, ApiError>;

/// Create an endpoint
///
/// The response holds the secret of the endpoint, only this once.
#[utoipa::path(
    post, path = "/webhooks/endpoints", tag = "Endpoints", operation_id = "createEndpoint",
    request_body = NewEndpoint,
    responses(
        (status = 201, body = EndpointView, description = "The endpoint, with its secret"),
        (status = 409, description = "The project has 500 endpoints"),
    ),
    security(("projectKey" = ["endpoints"])),
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    ManagesEndpoints(access): ManagesEndpoints,
    headers: HeaderMap,
    Body(input): Body<Changes>,
) -> Result<(StatusCode, Json<EndpointView>), ApiError> {
    let project = app.projects.load(access).await?;
    if project.endpoints.len() >= MAX_ENDPOINTS {
        return Err(ApiError::conflict(format!("a project has at most {MAX_ENDPOINTS} endpoints")));
    }
    let rules = app.rules(&project, &headers);

    let now = clock::now();
    let id = EndpointId::new(now, rand::random());
    let secret = match input.secret.as_ref().and_then(Option::as_ref) {
        Some(text) => {
            text.parse().map_err(|error| ApiError::validation("secret", format!("{error}")))?
        }
        None => Secret::new(rand::random()),
    };
    let sealed = app.vault.seal(&secret, &id, rand::random())?;
    let blank = rules.blank(Endpoint::new(
        id,
        access.project(),
        input.required_url(&rules)?,
        input.required_topics(&rules)?,
        sealed,
        now,
    ));
    let endpoint = input.apply(blank, &rules)?;
    check_secret(&endpoint.signatures, &secret)?;
    check_listeners(&project, &endpoint)?;
    app.endpoints.create(access, &endpoint).await?;

    let mut view = EndpointView::of(endpoint, None, &app.defaults, true);
    view.secret = Some(secret.reveal().to_owned());
    Ok((StatusCode::CREATED, Json(view)))
}

/// List endpoints
#[utoipa::path(
    get, path = "/webhooks/endpoints", tag = "Endpoints", operation_id = "listEndpoints",
    params(ListParams, EndpointFilter),
    responses((status = 200, body = [EndpointView], description = "A page of endpoints")),
    security(("projectKey" = ["read"]), ("projectKey" = ["endpoints"])),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, ApiError> {
    let access = caller.access(&[Scope::Read, Scope::Endpoints])?;
    let (request, params, filter) = page_request::<EndpointId, EndpointFilter>(uri.query())?;
    let wanted = |endpoint: &Endpoint| {
        filter.status.is_none_or(|status| status == endpoint.status)
            && filter
                .topic
                .as_ref()
                .is_none_or(|topic| endpoint.topics.iter().any(|selector| selector.matches(topic)))
    };
    let page = app.endpoints.list(access, &request, clock::now(), wanted).await?;
    let ids: Vec<_> = page.items.iter().map(|endpoint| endpoint.id).collect();
    let health = app.health.of(access.project(), &ids).await?;
    let manages = caller.may(Scope::Endpoints);
    let page = page.map(|endpoint| {
        let health = health.get(&endpoint.id);
        EndpointView::of(endpoint, health, &app.defaults, manages)
    });
    Ok(listed(uri.path(), &params, &request, &page, |view| view.id.to_string()))
}

/// Read an endpoint
#[utoipa::path(
    get, path = "/webhooks/endpoints/{id}", tag = "Endpoints", operation_id = "getEndpoint",
    params(("id" = EndpointId, Path)),
    responses((status = 200, body = EndpointView, description = "The endpoint")),
    security(("projectKey" = ["read"]), ("projectKey" = ["endpoints"])),
)]
pub(crate) async fn read(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<EndpointView> {
    let access = caller.access(&[Scope::Read, Scope::Endpoints])?;
    let endpoint = app.find(access, &id).await?;
    Ok(Json(app.view(endpoint, caller.may(Scope::Endpoints)).await?))
}

/// Change an endpoint
///
/// Omitted fields are unchanged; `null` resets a field to its default.
#[utoipa::path(
    patch, path = "/webhooks/endpoints/{id}", tag = "Endpoints", operation_id = "changeEndpoint",
    params(("id" = EndpointId, Path)),
    request_body = EndpointChanges,
    responses(
        (status = 200, body = EndpointView, description = "The endpoint"),
        (status = 409, description = "Modified concurrently: read it again and retry"),
    ),
    security(("projectKey" = ["endpoints"])),
)]
pub(crate) async fn change(
    State(app): State<Arc<App>>,
    ManagesEndpoints(access): ManagesEndpoints,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(input): Body<Changes>,
) -> Answer<EndpointView> {
    app.write(access, &id, &headers, input, |old, _, _| Ok(old)).await
}

/// Replace an endpoint
///
/// Full replacement. Omitted fields are reset to their defaults; the id, the secret and the status
/// are kept.
#[utoipa::path(
    put, path = "/webhooks/endpoints/{id}", tag = "Endpoints", operation_id = "replaceEndpoint",
    params(("id" = EndpointId, Path)),
    request_body = EndpointReplacement,
    responses(
        (status = 200, body = EndpointView, description = "The endpoint"),
        (status = 409, description = "Modified concurrently: read it again and retry"),
    ),
    security(("projectKey" = ["endpoints"])),
)]
pub(crate) async fn replace(
    State(app): State<Arc<App>>,
    ManagesEndpoints(access): ManagesEndpoints,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(input): Body<Changes>,
) -> Answer<EndpointView> {
    let blank = |old: Endpoint, input: &Changes, rules: &Rules| {
        let (url, topics) = (input.required_url(rules)?, input.required_topics(rules)?);
        let blank = Endpoint::new(
            old.id,
            old.project,
            url,
            topics,
            old.secrets.secret.clone(),
            old.created_at,
        );
        Ok(Endpoint {
            status: old.status,
            disabled_reason: old.disabled_reason,
            secrets: old.secrets,
            revision: old.revision,
            ..rules.blank(blank)
        })
    };
    app.write(access, &id, &headers, input, blank).await
}

/// Delete an endpoint
///
/// Deliveries that wait for a retry fail. The attempts stay in the log.
#[utoipa::path(
    delete, path = "/webhooks/endpoints/{id}", tag = "Endpoints", operation_id = "deleteEndpoint",
    params(("id" = EndpointId, Path)),
    responses((status = 200, body = Deleted, description = "Deleted")),
    security(("projectKey" = ["endpoints"])),
)]
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Deleted> {
    let access = caller.access(&[Scope::Endpoints])?;
    if app.endpoints.delete(access, endpoint_id(&id)?).await? {
        Ok(Json(Deleted::YES))
    } else {
        Err(no_such_endpoint())
    }
}

/// A text that can't be an id names nothing, like an id that isn't there.
fn endpoint_id(text: &str) -> Result<EndpointId, ApiError> {
    text.parse().map_err(|_| no_such_endpoint())
}

fn no_such_endpoint() -> ApiError {
    ApiError::not_found("endpoint")
}

/// Refuses one listener to system events too many: each event may cause one to all of them.
fn check_listeners(project: &ProjectConfig, endpoint: &Endpoint) -> Result<(), ApiError> {
    let others = project.endpoints.iter().filter(|other| other.id != endpoint.id);
    if !Subscription::from(endpoint).listens()
        || others.filter(|other| other.listens()).count() < MAX_LISTENERS
    {
        return Ok(());
    }
    let message = format!(
        "at most {MAX_LISTENERS} endpoints of a project may subscribe to `webhook.…` topics"
    );
    Err(ApiError::validation("topics", message))
}

impl App {
    pub(crate) async fn find(&self, access: Access, id: &str) -> Result<Endpoint, ApiError> {
        self.endpoints.get(access, endpoint_id(id)?).await?.ok_or_else(no_such_endpoint)
    }

    /// An endpoint with its health. Of one that never failed, its newest attempts tell the last
    /// success.
    async fn view(&self, endpoint: Endpoint, manages: bool) -> Result<EndpointView, ApiError> {
        let health = self.health.of(endpoint.project, &[endpoint.id]).await?;
        let access = Access::of_endpoint(&endpoint);
        let newest = self.attempts.slice(access, endpoint.id, 0, NEWEST, clock::now()).await?;
        let mut view = EndpointView::of(endpoint, health.values().next(), &self.defaults, manages);
        view.note_success(
            newest
                .iter()
                .filter(|attempt| attempt.outcome == Outcome::Succeeded)
                .map(|attempt| attempt.created_at)
                .max(),
        );
        Ok(view)
    }

    /// An endpoint that was changed or turned on again is not held to what went before.
    pub(crate) async fn start_afresh(&self, endpoint: &Endpoint) -> Result<(), ApiError> {
        if let Some(health) = self
            .health
            .get(endpoint.project, endpoint.id)
            .await?
            .filter(|health| health.failures > 0 || health.is_open())
        {
            self.health.start_afresh(&health, clock::now()).await?;
        }
        Ok(())
    }

    /// Applies the input to what `base` makes of an endpoint, and writes it.
    async fn write(
        &self,
        access: Access,
        id: &str,
        headers: &HeaderMap,
        input: Changes,
        base: impl Fn(Endpoint, &Changes, &Rules) -> Result<Endpoint, ApiError>,
    ) -> Answer<EndpointView> {
        if input.secret.is_some() {
            return Err(ApiError::validation(
                "secret",
                "can't be changed here; rotate it with POST …/secret/rotate",
            ));
        }
        let project = self.projects.load(access).await?;
        let rules = self.rules(&project, headers);
        let change = |old: Endpoint| {
            let (signatures, topics) = (old.signatures.clone(), old.topics.clone());
            let new = input.clone().apply(base(old, &input, &rules)?, &rules)?;
            if new.topics != topics {
                check_listeners(&project, &new)?;
            }
            if new.signatures != signatures {
                check_secret(&new.signatures, &self.vault.open(&new.secrets.secret, &new.id)?)?;
            }
            Ok(new)
        };
        let new = self.update(access, id, change).await?;
        if input.starts_afresh() {
            self.start_afresh(&new).await?;
        }
        Ok(Json(self.view(new, true).await?))
    }

    /// Reads, changes and writes an endpoint. Starts again if another request wrote it in between.
    pub(crate) async fn update(
        &self,
        access: Access,
        id: &str,
        change: impl Fn(Endpoint) -> Result<Endpoint, ApiError>,
    ) -> Result<Endpoint, ApiError> {
        rewrite(|| async {
            let old = self.find(access, id).await?;
            let new = Endpoint { updated_at: clock::now(), ..change(old)? };
            self.endpoints.replace(access, &new).await?;
            Ok(new)
        })
        .await
    }

    pub(crate) fn rules(&self, project: &ProjectConfig, headers: &HeaderMap) -> Rules {
        Rules {
            catalogue: self.catalogue.with_names(&project.topics),
            judge: self.targets.judge(headers),
            project: project.project.clone(),
        }
    }
}
