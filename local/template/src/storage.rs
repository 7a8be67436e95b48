//! Tables and queues of the template.
//!
//! A physical name that the template doesn't set is the logical id, never a generated one, so that
//! a data directory stays usable from start to start.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::intrinsic::{Reference, Resolver, plain};

/// One attribute of a table's primary key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Attribute name.
    pub name: String,
    /// `S`, `N` or `B`.
    pub kind: String,
}

/// A global secondary index of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// ARN.
    pub arn: String,
    /// Partition key.
    pub partition_key: Key,
    /// Sort key.
    pub sort_key: Option<Key>,
}

/// An `AWS::DynamoDB::Table`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Key in the template's `Resources`.
    pub logical_id: String,
    /// Physical name.
    pub name: String,
    /// ARN.
    pub arn: String,
    /// Partition key.
    pub partition_key: Key,
    /// Sort key.
    pub sort_key: Option<Key>,
    /// Indexes, of which each holds its own keys and the table's, and nothing else.
    pub indexes: Vec<Index>,
    /// Attribute that holds an item's expiry in Unix seconds.
    pub ttl_attribute: Option<String>,
}

/// An `AWS::SQS::Queue`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Key in the template's `Resources`.
    pub logical_id: String,
    /// Physical name.
    pub name: String,
    /// ARN.
    pub arn: String,
    /// URL that SDK calls name the queue by.
    pub url: String,
    /// Attributes as `CreateQueue` takes them (`VisibilityTimeout`, `RedrivePolicy`, …), all as
    /// text; seconds and bytes as SQS defines them.
    pub attributes: BTreeMap<String, String>,
    /// Where messages go that were received too often.
    pub redrive: Option<RedrivePolicy>,
}

/// A queue's `RedrivePolicy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedrivePolicy {
    /// ARN of the dead-letter queue.
    pub dead_letter_arn: String,
    /// Receives after which a message is moved there (1–1,000).
    pub max_receive_count: u32,
}

/// Queue properties that are `CreateQueue` attributes of the same name.
const QUEUE_ATTRIBUTES: [&str; 8] = [
    "DelaySeconds",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "VisibilityTimeout",
    "SqsManagedSseEnabled",
    "RedrivePolicy",
    "RedriveAllowPolicy",
];

impl Table {
    pub(super) fn read(resolver: &Resolver<'_>, id: &str, resource: &Json) -> Result<Self, String> {
        let properties = resolver.resolve(&resource["Properties"])?;
        let name = name_of(resolver, id, resource, "TableName")?;
        if !properties["LocalSecondaryIndexes"].is_null() {
            return Err("local secondary indexes aren't supported by the local stack".to_owned());
        }
        let arn = resolver.settings.table_arn(&name);
        let definitions = &properties["AttributeDefinitions"];
        let indexes = properties["GlobalSecondaryIndexes"].as_array();
        let indexes =
            indexes.into_iter().flatten().map(|index| Index::read(index, definitions, &arn));
        let key = |role| key_of(&properties["KeySchema"], definitions, role);
        Ok(Self {
            logical_id: id.to_owned(),
            name,
            partition_key: key("HASH")?.ok_or("KeySchema names no HASH key")?,
            sort_key: key("RANGE")?,
            indexes: indexes.collect::<Result<_, String>>()?,
            arn,
            ttl_attribute: ttl_of(&properties),
        })
    }
}

impl Index {
    fn read(index: &Json, definitions: &Json, table_arn: &str) -> Result<Self, String> {
        let name = index["IndexName"].as_str().ok_or("an index has no IndexName")?;
        if index["Projection"]["ProjectionType"] != "KEYS_ONLY" {
            return Err(format!("the local stack knows indexes of keys only, which {name} isn't"));
        }
        let key = |role| key_of(&index["KeySchema"], definitions, role);
        Ok(Self {
            name: name.to_owned(),
            arn: format!("{table_arn}/index/{name}"),
            partition_key: key("HASH")?.ok_or_else(|| format!("{name} names no HASH key"))?,
            sort_key: key("RANGE")?,
        })
    }
}

impl Queue {
    pub(super) fn read(resolver: &Resolver<'_>, id: &str, resource: &Json) -> Result<Self, String> {
        let properties = resolver.resolve(&resource["Properties"])?;
        let name = name_of(resolver, id, resource, "QueueName")?;
        Ok(Self {
            logical_id: id.to_owned(),
            arn: resolver.settings.queue_arn(&name),
            url: resolver.settings.queue_url(id, &name),
            name,
            attributes: attributes_of(&properties)?,
            redrive: redrive_of(&properties)?,
        })
    }

    /// An attribute that is a number: seconds or bytes.
    pub fn number(&self, attribute: &str) -> Option<u64> {
        self.attributes.get(attribute)?.parse().ok()
    }
}

pub(super) fn table_reference(
    resolver: &Resolver<'_>,
    id: &str,
    resource: &Json,
) -> Result<Reference, String> {
    let name = name_of(resolver, id, resource, "TableName")?;
    let arn = resolver.settings.table_arn(&name);
    Ok(Reference { reference: name, attributes: BTreeMap::from([("Arn", arn)]) })
}

pub(super) fn queue_reference(
    resolver: &Resolver<'_>,
    id: &str,
    resource: &Json,
) -> Result<Reference, String> {
    let name = name_of(resolver, id, resource, "QueueName")?;
    let url = resolver.settings.queue_url(id, &name);
    let attributes = BTreeMap::from([
        ("Arn", resolver.settings.queue_arn(&name)),
        ("QueueUrl", url.clone()),
        ("QueueName", name),
    ]);
    Ok(Reference { reference: url, attributes })
}

pub(super) fn name_of(
    resolver: &Resolver<'_>,
    id: &str,
    resource: &Json,
    property: &str,
) -> Result<String, String> {
    match resource["Properties"].get(property) {
        Some(name) => plain(&resolver.resolve(name)?),
        None => Ok(id.to_owned()),
    }
}

fn key_of(schema: &Json, definitions: &Json, role: &str) -> Result<Option<Key>, String> {
    let entry = |list: &Json, field: &str, value: &str| {
        list.as_array()?.iter().find(|entry| entry[field] == value).cloned()
    };
    let Some(schema) = entry(schema, "KeyType", role) else {
        return Ok(None);
    };
    let name = schema["AttributeName"].as_str().ok_or("a KeySchema entry has no AttributeName")?;
    let definition = entry(definitions, "AttributeName", name)
        .ok_or_else(|| format!("AttributeDefinitions doesn't define the key {name}"))?;
    let kind = definition["AttributeType"]
        .as_str()
        .ok_or_else(|| format!("key {name} has no AttributeType"))?;
    Ok(Some(Key { name: name.to_owned(), kind: kind.to_owned() }))
}

fn ttl_of(properties: &Json) -> Option<String> {
    let specification = &properties["TimeToLiveSpecification"];
    let enabled = plain(&specification["Enabled"]).is_ok_and(|enabled| enabled == "true");
    specification["AttributeName"].as_str().filter(|_| enabled).map(str::to_owned)
}

fn attributes_of(properties: &Json) -> Result<BTreeMap<String, String>, String> {
    let mut attributes = BTreeMap::new();
    for name in QUEUE_ATTRIBUTES {
        match &properties[name] {
            Json::Null => {}
            policy @ Json::Object(_) => {
                drop(attributes.insert(name.to_owned(), policy.to_string()));
            }
            value => drop(attributes.insert(name.to_owned(), plain(value)?)),
        }
    }
    Ok(attributes)
}

fn redrive_of(properties: &Json) -> Result<Option<RedrivePolicy>, String> {
    let policy = &properties["RedrivePolicy"];
    if policy.is_null() {
        return Ok(None);
    }
    let max_receive_count = plain(&policy["maxReceiveCount"])?.parse();
    Ok(Some(RedrivePolicy {
        dead_letter_arn: plain(&policy["deadLetterTargetArn"])?,
        max_receive_count: max_receive_count
            .map_err(|_| "maxReceiveCount is no number".to_owned())?,
    }))
}
