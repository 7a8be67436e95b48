//! Messages in the store.
//!
//! A message is known by its row *and* its queue. A redrive takes the row to another queue, where a
//! receipt handle of the first one must not reach it.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, Row, params};
use uuid::Uuid;

use super::Store;
use crate::sqs::{Depth, error::SqsError, handle::ReceiptHandle, queue::Queue};

/// The columns of a message that may be handed out.
macro_rules! selected {
    () => {
        "SELECT m.id, message_id, sent_ms, receive_count, first_received_ms, source,
                body, body_md5, attributes, group_id, trace_header, visible_ms
         FROM messages m JOIN contents c ON c.id = m.id "
    };
}

/// What a message says, as it was sent.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) body: String,
    pub(crate) body_md5: String,
    /// Message attributes as JSON.
    pub(crate) attributes: Option<String>,
    pub(crate) group_id: Option<String>,
    /// The system attribute `AWSTraceHeader`.
    pub(crate) trace_header: Option<String>,
}

/// A message to be put into a queue.
pub(crate) struct NewMessage<'a> {
    pub(crate) queue: &'a Queue,
    pub(crate) content: &'a Content,
    pub(crate) delay_s: i64,
}

/// A message that a receive may hand out.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) id: i64,
    pub(crate) message_id: String,
    pub(crate) sent_ms: i64,
    /// Receives so far; after [`Store::mark_received`], this one included.
    pub(crate) receive_count: i64,
    pub(crate) first_received_ms: Option<i64>,
    /// Name of the queue whose redrive policy brought it here.
    pub(crate) source: Option<String>,
    pub(crate) content: Content,
}

/// How a receipt handle's message stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    /// Of the latest receive.
    pub(crate) token: i64,
    /// Unix milliseconds.
    pub(crate) received_ms: i64,
    /// Unix milliseconds.
    pub(crate) visible_ms: i64,
}

impl Store {
    /// Puts a message into a queue; returns its message id.
    pub(crate) fn insert_message(&mut self, message: &NewMessage) -> Result<String, SqsError> {
        let now = self.now_ms();
        let message_id = Uuid::new_v4().to_string();
        self.connection
            .prepare_cached(
                "INSERT INTO messages (queue, visible_ms, sent_ms, message_id, group_id) VALUES \
                (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                message.queue.id,
                now + message.delay_s * 1000,
                now,
                message_id,
                message.content.group_id
            ])?;
        let content = message.content;
        self.connection
            .prepare_cached(
                "INSERT INTO contents (id, body, body_md5, attributes, trace_header) \
                    VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                self.connection.last_insert_rowid(),
                content.body,
                content.body_md5,
                content.attributes,
                content.trace_header
            ])?;
        self.wake(&message.queue.name);
        Ok(message_id)
    }

    /// Up to `limit` visible messages, those first that have been visible longest; of noisy tenants
    /// only where others have none.
    pub(crate) fn visible_messages(
        &mut self,
        queue: i64,
        limit: usize,
    ) -> Result<Vec<Received>, SqsError> {
        let noisy = self.noisy(queue)?;
        if noisy.is_empty() {
            return self.longest_visible(queue, limit);
        }
        let (mut quiet, mut others) = (self.without_group(queue, limit)?, Vec::new());
        for group in self.groups(queue)? {
            let of = if noisy.contains(&group) { &mut others } else { &mut quiet };
            of.extend(self.of_group(queue, &group, limit)?);
        }
        let mut found = Vec::new();
        for mut messages in [quiet, others] {
            messages.sort_by_key(|(visible_ms, message)| {
                (*visible_ms, message.receive_count, message.id)
            });
            found.extend(messages.into_iter().map(|(_, message)| message));
        }
        found.truncate(limit);
        Ok(found)
    }

    /// The noisy tenants.
    fn noisy(&mut self, queue: i64) -> Result<BTreeSet<String>, SqsError> {
        let (now, reaction) = (self.now_ms(), self.settings.reaction);
        let Some(fairness) = self.fairness.get_mut(&queue) else { return Ok(BTreeSet::new()) };
        let mut statement = self.connection.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM messages WHERE queue = ?1 AND group_id = ?2 AND \
                visible_ms <= ?3)",
        )?;
        let has_backlog =
            |group: &str| statement.query_row(params![queue, group, now], |row| row.get(0));
        Ok(fairness.noisy::<rusqlite::Error>(now, reaction, has_backlog)?)
    }

    /// The tenants that have messages: by steps over the index, as each may have very many.
    fn groups(&self, queue: i64) -> Result<Vec<String>, SqsError> {
        let mut statement = self.connection.prepare_cached(
            "WITH RECURSIVE groups(name) AS (
                 SELECT min(group_id) FROM messages WHERE queue = ?1
                 UNION ALL
                 SELECT (SELECT min(group_id) FROM messages WHERE queue = ?1 AND group_id > name)
                 FROM groups WHERE name IS NOT NULL
             ) SELECT name FROM groups WHERE name IS NOT NULL",
        )?;
        let names = statement.query_map([queue], |row| row.get(0))?;
        Ok(names.collect::<Result<_, _>>()?)
    }

    fn of_group(
        &self,
        queue: i64,
        group: &str,
        limit: usize,
    ) -> Result<Vec<(i64, Received)>, SqsError> {
        let mut statement = self.connection.prepare_cached(concat!(
            selected!(),
            "WHERE queue = ?1 AND group_id = ?2 AND visible_ms <= ?3
             ORDER BY visible_ms, receive_count, m.id LIMIT ?4"
        ))?;
        let rows = statement
            .query_map(params![queue, group, self.now_ms(), limit], read_with_visibility)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn without_group(&self, queue: i64, limit: usize) -> Result<Vec<(i64, Received)>, SqsError> {
        let mut statement = self.connection.prepare_cached(concat!(
            selected!(),
            "WHERE queue = ?1 AND group_id IS NULL AND visible_ms <= ?2
             ORDER BY visible_ms, receive_count, m.id LIMIT ?3"
        ))?;
        let rows =
            statement.query_map(params![queue, self.now_ms(), limit], read_with_visibility)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn longest_visible(&self, queue: i64, limit: usize) -> Result<Vec<Received>, SqsError> {
        let mut statement = self.connection.prepare_cached(concat!(
            selected!(),
            "WHERE queue = ?1 AND visible_ms <= ?2
             ORDER BY visible_ms, receive_count, m.id LIMIT ?3"
        ))?;
        let rows = statement.query_map(params![queue, self.now_ms(), limit], read_received)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Hides a message as received, for `visibility_s` seconds; returns the handle of this receive.
    pub(crate) fn mark_received(
        &mut self,
        queue: &Queue,
        message: &mut Received,
        visibility_s: i64,
    ) -> Result<ReceiptHandle, SqsError> {
        let now = self.now_ms();
        let token = rand::random();
        message.receive_count += 1;
        message.first_received_ms.get_or_insert(now);
        self.connection
            .prepare_cached(
                "UPDATE messages SET visible_ms = ?2, receive_count = ?3, first_received_ms = ?4,
                        received_ms = ?5, token = ?6, hidden_by = 1 WHERE id = ?1",
            )?
            .execute(params![
                message.id,
                now + visibility_s * 1000,
                message.receive_count,
                message.first_received_ms,
                now,
                token
            ])?;
        *self.in_flight_bound.entry(queue.id).or_default() += 1;
        let group = message.content.group_id.as_deref();
        self.fairness.entry(queue.id).or_default().received(message.id, group, now);
        Ok(ReceiptHandle { queue: queue.id, message: message.id, token })
    }

    /// Takes a message to another queue, visible there at once, as a redrive policy does: it keeps
    /// its id, its sent time and its receive count.
    pub(crate) fn move_to_dead_letters(
        &mut self,
        message: i64,
        from: &Queue,
        to: &Queue,
    ) -> Result<(), SqsError> {
        self.connection
            .prepare_cached(
                "UPDATE messages SET queue = ?2, visible_ms = ?3, token = NULL, received_ms = NULL,
                        hidden_by = 0, source = ?4 WHERE id = ?1",
            )?
            .execute(params![message, to.id, self.now_ms(), from.name])?;
        self.wake(&to.name);
        Ok(())
    }

    /// Takes a message to another queue as if it were sent there now, as a move task does: new id,
    /// new sent time, never received.
    pub(crate) fn move_as_new(&mut self, message: i64, to: &Queue) -> Result<(), SqsError> {
        self.connection
            .prepare_cached(
                "UPDATE messages SET queue = ?2, visible_ms = ?3, sent_ms = ?3, message_id = ?4,
                        receive_count = 0, token = NULL, received_ms = NULL,
                        first_received_ms = NULL, hidden_by = 0, source = NULL WHERE id = ?1",
            )?
            .execute(params![message, to.id, self.now_ms(), Uuid::new_v4().to_string()])?;
        self.wake(&to.name);
        Ok(())
    }

    /// The visible messages a move task takes next: row id and source queue's name, oldest in this
    /// queue first.
    pub(crate) fn movable_messages(
        &self,
        queue: i64,
        limit: i64,
    ) -> Result<Vec<(i64, Option<String>)>, SqsError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, source FROM messages WHERE queue = ?1 AND visible_ms <= ?2
             ORDER BY visible_ms, receive_count, id LIMIT ?3",
        )?;
        let rows = statement.query_map(params![queue, self.now_ms(), limit], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How the handle's message stands in the handle's queue; `None` if it is gone or was never
    /// received there.
    pub(crate) fn held(&self, handle: ReceiptHandle) -> Result<Option<Held>, SqsError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT token, received_ms, visible_ms FROM messages
             WHERE id = ?1 AND queue = ?2 AND token IS NOT NULL",
        )?;
        let held = statement.query_row(params![handle.message, handle.queue], |row| {
            Ok(Held { token: row.get(0)?, received_ms: row.get(1)?, visible_ms: row.get(2)? })
        });
        Ok(held.optional()?)
    }

    /// Makes the handle's message visible at that time instead.
    pub(crate) fn change_visibility(
        &mut self,
        queue: &Queue,
        handle: ReceiptHandle,
        visible_ms: i64,
    ) -> Result<(), SqsError> {
        self.connection
            .prepare_cached("UPDATE messages SET visible_ms = ?2, hidden_by = 2 WHERE id = ?1")?
            .execute(params![handle.message, visible_ms])?;
        self.wake(&queue.name);
        Ok(())
    }

    /// Deletes the handle's message, unless it is gone or was received again since.
    pub(crate) fn delete_message(&mut self, handle: ReceiptHandle) -> Result<(), SqsError> {
        let deleted = self
            .connection
            .prepare_cached("DELETE FROM messages WHERE id = ?1 AND queue = ?2 AND token = ?3")?
            .execute(params![handle.message, handle.queue, handle.token])?;
        if deleted > 0 {
            let now = self.now_ms();
            self.fairness.entry(handle.queue).or_default().deleted(handle.message, now);
            self.connection
                .prepare_cached("DELETE FROM contents WHERE id = ?1")?
                .execute([handle.message])?;
        }
        Ok(())
    }

    /// Deletes all messages of a queue.
    pub(crate) fn delete_messages_of(&mut self, queue: i64) -> Result<(), SqsError> {
        self.delete_sent_until(queue, i64::MAX)
    }

    /// Deletes the messages that are past the queue's retention period, in flight or not.
    pub(crate) fn drop_expired(&mut self, queue: &Queue) -> Result<(), SqsError> {
        let until = self.now_ms() - queue.attributes.retention_s * 1000;
        let any: bool = self
            .connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM messages WHERE queue = ?1 AND sent_ms <= ?2)",
            )?
            .query_row(params![queue.id, until], |row| row.get(0))?;
        if any {
            self.delete_sent_until(queue.id, until)?;
        }
        Ok(())
    }

    fn delete_sent_until(&mut self, queue: i64, until_ms: i64) -> Result<(), SqsError> {
        for sql in [
            "DELETE FROM contents WHERE id IN (SELECT id FROM messages WHERE queue = ?1 AND \
                sent_ms <= ?2)",
            "DELETE FROM messages WHERE queue = ?1 AND sent_ms <= ?2",
        ] {
            self.connection.prepare_cached(sql)?.execute(params![queue, until_ms])?;
        }
        Ok(())
    }

    /// When the next hidden message of the queue becomes visible, in Unix milliseconds.
    pub(crate) fn next_visible_ms(&self, queue: i64) -> Result<Option<i64>, SqsError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT min(visible_ms) FROM messages WHERE queue = ?1 AND visible_ms > ?2",
        )?;
        Ok(statement.query_row(params![queue, self.now_ms()], |row| row.get(0))?)
    }

    /// How many more messages of the queue may be handed out before too many are in flight.
    pub(crate) fn room_in_flight(&mut self, queue: &Queue, wanted: u64) -> Result<u64, SqsError> {
        let limit = self.settings.in_flight_limit;
        let known = self.in_flight_bound.get(&queue.id).copied();
        let bound = match known {
            Some(bound) if bound + wanted <= limit => bound,
            _ => {
                let counted = self.count(queue)?.in_flight;
                self.in_flight_bound.insert(queue.id, counted);
                counted
            }
        };
        Ok(limit.saturating_sub(bound))
    }

    /// How many messages the queue holds, by state.
    pub(crate) fn count(&self, queue: &Queue) -> Result<Depth, SqsError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT count(*) FILTER (WHERE visible_ms <= ?2),
                    count(*) FILTER (WHERE visible_ms > ?2 AND receive_count > 0),
                    count(*) FILTER (WHERE visible_ms > ?2 AND receive_count = 0)
             FROM messages WHERE queue = ?1",
        )?;
        let depth = statement.query_row(params![queue.id, self.now_ms()], |row| {
            Ok(Depth { visible: row.get(0)?, in_flight: row.get(1)?, delayed: row.get(2)? })
        });
        Ok(depth?)
    }

    /// Makes visible what was hidden by being received; returns how many.
    pub(crate) fn release_received(&mut self) -> Result<u64, SqsError> {
        let released = self.connection.execute(
            "UPDATE messages SET visible_ms = ?1, hidden_by = 0 WHERE hidden_by = 1 AND \
                visible_ms > ?1",
            [self.now_ms()],
        )?;
        for queue in self.all_queues() {
            self.wake(&queue.name);
        }
        Ok(released.try_into().unwrap_or(u64::MAX))
    }
}

fn read_with_visibility(row: &Row<'_>) -> rusqlite::Result<(i64, Received)> {
    Ok((row.get(11)?, read_received(row)?))
}

fn read_received(row: &Row<'_>) -> rusqlite::Result<Received> {
    Ok(Received {
        id: row.get(0)?,
        message_id: row.get(1)?,
        sent_ms: row.get(2)?,
        receive_count: row.get(3)?,
        first_received_ms: row.get(4)?,
        source: row.get(5)?,
        content: Content {
            body: row.get(6)?,
            body_md5: row.get(7)?,
            attributes: row.get(8)?,
            group_id: row.get(9)?,
            trace_header: row.get(10)?,
        },
    })
}
