//! Global secondary indexes that lag behind their table, as DynamoDB's do.
//!
//! `dynoxide` has indexes that are always right, which would hide what code must bear: an index may
//! show an item that has gone, and may not show one that is there, for seconds. So a table with
//! indexes has a twin, which has the indexes. Each written item is copied to the twin a while
//! later, as it is by then, and a query of an index is answered by the twin.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

use dynoxide::{Database, DynoxideError};
use serde_json::{Map, Value as Json, json};

use super::dispatch::dispatch;

/// What the name of a twin ends with.
const TWIN: &str = ".indexes";

/// An item that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    table: String,
    key: Json,
}

/// A table with indexes.
#[derive(Debug, Clone)]
struct Indexed {
    /// The attributes of the table's primary key.
    key: BTreeSet<String>,
    /// These, and the attributes of the indexes' keys.
    copied: BTreeSet<String>,
}

/// The tables with indexes, by name.
#[derive(Debug, Default)]
pub(super) struct Indexes {
    tables: RwLock<BTreeMap<String, Indexed>>,
    lag_millis: AtomicU64,
    /// Whoever copies reads and writes: two at once could leave what the first has read.
    copying: Mutex<()>,
}

type Answer<T> = Result<T, DynoxideError>;

impl Indexes {
    /// Those of the tables that are there. What the twins had not followed yet, they follow now.
    pub(super) fn open(database: &Database) -> Answer<Self> {
        let indexes = Self::default();
        let listed = ask(database, "ListTables", &json!({}))?;
        for twin in listed["TableNames"].as_array().into_iter().flatten().filter_map(Json::as_str) {
            let Some(table) = twin.strip_suffix(TWIN) else { continue };
            let described = ask(database, "DescribeTable", &json!({"TableName": twin}))?;
            indexes.know(table, &described["Table"]);
            let scans = [ask_all(database, twin)?, ask_all(database, table)?];
            for item in scans.iter().flatten() {
                if let Some(place) = indexes.place(table, item) {
                    indexes.follow(database, &place)?;
                }
            }
        }
        Ok(indexes)
    }

    pub(super) fn lag(&self, most: Duration) {
        let millis = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
        self.lag_millis.store(millis, Ordering::Relaxed);
    }

    /// How long the next item waits until the indexes know it.
    pub(super) fn wait(&self) -> Duration {
        let most = self.lag_millis.load(Ordering::Relaxed);
        Duration::from_millis(rand::random_range(0..=most))
    }

    /// Answers a call. With the items that it has written and the indexes don't know yet: none if
    /// they don't lag.
    pub(super) fn call(
        &self,
        database: &Database,
        operation: &str,
        body: &str,
    ) -> Answer<(String, Vec<Place>)> {
        let Ok(request) = serde_json::from_str::<Json>(body) else {
            return Ok((dispatch(database, operation, body)?, Vec::new()));
        };
        if operation == "CreateTable" && !request["GlobalSecondaryIndexes"].is_null() {
            return Ok((self.create(database, &request)?, Vec::new()));
        }
        if !request["IndexName"].is_null() {
            let twin = with_table(&request, &format!("{}{TWIN}", text(&request["TableName"])));
            return Ok((dispatch(database, operation, &twin.to_string())?, Vec::new()));
        }
        let answer = dispatch(database, operation, body)?;
        let written = self.written(operation, &request);
        if self.lag_millis.load(Ordering::Relaxed) > 0 {
            return Ok((answer, written));
        }
        for place in &written {
            self.follow(database, place)?;
        }
        Ok((answer, Vec::new()))
    }

    /// Copies an item to its table's twin, as it is now.
    pub(super) fn follow(&self, database: &Database, place: &Place) -> Answer<()> {
        let Some(indexed) = self.of(&place.table) else { return Ok(()) };
        let _alone = self.copying.lock().unwrap_or_else(PoisonError::into_inner);
        let get = json!({"TableName": place.table, "Key": place.key, "ConsistentRead": true});
        let there = ask(database, "GetItem", &get)?;
        let twin = format!("{}{TWIN}", place.table);
        match there["Item"].as_object() {
            Some(item) => {
                let item = only(item, &indexed.copied);
                ask(database, "PutItem", &json!({"TableName": twin, "Item": item}))?
            }
            None => ask(database, "DeleteItem", &json!({"TableName": twin, "Key": place.key}))?,
        };
        Ok(())
    }

    /// Creates a table without its indexes, and its twin with them.
    fn create(&self, database: &Database, request: &Json) -> Answer<String> {
        let table = text(&request["TableName"]);
        let twin = with_table(request, &format!("{table}{TWIN}"));
        let mut own = request.clone();
        let key = key_of(request);
        if let Some(fields) = own.as_object_mut() {
            fields.remove("GlobalSecondaryIndexes");
        }
        if let Some(definitions) = own["AttributeDefinitions"].as_array_mut() {
            definitions.retain(|one| key.contains(text(&one["AttributeName"])));
        }
        let answer = dispatch(database, "CreateTable", &own.to_string())?;
        ask(database, "CreateTable", &twin)?;
        self.know(table, request);
        Ok(answer)
    }

    fn know(&self, table: &str, described: &Json) {
        let definitions = described["AttributeDefinitions"].as_array().into_iter().flatten();
        let copied = definitions.map(|one| text(&one["AttributeName"]).to_owned()).collect();
        let indexed = Indexed { key: key_of(described), copied };
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        tables.insert(table.to_owned(), indexed);
    }

    fn of(&self, table: &str) -> Option<Indexed> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner).get(table).cloned()
    }

    /// Where an item of a table with indexes is; of another table, none.
    fn place(&self, table: &str, item: &Json) -> Option<Place> {
        let key = only(item.as_object()?, &self.of(table)?.key);
        Some(Place { table: table.to_owned(), key })
    }

    /// What a call writes into tables with indexes.
    fn written(&self, operation: &str, request: &Json) -> Vec<Place> {
        let one = |request: &Json| {
            let item = if request["Item"].is_null() { &request["Key"] } else { &request["Item"] };
            self.place(text(&request["TableName"]), item)
        };
        match operation {
            "PutItem" | "UpdateItem" | "DeleteItem" => one(request).into_iter().collect(),
            "BatchWriteItem" => {
                let tables = request["RequestItems"].as_object().into_iter().flatten();
                let writes = tables.flat_map(|(table, writes)| {
                    let writes = writes.as_array().into_iter().flatten();
                    writes.flat_map(move |write| {
                        let items = [&write["PutRequest"]["Item"], &write["DeleteRequest"]["Key"]];
                        items.map(|item| self.place(table, item))
                    })
                });
                writes.flatten().collect()
            }
            "TransactWriteItems" => {
                let writes = request["TransactItems"].as_array().into_iter().flatten();
                let parts = writes.flat_map(|write| write.as_object().into_iter().flatten());
                parts.filter_map(|(_, part)| one(part)).collect()
            }
            _ => Vec::new(),
        }
    }
}

fn ask(database: &Database, operation: &str, request: &Json) -> Answer<Json> {
    let answer = dispatch(database, operation, &request.to_string())?;
    serde_json::from_str(&answer)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

fn ask_all(database: &Database, table: &str) -> Answer<Vec<Json>> {
    let (mut items, mut start) = (Vec::new(), Json::Null);
    loop {
        let mut scan = json!({"TableName": table});
        if !start.is_null() {
            scan["ExclusiveStartKey"] = start;
        }
        let mut page = ask(database, "Scan", &scan)?;
        items.extend(page["Items"].as_array().into_iter().flatten().cloned());
        start = page["LastEvaluatedKey"].take();
        if start.is_null() {
            return Ok(items);
        }
    }
}

fn key_of(described: &Json) -> BTreeSet<String> {
    let schema = described["KeySchema"].as_array().into_iter().flatten();
    schema.map(|one| text(&one["AttributeName"]).to_owned()).collect()
}

fn only(item: &Map<String, Json>, names: &BTreeSet<String>) -> Json {
    item.iter()
        .filter(|(name, _)| names.contains(*name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect::<Map<_, _>>()
        .into()
}

fn with_table(request: &Json, table: &str) -> Json {
    let mut request = request.clone();
    request["TableName"] = table.into();
    request
}

fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::dynamo::Dynamo;

    const TABLE: &str = "state";

    async fn ask(dynamo: &Dynamo, operation: &str, request: Json) -> Json {
        let answer = dynamo.call(operation, &request.to_string()).await;
        assert!(answer.status.is_success(), "{operation}: {}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    async fn table(folder: &tempfile::TempDir) -> Dynamo {
        let dynamo = Dynamo::open(&folder.path().join("db.sqlite")).unwrap();
        let key = |hash: &str, range: &str| {
            json!([{"AttributeName": hash, "KeyType": "HASH"},
                {"AttributeName": range, "KeyType": "RANGE"}])
        };
        let index = json!({"IndexName": "lists", "KeySchema": key("list", "list_at"),
            "Projection": {"ProjectionType": "KEYS_ONLY"}});
        let definition =
            |(name, kind): (&str, &str)| json!({"AttributeName": name, "AttributeType": kind});
        let definitions =
            [("pk", "S"), ("sk", "S"), ("list", "S"), ("list_at", "N")].map(definition);
        let request = json!({"TableName": TABLE, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": definitions, "KeySchema": key("pk", "sk"),
            "GlobalSecondaryIndexes": [index]});
        ask(&dynamo, "CreateTable", request).await;
        dynamo
    }

    fn item(sk: &str, at: u64) -> Json {
        json!({"pk": {"S": "p"}, "sk": {"S": sk}, "list": {"S": "due"},
            "list_at": {"N": at.to_string()}, "more": {"S": "x"}})
    }

    async fn put(dynamo: &Dynamo, item: Json) {
        ask(dynamo, "PutItem", json!({"TableName": TABLE, "Item": item})).await;
    }

    /// The sort keys that the index shows, in its order.
    async fn shown(dynamo: &Dynamo) -> Vec<String> {
        let query = json!({"TableName": TABLE, "IndexName": "lists",
            "KeyConditionExpression": "#list = :list AND list_at <= :at",
            "ExpressionAttributeNames": {"#list": "list"},
            "ExpressionAttributeValues": {":list": {"S": "due"}, ":at": {"N": "100"}}});
        let found = ask(dynamo, "Query", query).await;
        let items = found["Items"].as_array().unwrap();
        assert!(items.iter().all(|item| item["more"].is_null()), "keys only: {items:?}");
        items.iter().map(|item| item["sk"]["S"].as_str().unwrap().to_owned()).collect()
    }

    #[tokio::test]
    async fn an_index_shows_what_is_in_a_list_by_its_time_however_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let dynamo = table(&folder).await;
        put(&dynamo, item("late", 90)).await;
        put(&dynamo, item("later", 101)).await;
        let writes = json!({"RequestItems": {TABLE: [{"PutRequest": {"Item": item("early", 1)}}]}});
        ask(&dynamo, "BatchWriteItem", writes).await;
        let part = json!({"Put": {"TableName": TABLE, "Item": item("middle", 50)}});
        ask(&dynamo, "TransactWriteItems", json!({"TransactItems": [part]})).await;
        assert_eq!(shown(&dynamo).await, ["early", "middle", "late"]);

        let key = |sk: &str| json!({"pk": {"S": "p"}, "sk": {"S": sk}});
        ask(&dynamo, "DeleteItem", json!({"TableName": TABLE, "Key": key("early")})).await;
        let leave = json!({"TableName": TABLE, "Key": key("late"),
            "UpdateExpression": "REMOVE #list", "ExpressionAttributeNames": {"#list": "list"}});
        ask(&dynamo, "UpdateItem", leave).await;
        assert_eq!(shown(&dynamo).await, ["middle"]);
    }

    #[tokio::test]
    async fn an_index_that_lags_shows_the_past_and_then_follows() {
        let folder = tempfile::tempdir().unwrap();
        let dynamo = table(&folder).await;
        put(&dynamo, item("one", 1)).await;
        dynamo.let_indexes_lag(Duration::from_hours(24 * 365));
        put(&dynamo, item("two", 2)).await;
        assert_eq!(shown(&dynamo).await, ["one"], "it knows nothing of the second");
        dynamo.let_indexes_lag(Duration::from_millis(50));
        put(&dynamo, item("three", 3)).await;
        while shown(&dynamo).await != ["one", "three"] {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(dynamo);
        let again = Dynamo::open(&folder.path().join("db.sqlite")).unwrap();
        assert_eq!(shown(&again).await, ["one", "two", "three"], "a restart makes up for it");
    }
}
