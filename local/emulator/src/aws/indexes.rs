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
use super::units::{self, Units};

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

/// A call that went well.
pub(super) struct Called {
    /// Its answer.
    pub(super) body: String,
    /// What it took.
    pub(super) units: Units,
    /// The items that it has written and the indexes don't know yet: none if they don't lag.
    pub(super) unknown: Vec<Place>,
}

impl Called {
    fn free(body: String) -> Self {
        Self { body, units: Units::default(), unknown: Vec::new() }
    }
}

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

    /// Answers a call.
    pub(super) fn call(&self, database: &Database, operation: &str, body: &str) -> Answer<Called> {
        let Ok(request) = serde_json::from_str::<Json>(body) else {
            return Ok(Called::free(dispatch(database, operation, body)?));
        };
        if operation == "CreateTable" && !request["GlobalSecondaryIndexes"].is_null() {
            return Ok(Called::free(self.create(database, &request)?));
        }
        if !request["IndexName"].is_null() {
            let twin = with_table(&request, &format!("{}{TWIN}", text(&request["TableName"])));
            let (body, units) = metered(database, operation, twin)?;
            return Ok(Called { units, ..Called::free(body) });
        }
        let written = self.written(operation, &request);
        let before = self.entries(database, &written)?;
        let (body, mut units) = metered(database, operation, request)?;
        for (before, after) in before.iter().zip(self.entries(database, &written)?) {
            units += units::of_entry(before.as_ref(), after.as_ref());
        }
        if self.lag_millis.load(Ordering::Relaxed) > 0 {
            return Ok(Called { body, units, unknown: written });
        }
        for place in &written {
            self.follow(database, place)?;
        }
        Ok(Called { units, ..Called::free(body) })
    }

    /// The entries that items have in the index, by what their table says.
    fn entries(&self, database: &Database, places: &[Place]) -> Answer<Vec<Option<Json>>> {
        let entry = |place: &Place| {
            let Some(indexed) = self.of(&place.table) else { return Ok(None) };
            let there = get(database, place)?;
            let entry = there["Item"].as_object().map(|item| only(item, &indexed.copied));
            Ok(entry.filter(|entry| {
                entry.as_object().is_some_and(|entry| entry.len() == indexed.copied.len())
            }))
        };
        places.iter().map(entry).collect()
    }

    /// Copies an item to its table's twin, as it is now.
    pub(super) fn follow(&self, database: &Database, place: &Place) -> Answer<()> {
        let Some(indexed) = self.of(&place.table) else { return Ok(()) };
        let _alone = self.copying.lock().unwrap_or_else(PoisonError::into_inner);
        let there = get(database, place)?;
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

/// A call that takes units, and how many.
fn metered(database: &Database, operation: &str, mut request: Json) -> Answer<(String, Units)> {
    if !units::are_taken_by(operation) || !request["ReturnConsumedCapacity"].is_null() {
        return Ok((dispatch(database, operation, &request.to_string())?, Units::default()));
    }
    request["ReturnConsumedCapacity"] = "TOTAL".into();
    let mut answer = ask(database, operation, &request)?;
    let units = units::of_tables(operation, &mut answer);
    Ok((answer.to_string(), units))
}

fn get(database: &Database, place: &Place) -> Answer<Json> {
    let get = json!({"TableName": place.table, "Key": place.key, "ConsistentRead": true});
    ask(database, "GetItem", &get)
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

    async fn units(dynamo: &Dynamo, operation: &str, request: Json) -> [f64; 2] {
        let Units { reads, writes } = dynamo.call(operation, &request.to_string()).await.units;
        [reads, writes]
    }

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

    #[tokio::test]
    async fn calls_take_units_of_their_table_and_of_its_index() {
        let folder = tempfile::tempdir().unwrap();
        let dynamo = table(&folder).await;
        let key = json!({"pk": {"S": "p"}, "sk": {"S": "one"}});
        let put = |item: Json| json!({"TableName": TABLE, "Item": item});
        let update = |change: &str, value: Json| {
            let (names, values) = (json!({"#it": "list_at"}), json!({":it": value}));
            json!({"TableName": TABLE, "Key": key, "UpdateExpression": change,
                "ExpressionAttributeNames": names, "ExpressionAttributeValues": values})
        };
        let get =
            |strongly: bool| json!({"TableName": TABLE, "Key": key, "ConsistentRead": strongly});
        let mut large = item("one", 1);
        large["more"] = json!({"S": "x".repeat(1_500)});
        let other = json!({"TableName": TABLE, "Key": key, "UpdateExpression": "SET spare = :it",
            "ExpressionAttributeValues": {":it": {"S": "x"}}});
        let refused = json!({"TableName": TABLE, "Item": item("one", 1),
            "ConditionExpression": "attribute_not_exists(pk)"});
        for (operation, request, expected) in [
            ("PutItem", put(item("one", 1)), [0.0, 2.0]),
            ("PutItem", put(item("one", 1)), [0.0, 1.0]),
            ("UpdateItem", update("SET #it = :it", json!({"N": "2"})), [0.0, 3.0]),
            ("UpdateItem", other, [0.0, 1.0]),
            ("PutItem", refused, [0.0, 1.0]),
            ("PutItem", put(large), [0.0, 4.0]),
            ("GetItem", get(true), [1.0, 0.0]),
            ("GetItem", get(false), [0.5, 0.0]),
            ("DeleteItem", json!({"TableName": TABLE, "Key": key}), [0.0, 3.0]),
        ] {
            let taken = units(&dynamo, operation, request.clone()).await;
            assert_eq!(
                taken.map(f64::to_bits),
                expected.map(f64::to_bits),
                "{operation} {request}"
            );
        }
        let answer = dynamo.call("GetItem", &get(true).to_string()).await;
        assert!(!answer.body.contains("Capacity"), "it says no more than it was asked for");
    }
}
