//! `GET /api/workers/{id}/webhook/executions`: the attempts of a worker's webhook, by page number,
//! in the published form of such systems (camelCase).

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use api::{ApiError, Params, WorkerPath, auth::Caller, worker_id};
use axum::{
    Json,
    extract::{Path, State},
};
use domain::{
    id::{AttemptId, EndpointId, EventId},
    model::{Attempt, Outcome, Scope},
};
use futures::future::try_join_all;
use http::Uri;
use runtime::clock;
use serde::Serialize;
use serde_json::{Value, value::RawValue};
use store::attempt_reader::Count;
use utoipa::ToSchema;

use crate::App;

/// Executions of a page.
const PER_PAGE: usize = 50;
/// The last page that can be read: a page by number is found by reading all that come before it.
const LAST_PAGE: usize = 200;
/// Executions that are counted: all that pages can show.
const MAX_COUNTED: usize = PER_PAGE * LAST_PAGE;

/// A page of executions.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Executions)]
pub(crate) struct ExecutionsView {
    logs: Vec<ExecutionView>,
    #[schema(example = 1)]
    page: usize,
    #[schema(example = 1, maximum = 200)]
    page_count: usize,
    /// The number of executions. Counting stops at 10,000.
    #[schema(example = 1, maximum = 10_000)]
    total_count: usize,
    /// Present, and true, only if counting stopped: `totalCount` and `pageCount` are then minimums.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false, example = true)]
    total_count_is_minimum: bool,
}

impl ExecutionsView {
    fn of(logs: Vec<ExecutionView>, page: usize, total: Count) -> Self {
        Self {
            logs,
            page,
            page_count: total.number.div_ceil(PER_PAGE),
            total_count: total.number,
            total_count_is_minimum: !total.complete,
        }
    }
}

/// One attempt of a worker's webhook.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Execution)]
struct ExecutionView {
    id: AttemptId,
    #[schema(format = DateTime, example = "2026-01-01T00:00:00.25Z")]
    created_at: String,
    #[schema(example = 87)]
    duration_ms: u64,
    /// What went wrong, in plain text.
    #[schema(required, example = json!(null))]
    error_message: Option<String>,
    #[schema(pattern = "^(success|error)$", example = "success")]
    request_status: &'static str,
    /// The HTTP status of the receiver's answer, if it answered.
    #[schema(required, example = 200)]
    response_status: Option<u16>,
    /// The id of the task in the event's data.
    #[schema(required, example = "task_1")]
    task_id: Option<String>,
    /// The title of the task.
    #[schema(required, example = "Transcode")]
    task_title: Option<String>,
    #[schema(example = "https://example.com/workers/1")]
    url: String,
    #[schema(example = "worker_1")]
    worker_id: String,
}

/// List the executions of a worker's webhook
///
/// The attempts of the webhook, newest first.
#[utoipa::path(
    get, path = "/api/workers/{id}/webhook/executions", tag = "Workers",
    operation_id = "listWorkerExecutions",
    params(
        WorkerPath,
        (
            "page" = Option<u16>, Query, description = "The page, from 1. A page has 50 executions",
            minimum = 1, maximum = 200,
        ),
    ),
    responses((status = 200, body = ExecutionsView, description = "A page of executions")),
    security(("projectKey" = ["read"])),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Json<ExecutionsView>, ApiError> {
    let access = caller.access(&[Scope::Read])?;
    let worker_id = worker_id("id", &id)?;
    let page = page_number(&Params::read(uri.query(), &["page"])?)?;
    let endpoint = EndpointId::of_worker(access.project(), worker_id);
    let now = clock::now();
    let total = app.attempts.count(access, endpoint, MAX_COUNTED, now).await?;
    let skipped = (page - 1) * PER_PAGE;
    let attempts = app.attempts.slice(access, endpoint, skipped, PER_PAGE, now).await?;

    let ids: BTreeSet<EventId> = attempts.iter().map(|attempt| attempt.event).collect();
    let events = try_join_all(ids.into_iter().map(|id| app.events.get(access, id, now))).await?;
    let tasks: HashMap<_, _> = events
        .into_iter()
        .flatten()
        .map(|logged| (logged.event.id, Task::of(&logged.event.data)))
        .collect();
    let view = |attempt: Attempt| ExecutionView::of(tasks.get(&attempt.event), worker_id, attempt);
    let logs = attempts.into_iter().map(view).collect();
    Ok(Json(ExecutionsView::of(logs, page, total)))
}

fn page_number(params: &Params) -> Result<usize, ApiError> {
    let page = params
        .text("page")
        .map_or(Ok(1), str::parse)
        .ok()
        .filter(|page| (1..=LAST_PAGE).contains(page));
    page.ok_or_else(|| {
        ApiError::validation(
            "page",
            format!("must be 1 to {LAST_PAGE}; GET /webhooks/delivery-attempts goes further back"),
        )
    })
}

impl ExecutionView {
    fn of(task: Option<&Task>, worker_id: &str, attempt: Attempt) -> Self {
        Self {
            id: attempt.id,
            created_at: attempt.created_at.rfc_3339(),
            duration_ms: attempt.duration_ms,
            error_message: attempt.error,
            request_status: if attempt.outcome == Outcome::Succeeded { "success" } else { "error" },
            response_status: attempt.response_status,
            task_id: task.and_then(|task| task.id.clone()),
            task_title: task.and_then(|task| task.title.clone()),
            url: attempt.url,
            worker_id: worker_id.to_owned(),
        }
    }
}

/// What an event says of its task.
#[derive(Debug, Default, PartialEq, Eq)]
struct Task {
    id: Option<String>,
    title: Option<String>,
}

impl Task {
    /// The task is `data.task`, or else `data` itself; a resource that only belongs to a task names
    /// it by `task_id` and `task_title`.
    fn of(data: &RawValue) -> Self {
        let data: Value = serde_json::from_str(data.get()).unwrap_or_default();
        let first = |places: &[&str]| {
            places.iter().find_map(|place| data.pointer(place)?.as_str().map(str::to_owned))
        };
        Self {
            id: first(&["/task/id", "/task_id", "/taskId", "/id"]),
            title: first(&["/task/title", "/task_title", "/taskTitle", "/title"]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_found_where_events_have_it() {
        let of = |json: &str| Task::of(&RawValue::from_string(json.to_owned()).unwrap());
        let task = |id: &str, title: Option<&str>| Task {
            id: Some(id.to_owned()),
            title: title.map(str::to_owned),
        };
        assert_eq!(of(r#"{"id":"t","title":"T"}"#), task("t", Some("T")));
        assert_eq!(of(r#"{"id":"x","task":{"id":"t","title":"T"}}"#), task("t", Some("T")));
        assert_eq!(of(r#"{"id":"run","task_id":"t"}"#), task("t", None));
        for json in ["1", "null", r#"{"id":7}"#, "[]"] {
            assert_eq!(of(json), Task::default(), "{json}");
        }
    }

    #[test]
    fn a_count_says_when_it_has_stopped() {
        let told = |number, complete| {
            serde_json::to_value(ExecutionsView::of(Vec::new(), 1, Count { number, complete }))
                .unwrap()
        };
        assert_eq!(
            told(51, true),
            serde_json::json!({"logs": [], "page": 1, "pageCount": 2, "totalCount": 51})
        );
        let stopped = serde_json::json!({"logs": [], "page": 1, "pageCount": 200,
            "totalCount": 10_000, "totalCountIsMinimum": true});
        assert_eq!(told(MAX_COUNTED, false), stopped);
    }

    #[test]
    fn pages_count_from_one() {
        let page = |query: &str| {
            page_number(&Params::read(Some(query), &["page"]).unwrap())
                .map_err(|error| error.status())
        };
        assert_eq!((page(""), page("page=3"), page("page=200")), (Ok(1), Ok(3), Ok(200)));
        for query in ["page=0", "page=-1", "page=x", "page=201", "page=99999999999999999999"] {
            assert!(page(query).is_err(), "{query}");
        }
    }
}
