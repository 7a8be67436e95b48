//! `StartMessageMoveTask`, `ListMessageMoveTasks` and `CancelMessageMoveTask`, and one step of a
//! task.
//!
//! **A deviation from SQS.** Without a `DestinationArn` a message goes back to the queue whose
//! redrive policy brought it here. A message that was *sent* to the dead-letter queue has no such
//! queue, and SQS fails the task with `CouldNotDetermineMessageSource`. Posthaste sends exhausted
//! deliveries there itself, so here such a message goes to the one queue that names this
//! dead-letter queue in its redrive policy, if there is exactly one; with several, the task fails
//! as on SQS.
//!
//! A moved message may fail again and come back while its task runs. A task therefore ends after as
//! many messages as there were at its start.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::check_range;
use crate::sqs::{
    arn::name_of_arn,
    error::{ErrorCode, SqsError},
    handle::TaskHandle,
    limits,
    queue::Queue,
    store::{MoveTask, Store, TaskStatus},
};

/// A `StartMessageMoveTask` request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct StartRequest {
    #[serde(default)]
    source_arn: String,
    destination_arn: Option<String>,
    max_number_of_messages_per_second: Option<i64>,
}

/// A started task: its id for the mover, its handle for the client.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct StartAnswer {
    #[serde(skip)]
    pub(crate) task_id: i64,
    task_handle: String,
}

/// A `ListMessageMoveTasks` request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListRequest {
    #[serde(default)]
    source_arn: String,
    max_results: Option<i64>,
}

/// The latest tasks, newest first.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListAnswer {
    results: Vec<TaskEntry>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct TaskEntry {
    /// SQS: only of running tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    task_handle: Option<String>,
    status: &'static str,
    source_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_number_of_messages_per_second: Option<i64>,
    approximate_number_of_messages_moved: i64,
    approximate_number_of_messages_to_move: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_reason: Option<String>,
    started_timestamp: i64,
}

/// A `CancelMessageMoveTask` request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CancelRequest {
    #[serde(default)]
    task_handle: String,
}

/// How many messages were moved before the cancellation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CancelAnswer {
    approximate_number_of_messages_moved: i64,
}

pub(crate) fn start(store: &mut Store, request: StartRequest) -> Result<StartAnswer, SqsError> {
    let source = queue_of(store, &request.source_arn, "SourceArn")?;
    if store.sources_of(&source.name).is_empty() {
        return Err(invalid("Source queue must be configured as a Dead Letter Queue."));
    }
    let destination = match &request.destination_arn {
        Some(arn) => Some(queue_of(store, arn, "DestinationArn")?),
        None => None,
    };
    if destination.as_ref().is_some_and(|queue| queue.id == source.id) {
        return Err(invalid("Source queue arn and destination queue arn cannot be the same."));
    }
    let rate = request.max_number_of_messages_per_second;
    if let Some(rate) = rate {
        check_range(rate, "MaxNumberOfMessagesPerSecond", &limits::MOVE_RATE)?;
    }
    let latest = store.tasks_of(&source.name, 1)?;
    if latest.iter().any(|task| task.status.is_active()) {
        return Err(invalid(
            "There is already a task running. Only one active task is allowed for a source queue \
                arn at a given time.",
        ));
    }

    store.drop_expired(&source)?;
    let to_move = i64::try_from(store.count(&source)?.visible).unwrap_or(i64::MAX);
    let destination = destination.as_ref().map(|queue| queue.name.as_str());
    let task_id = store.insert_task(&source.name, destination, rate, to_move)?;
    let handle = TaskHandle { task_id, source_arn: request.source_arn };
    Ok(StartAnswer { task_id, task_handle: handle.encode() })
}

pub(crate) fn list(store: &mut Store, request: ListRequest) -> Result<ListAnswer, SqsError> {
    let source = queue_of(store, &request.source_arn, "SourceArn")?;
    let limit = request.max_results.unwrap_or(1);
    check_range(limit, "MaxResults", &limits::LISTED_MOVE_TASKS)?;
    let settings = store.settings();
    let tasks = store.tasks_of(&source.name, limit)?.into_iter();
    let entries = tasks.map(|task| {
        let source_arn = settings.arn(&task.source);
        let handle = TaskHandle { task_id: task.id, source_arn: source_arn.clone() };
        TaskEntry {
            task_handle: (task.status == TaskStatus::Running).then(|| handle.encode()),
            status: task.status.name(),
            source_arn,
            destination_arn: task.destination.as_deref().map(|name| settings.arn(name)),
            max_number_of_messages_per_second: task.rate,
            approximate_number_of_messages_moved: task.moved,
            approximate_number_of_messages_to_move: task.to_move,
            failure_reason: task.failure,
            started_timestamp: task.started_ms,
        }
    });
    Ok(ListAnswer { results: entries.collect() })
}

pub(crate) fn cancel(store: &mut Store, request: CancelRequest) -> Result<CancelAnswer, SqsError> {
    let handle = TaskHandle::decode(&request.task_handle).ok_or_else(|| {
        SqsError::invalid_parameter(&request.task_handle, "TaskHandle", "It is not a task handle.")
    })?;
    let mut task = store
        .task(handle.task_id)?
        .ok_or_else(|| SqsError::new(ErrorCode::ResourceNotFound, "Task does not exist."))?;
    if task.status != TaskStatus::Running {
        return Err(SqsError::new(
            ErrorCode::UnsupportedOperation,
            "Only a running task can be cancelled.",
        ));
    }
    task.status = TaskStatus::Cancelling;
    store.update_task(&task)?;
    Ok(CancelAnswer { approximate_number_of_messages_moved: task.moved })
}

/// Moves up to `allowance` messages of a task, or ends it; returns the task as it then is, `None`
/// if it is gone with its queue.
pub(crate) fn step(
    store: &mut Store,
    task_id: i64,
    allowance: i64,
) -> Result<Option<MoveTask>, SqsError> {
    let Some(mut task) = store.task(task_id)? else {
        return Ok(None);
    };
    match task.status {
        TaskStatus::Running => {
            let moved = move_some(store, &mut task, allowance)?;
            if let Err(reason) = moved {
                task.status = TaskStatus::Failed;
                task.failure = Some(reason.to_owned());
            }
        }
        TaskStatus::Cancelling => task.status = TaskStatus::Cancelled,
        _ => {}
    }
    store.update_task(&task)?;
    Ok(Some(task))
}

/// The inner error is why the task failed, as `FailureReason` has it.
fn move_some(
    store: &mut Store,
    task: &mut MoveTask,
    allowance: i64,
) -> Result<Result<(), &'static str>, SqsError> {
    let Some(source) = store.find_queue(&task.source) else {
        return Ok(Err(NO_QUEUE));
    };
    store.drop_expired(&source)?;
    let wanted = allowance.min(task.to_move - task.moved).max(0);
    let messages = store.movable_messages(source.id, wanted)?;
    let ends_here = i64::try_from(messages.len()).is_ok_and(|found| found < wanted);
    for (message, came_from) in messages {
        let target = match target_of(store, task, came_from.as_deref()) {
            Ok(target) => target,
            Err(reason) => return Ok(Err(reason)),
        };
        store.move_as_new(message, &target)?;
        task.moved += 1;
    }
    if ends_here || task.moved >= task.to_move {
        task.status = TaskStatus::Completed;
    }
    Ok(Ok(()))
}

const NO_QUEUE: &str = "AWS.SimpleQueueService.NonExistentQueue";

fn target_of(
    store: &Store,
    task: &MoveTask,
    came_from: Option<&str>,
) -> Result<Arc<Queue>, &'static str> {
    if let Some(name) = task.destination.as_deref().or(came_from) {
        return store.find_queue(name).ok_or(NO_QUEUE);
    }
    match store.sources_of(&task.source).as_slice() {
        [only] => Ok(Arc::clone(only)),
        _ => Err("CouldNotDetermineMessageSource"),
    }
}

fn queue_of(store: &Store, arn: &str, parameter: &str) -> Result<Arc<Queue>, SqsError> {
    if name_of_arn(arn).is_none() {
        return Err(invalid(&format!(
            "You must use this format to specify the {parameter}: \
                arn:<partition>:<service>:<region>:<account-id>:<resource-id>"
        )));
    }
    store.queue_of_arn(arn).ok_or_else(|| {
        SqsError::new(
            ErrorCode::ResourceNotFound,
            format!("The resource that you specified for the {parameter} parameter doesn't exist."),
        )
    })
}

fn invalid(message: &str) -> SqsError {
    SqsError::new(ErrorCode::InvalidParameterValue, message)
}
