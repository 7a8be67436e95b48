//! Who is calling, and what they may touch.
//!
//! Isolation rests on this module: a caller's [`Access`] comes from the row of its key, or, for the
//! operator, from the row of the project that the operator names.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::extract::FromRequestParts;
use domain::{
    id::ProjectId,
    model::{ApiKey, ApiKeyHash, KeyRecord, Scope},
};
use http::{HeaderMap, header::AUTHORIZATION, request::Parts};
use runtime::clock;
use store::{
    Access, Table, api_keys::KeyReader, budgets::Budgets, operator_keys::OperatorKeyReader,
    projects::ProjectReader, standings::Standings, tally,
};

use crate::ApiError;

/// The header by which the operator names the project to act for.
pub const PROJECT_HEADER: &str = "posthaste-project";
/// How long a process trusts a key that it has looked up. Revocation takes effect within a minute;
/// this leaves half of it.
const TRUSTED_FOR: Duration = Duration::from_secs(30);
/// The most keys that a process remembers. At the limit it forgets all, and looks keys up again.
const REMEMBERED: usize = 1_000;

/// An authenticated caller.
#[derive(Clone, Debug)]
pub enum Caller {
    /// The platform, acting for a project or for itself.
    Operator {
        /// Access to the project that it names.
        acting_for: Option<Access>,
    },
    /// A project's key.
    Key(KeyRecord),
}

impl Caller {
    /// Access to the caller's project with one of these scopes. 403 without; 400 for an operator
    /// who names no project.
    pub fn access(&self, any_of: &[Scope]) -> Result<Access, ApiError> {
        match self {
            Self::Operator { acting_for: Some(access) } => Ok(*access),
            Self::Operator { acting_for: None } => Err(ApiError::validation(
                "Posthaste-Project",
                "an operator key acts for one project here; name the project in the header \
                    `Posthaste-Project: proj_…`",
            )),
            Self::Key(key) if any_of.iter().any(|scope| self.may(*scope)) => {
                Ok(Access::of_key(key))
            }
            Self::Key(_) => {
                let names: Vec<_> =
                    any_of.iter().map(|scope| format!("`{}`", scope.name())).collect();
                Err(ApiError::forbidden(format!(
                    "this route needs a key with the scope {}",
                    names.join(" or ")
                )))
            }
        }
    }

    /// Whether the caller has a scope.
    pub fn may(&self, scope: Scope) -> bool {
        match self {
            Self::Operator { .. } => true,
            Self::Key(key) => key.scopes.contains(&scope),
        }
    }

    /// 403 unless the caller is the operator.
    pub fn operator(&self) -> Result<(), ApiError> {
        match self {
            Self::Operator { .. } => Ok(()),
            Self::Key(_) => Err(ApiError::forbidden("this route needs an operator key")),
        }
    }
}

/// Tells who is calling by the bearer key.
#[derive(Debug)]
pub struct Authenticator {
    keys: KeyReader,
    operators: OperatorKeyReader,
    projects: ProjectReader,
    standings: Standings,
    budgets: Option<Budgets>,
    remembered: Mutex<HashMap<ApiKeyHash, (Instant, Holder)>>,
}

/// Whose key it is.
#[derive(Clone, Debug)]
enum Holder {
    Operator,
    Project(KeyRecord),
}

impl Authenticator {
    /// Over the config table, which knows all keys by their hashes.
    pub fn new(config: Table) -> Self {
        Self {
            keys: KeyReader::new(config.clone()),
            operators: OperatorKeyReader::new(config.clone()),
            projects: ProjectReader::new(config.clone()),
            standings: Standings::new(config),
            budgets: None,
            remembered: Mutex::default(),
        }
    }

    /// Charges what requests read to their projects.
    #[must_use]
    pub fn charging(self, budgets: Budgets) -> Self {
        // What one of the two has read of the operator's decisions, the other knows.
        Self { standings: budgets.standings().clone(), budgets: Some(budgets), ..self }
    }

    /// The budgets of projects, if requests are charged.
    pub fn budgets(&self) -> Option<&Budgets> {
        self.budgets.as_ref()
    }

    /// The caller of a request. 401 without a valid key, 403 with that of a suspended project, 429
    /// with that of one that reads too much.
    pub async fn caller(&self, headers: &HeaderMap) -> Result<Caller, ApiError> {
        let key = bearer(headers)?;
        let named = project_header(headers)?;
        let record = match self.holder(&key).await? {
            Holder::Project(record) if self.standings.now().await?.is_suspended(record.project) => {
                return Err(ApiError::forbidden("the operator has suspended this project"));
            }
            Holder::Project(record) => record,
            Holder::Operator => {
                let Some(named) = named else {
                    return Ok(Caller::Operator { acting_for: None });
                };
                let project = self.projects.get(named).await?;
                let project = project.ok_or_else(|| ApiError::not_found("project"))?;
                let access = Access::of_project(&project);
                tally::note_caller(tally::Caller::Operator(access));
                return Ok(Caller::Operator { acting_for: Some(access) });
            }
        };
        if named.is_some_and(|project| project != record.project) {
            return Err(ApiError::forbidden(
                "this key belongs to another project than the header `Posthaste-Project` names",
            ));
        }
        tally::note_caller(tally::Caller::Key(record.id, Access::of_key(&record)));
        if let Some(budgets) = &self.budgets {
            budgets.check_reads(Access::of_key(&record), clock::now()).await?;
        }
        Ok(Caller::Key(record))
    }

    async fn holder(&self, key: &ApiKey) -> Result<Holder, ApiError> {
        let hash = key.hash();
        let remembered = self
            .lock()
            .get(&hash)
            .filter(|(since, _)| since.elapsed() < TRUSTED_FOR)
            .map(|(_, holder)| holder.clone());
        if let Some(holder) = remembered {
            return Ok(holder);
        }
        let found = if key.is_project_key() {
            self.keys.find(&hash).await?.map(Holder::Project)
        } else {
            self.operators.find(&hash).await?.map(|_| Holder::Operator)
        };
        // Only keys that exist are remembered: a key that was just made must work at once.
        let found = found.ok_or_else(|| ApiError::unauthorized("no such API key"))?;
        let mut remembered = self.lock();
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        remembered.insert(hash, (Instant::now(), found.clone()));
        Ok(found)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ApiKeyHash, (Instant, Holder)>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A function's state that can tell who is calling.
pub trait Authenticates {
    /// What tells it.
    fn authenticator(&self) -> &Authenticator;
}

impl<T: Authenticates> Authenticates for std::sync::Arc<T> {
    fn authenticator(&self) -> &Authenticator {
        (**self).authenticator()
    }
}

/// A handler that takes a [`Caller`] answers 401 to everybody else.
impl<S: Authenticates + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        state.authenticator().caller(&parts.headers).await
    }
}

/// Requires the scope `endpoints`. Use it, rather than [`Caller`], in handlers with a body: axum
/// runs extractors from left to right, so a caller without the scope gets 403 before the body is
/// read.
#[derive(Clone, Copy, Debug)]
pub struct ManagesEndpoints(pub Access);

impl<S: Authenticates + Sync> FromRequestParts<S> for ManagesEndpoints {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Caller::from_request_parts(parts, state).await?.access(&[Scope::Endpoints]).map(Self)
    }
}

/// As [`ManagesEndpoints`], with the scope `events`.
#[derive(Clone, Copy, Debug)]
pub struct SendsEvents(pub Access);

impl<S: Authenticates + Sync> FromRequestParts<S> for SendsEvents {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Caller::from_request_parts(parts, state).await?.access(&[Scope::Events]).map(Self)
    }
}

/// As [`ManagesEndpoints`], with the operator key.
#[derive(Clone, Copy, Debug)]
pub struct IsOperator;

impl<S: Authenticates + Sync> FromRequestParts<S> for IsOperator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Caller::from_request_parts(parts, state).await?.operator().map(|()| Self)
    }
}

fn bearer(headers: &HeaderMap) -> Result<ApiKey, ApiError> {
    let header = headers
        .get(AUTHORIZATION)
        .ok_or_else(|| ApiError::unauthorized("send `Authorization: Bearer <API key>`"))?;
    let (scheme, key) =
        header.to_str().ok().and_then(|text| text.split_once(' ')).unwrap_or_default();
    if scheme.eq_ignore_ascii_case("bearer") && !key.trim().is_empty() {
        Ok(ApiKey::presented(key.trim()))
    } else {
        Err(ApiError::unauthorized("the header `Authorization` must be `Bearer <API key>`"))
    }
}

fn project_header(headers: &HeaderMap) -> Result<Option<ProjectId>, ApiError> {
    let Some(header) = headers.get(PROJECT_HEADER) else { return Ok(None) };
    let id = header.to_str().unwrap_or_default().parse();
    id.map(Some).map_err(|error| ApiError::validation("Posthaste-Project", format!("{error}")))
}
