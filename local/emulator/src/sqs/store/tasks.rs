//! Move tasks in the store.

use rusqlite::{OptionalExtension, Row, params};

use super::Store;
use crate::sqs::error::SqsError;

/// How far a move task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TaskStatus {
    Running,
    Completed,
    Cancelling,
    Cancelled,
    Failed,
}

impl TaskStatus {
    /// As the API has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Completed => "COMPLETED",
            Self::Cancelling => "CANCELLING",
            Self::Cancelled => "CANCELLED",
            Self::Failed => "FAILED",
        }
    }

    /// Whether the task still has something to do.
    pub(crate) fn is_active(self) -> bool {
        matches!(self, Self::Running | Self::Cancelling)
    }

    fn of(name: &str) -> Self {
        [Self::Running, Self::Completed, Self::Cancelling, Self::Cancelled]
            .into_iter()
            .find(|status| status.name() == name)
            .unwrap_or(Self::Failed)
    }
}

/// A task that moves the messages of a dead-letter queue.
#[derive(Clone, Debug)]
pub(crate) struct MoveTask {
    pub(crate) id: i64,
    /// Name of the dead-letter queue.
    pub(crate) source: String,
    /// Name of the queue that gets the messages; without one, each goes back to where it came from.
    pub(crate) destination: Option<String>,
    /// Messages a second.
    pub(crate) rate: Option<i64>,
    pub(crate) status: TaskStatus,
    pub(crate) moved: i64,
    /// How many messages there were to move at the start.
    pub(crate) to_move: i64,
    pub(crate) failure: Option<String>,
    /// Unix milliseconds.
    pub(crate) started_ms: i64,
}

const COLUMNS: &str = "id, source, destination, rate, status, moved, to_move, failure, started_ms";

impl Store {
    /// Records a new, running task; returns its id.
    pub(crate) fn insert_task(
        &mut self,
        source: &str,
        destination: Option<&str>,
        rate: Option<i64>,
        to_move: i64,
    ) -> Result<i64, SqsError> {
        self.connection.execute(
            "INSERT INTO move_tasks (source, destination, rate, status, to_move, started_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![source, destination, rate, TaskStatus::Running.name(), to_move, self.now_ms()],
        )?;
        Ok(self.connection.last_insert_rowid())
    }

    /// The task of that id.
    pub(crate) fn task(&self, id: i64) -> Result<Option<MoveTask>, SqsError> {
        let sql = format!("SELECT {COLUMNS} FROM move_tasks WHERE id = ?1");
        let mut statement = self.connection.prepare_cached(&sql)?;
        Ok(statement.query_row([id], read_task).optional()?)
    }

    /// The queue's latest tasks, newest first.
    pub(crate) fn tasks_of(&self, source: &str, limit: i64) -> Result<Vec<MoveTask>, SqsError> {
        let sql =
            format!("SELECT {COLUMNS} FROM move_tasks WHERE source = ?1 ORDER BY id DESC LIMIT ?2");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map(params![source, limit], read_task)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The ids of all tasks that still have something to do.
    pub(crate) fn active_tasks(&self) -> Result<Vec<i64>, SqsError> {
        let mut statement = self
            .connection
            .prepare("SELECT id FROM move_tasks WHERE status IN ('RUNNING', 'CANCELLING')")?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Records how far a task is.
    pub(crate) fn update_task(&mut self, task: &MoveTask) -> Result<(), SqsError> {
        self.connection
            .prepare_cached(
                "UPDATE move_tasks SET status = ?2, moved = ?3, failure = ?4 WHERE id = ?1",
            )?
            .execute(params![task.id, task.status.name(), task.moved, task.failure])?;
        Ok(())
    }
}

fn read_task(row: &Row<'_>) -> rusqlite::Result<MoveTask> {
    Ok(MoveTask {
        id: row.get(0)?,
        source: row.get(1)?,
        destination: row.get(2)?,
        rate: row.get(3)?,
        status: TaskStatus::of(&row.get::<_, String>(4)?),
        moved: row.get(5)?,
        to_move: row.get(6)?,
        failure: row.get(7)?,
        started_ms: row.get(8)?,
    })
}
