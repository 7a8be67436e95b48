//! What is in the queues: all messages, also those that are hidden or delayed, which no receive
//! would show.
//!
//! This reads the file of the embedded SQS beside the running stack. One query sees one moment.

use std::{collections::HashSet, path::Path};

use rusqlite::{Connection, OpenFlags};
use serde_json::Value as Json;

/// Deliveries in queues, as (event, endpoint).
#[derive(Debug, Default)]
pub(super) struct Queued {
    /// In the two working queues.
    pub(super) live: HashSet<(String, String)>,
    /// In the two dead-letter queues.
    pub(super) dead: HashSet<(String, String)>,
}

impl Queued {
    /// Those of the stack with this data folder.
    pub(super) fn at(data: &Path) -> Self {
        let file =
            Connection::open_with_flags(data.join("sqs.sqlite"), OpenFlags::SQLITE_OPEN_READ_WRITE)
                .expect("the queues' file is there");
        let query = "SELECT queues.name, contents.body FROM messages JOIN queues ON queues.id = \
            messages.queue JOIN contents ON contents.id = messages.id";
        let mut statement = file.prepare(query).expect("the tables are there");
        let rows = statement
            .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
            .expect("the query runs");
        let mut queued = Self::default();
        for (queue, body) in rows.map(|row| row.expect("two texts")) {
            let Ok(body) = serde_json::from_str::<Json>(&body) else { continue };
            // Steps of circuits and recoveries are no deliveries.
            let delivery = &body["work"]["delivery"];
            let (Some(event), Some(endpoint)) =
                (delivery["event"]["id"].as_str(), delivery["endpoint"].as_str())
            else {
                continue;
            };
            let place =
                if queue.ends_with("-dead-letter") { &mut queued.dead } else { &mut queued.live };
            place.insert((event.to_owned(), endpoint.to_owned()));
        }
        queued
    }
}
