//! What is not finished: deliveries in the queues, also in messages that are hidden or delayed,
//! which no receive would show, and deliveries that have a row.
//!
//! This reads the file of the embedded SQS beside the running stack: one query sees one moment.
//! Rows are read after it, so that what moves from a queue to a row meanwhile is seen.

use std::{collections::HashSet, path::Path};

use aws_sdk_dynamodb::types::AttributeValue;
use emulator::aws::Clients;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value as Json;

use crate::Stack;

/// Deliveries in queues, as (event, endpoint).
#[derive(Debug, Default)]
pub(super) struct Queued {
    /// In the two working queues, or with a row.
    pub(super) live: HashSet<(String, String)>,
}

impl Queued {
    /// Those of a stack.
    pub(super) async fn of(stack: &Stack) -> Self {
        let mut queued = Self::at(&stack.data());
        let dynamodb = Clients::new(&stack.ready().dynamodb_url, "soak").dynamodb;
        let tables = dynamodb.list_tables().send().await.expect("the tables can be listed");
        let state = tables.table_names().iter().find(|name| name.ends_with("StateTable"));
        let rows = dynamodb
            .scan()
            .table_name(state.expect("there is one"))
            .consistent_read(true)
            .filter_expression("begins_with(pk, :deliveries)")
            .expression_attribute_values(":deliveries", AttributeValue::S("D#".to_owned()));
        let mut rows = rows.into_paginator().items().send();
        while let Some(row) = rows.next().await {
            let row = row.expect("the rows can be read");
            let place = row["sk"].as_s().ok().and_then(|sk| sk.split_once('#'));
            let (event, endpoint) = place.expect("an event and an endpoint");
            queued.live.insert((event.to_owned(), endpoint.to_owned()));
        }
        queued
    }

    fn at(data: &Path) -> Self {
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
            // A message without a payload is about a row.
            let delivery = &body["first"];
            let (Some(event), Some(endpoint)) =
                (delivery["event"]["id"].as_str(), delivery["endpoint"].as_str())
            else {
                continue;
            };
            // Nobody takes it from there.
            if !queue.ends_with("-dead-letters") {
                queued.live.insert((event.to_owned(), endpoint.to_owned()));
            }
        }
        queued
    }
}
