//! Queues in the store.
//!
//! The queues in memory are a copy. Whatever changes the table must read it again, in the same job.

use std::sync::Arc;

use rusqlite::params;

use super::Store;
use crate::sqs::{
    arn::name_of_arn,
    error::SqsError,
    queue::{Queue, QueueAttributes, name_of_url},
};

impl Store {
    /// The queue of that name, if there is one.
    pub(crate) fn find_queue(&self, name: &str) -> Option<Arc<Queue>> {
        self.queues.get(name).map(Arc::clone)
    }

    /// The queue of that URL, or `QueueDoesNotExist`.
    pub(crate) fn queue_at(&self, url: &str) -> Result<Arc<Queue>, SqsError> {
        self.find_queue(name_of_url(url)).ok_or_else(SqsError::no_such_queue)
    }

    /// The queue of that ARN, if it is one of ours.
    pub(crate) fn queue_of_arn(&self, arn: &str) -> Option<Arc<Queue>> {
        let queue = self.find_queue(name_of_arn(arn)?)?;
        (self.settings.arn(&queue.name) == arn).then_some(queue)
    }

    /// All queues, by name.
    pub(crate) fn all_queues(&self) -> Vec<Arc<Queue>> {
        let mut queues: Vec<_> = self.queues.values().map(Arc::clone).collect();
        queues.sort_by(|a, b| a.name.cmp(&b.name));
        queues
    }

    /// The queues whose redrive policy names that queue, by name.
    pub(crate) fn sources_of(&self, dead_letter_queue: &str) -> Vec<Arc<Queue>> {
        let mut queues = self.all_queues();
        queues.retain(|queue| {
            let policy = queue.attributes.redrive.as_ref();
            policy.is_some_and(|policy| policy.target() == dead_letter_queue)
        });
        queues
    }

    /// Makes a queue. There must be none of that name.
    pub(crate) fn insert_queue(
        &mut self,
        name: &str,
        attributes: &QueueAttributes,
    ) -> Result<(), SqsError> {
        let now_s = self.now_ms() / 1000;
        self.connection.execute(
            "INSERT INTO queues (name, created_s, modified_s, attributes) VALUES (?1, ?2, ?2, ?3)",
            params![name, now_s, to_json(attributes)?],
        )?;
        self.reload_queues()
    }

    /// Replaces a queue's attributes.
    pub(crate) fn update_queue(
        &mut self,
        queue: &Queue,
        attributes: &QueueAttributes,
    ) -> Result<(), SqsError> {
        let now_s = self.now_ms() / 1000;
        self.connection.execute(
            "UPDATE queues SET attributes = ?2, modified_s = ?3 WHERE id = ?1",
            params![queue.id, to_json(attributes)?, now_s],
        )?;
        // A shorter or longer wait isn't felt by polls under way, but a new redrive policy is.
        self.wake(&queue.name);
        self.reload_queues()
    }

    /// Deletes a queue with its messages and the record of its move tasks.
    pub(crate) fn delete_queue(&mut self, queue: &Queue) -> Result<(), SqsError> {
        self.delete_messages_of(queue.id)?;
        self.connection.execute("DELETE FROM move_tasks WHERE source = ?1", [&queue.name])?;
        self.connection.execute("DELETE FROM queues WHERE id = ?1", [queue.id])?;
        self.wake(&queue.name);
        self.reload_queues()
    }

    /// Reads the table into memory.
    pub(crate) fn reload_queues(&mut self) -> Result<(), SqsError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT id, name, created_s, modified_s, attributes FROM queues")?;
        let mut rows = statement.query([])?;
        self.queues.clear();
        while let Some(row) = rows.next()? {
            let text: String = row.get(4)?;
            let queue = Queue {
                id: row.get(0)?,
                name: row.get(1)?,
                created_s: row.get(2)?,
                modified_s: row.get(3)?,
                attributes: from_json(&text)?,
            };
            self.queues.insert(queue.name.clone(), Arc::new(queue));
        }
        Ok(())
    }
}

fn to_json(attributes: &QueueAttributes) -> Result<String, SqsError> {
    serde_json::to_string(&attributes.to_map())
        .map_err(|error| SqsError::internal(error.to_string()))
}

fn from_json(text: &str) -> Result<QueueAttributes, SqsError> {
    let set = serde_json::from_str(text).map_err(|error| SqsError::internal(error.to_string()))?;
    let mut attributes = QueueAttributes::default();
    attributes.apply(&set)?;
    Ok(attributes)
}
