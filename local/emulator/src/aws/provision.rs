//! Creates the template's tables and queues, through the SDK, so that embedded stand-ins and other
//! emulators are treated alike.
//!
//! `CreateQueue` on an existing queue with other attributes is an error, and a redrive policy needs
//! its dead-letter queue first. So queues are created bare and given their attributes afterwards.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, TableStatus, TimeToLiveSpecification, TimeToLiveStatus,
};
use aws_sdk_sqs::types::QueueAttributeName;

use super::clients::Clients;
use sam_template::{Index, Key, Queue, Table, Template};

/// Attributes that mean something on one machine; encryption and who may redrive do not.
const QUEUE_ATTRIBUTES: [&str; 6] = [
    "DelaySeconds",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "RedrivePolicy",
    "VisibilityTimeout",
];

/// How often a table that is being created is looked at, and how many times (30 s in all; embedded
/// tables are there at once).
const TABLE_POLL: Duration = Duration::from_millis(100);
const TABLE_POLLS: usize = 300;

/// A table or queue that couldn't be created.
#[derive(Debug, thiserror::Error)]
#[error("can't create {what}: {reason}")]
pub struct ProvisionError {
    what: String,
    reason: String,
}

/// Creates what isn't there yet. Returns the queues' URLs by logical id.
pub async fn provision(
    template: &Template,
    clients: &Clients,
) -> Result<BTreeMap<String, String>, ProvisionError> {
    for table in &template.tables {
        let created = create_table(table, &clients.dynamodb).await;
        created
            .map_err(|reason| ProvisionError { what: format!("table {}", table.name), reason })?;
    }
    let mut urls = BTreeMap::new();
    for queue in &template.queues {
        let url = create_queue(queue, &clients.sqs).await;
        let url =
            url.map_err(|reason| ProvisionError { what: format!("queue {}", queue.name), reason })?;
        urls.insert(queue.logical_id.clone(), url);
    }
    for queue in &template.queues {
        let set = set_attributes(queue, &urls[&queue.logical_id], &clients.sqs).await;
        set.map_err(|reason| ProvisionError { what: format!("queue {}", queue.name), reason })?;
    }
    Ok(urls)
}

async fn create_table(table: &Table, dynamodb: &aws_sdk_dynamodb::Client) -> Result<(), String> {
    let request =
        dynamodb.create_table().table_name(&table.name).billing_mode(BillingMode::PayPerRequest);
    let own = std::iter::once(&table.partition_key).chain(&table.sort_key);
    let of_indexes = table
        .indexes
        .iter()
        .flat_map(|index| std::iter::once(&index.partition_key).chain(&index.sort_key));
    let definitions = own.chain(of_indexes).map(definition).collect::<Result<_, _>>()?;
    let indexes = table.indexes.iter().map(index).collect::<Result<Vec<_>, _>>()?;
    let request = request
        .set_attribute_definitions(Some(definitions))
        .set_key_schema(Some(key_schema(&table.partition_key, table.sort_key.as_ref())?))
        .set_global_secondary_indexes((!indexes.is_empty()).then_some(indexes));
    match request.send().await {
        Ok(_) => {}
        Err(error) if error.code() == Some("ResourceInUseException") => {}
        Err(error) => return Err(DisplayErrorContext(error).to_string()),
    }
    wait_until_active(table, dynamodb).await?;
    match &table.ttl_attribute {
        Some(attribute) => enable_ttl(table, attribute, dynamodb).await,
        None => Ok(()),
    }
}

fn index(index: &Index) -> Result<GlobalSecondaryIndex, String> {
    let keys = Projection::builder().projection_type(ProjectionType::KeysOnly).build();
    GlobalSecondaryIndex::builder()
        .index_name(&index.name)
        .set_key_schema(Some(key_schema(&index.partition_key, index.sort_key.as_ref())?))
        .projection(keys)
        .build()
        .map_err(|error| error.to_string())
}

fn key_schema(partition: &Key, sort: Option<&Key>) -> Result<Vec<KeySchemaElement>, String> {
    let keys =
        std::iter::once((partition, KeyType::Hash)).chain(sort.map(|key| (key, KeyType::Range)));
    keys.map(|(key, kind)| {
        let element = KeySchemaElement::builder().attribute_name(&key.name).key_type(kind);
        element.build().map_err(|error| error.to_string())
    })
    .collect()
}

fn definition(key: &Key) -> Result<AttributeDefinition, String> {
    AttributeDefinition::builder()
        .attribute_name(&key.name)
        .attribute_type(ScalarAttributeType::from(key.kind.as_str()))
        .build()
        .map_err(|error| error.to_string())
}

async fn wait_until_active(
    table: &Table,
    dynamodb: &aws_sdk_dynamodb::Client,
) -> Result<(), String> {
    for _ in 0..TABLE_POLLS {
        let described = dynamodb.describe_table().table_name(&table.name).send().await;
        let described = described.map_err(|error| DisplayErrorContext(error).to_string())?;
        if described.table.and_then(|table| table.table_status) == Some(TableStatus::Active) {
            return Ok(());
        }
        tokio::time::sleep(TABLE_POLL).await;
    }
    Err("it doesn't become active".to_owned())
}

async fn enable_ttl(
    table: &Table,
    attribute: &str,
    dynamodb: &aws_sdk_dynamodb::Client,
) -> Result<(), String> {
    let described = dynamodb.describe_time_to_live().table_name(&table.name).send().await;
    let described = described.map_err(|error| DisplayErrorContext(error).to_string())?;
    let status =
        described.time_to_live_description.and_then(|description| description.time_to_live_status);
    // Enabling it again is an error.
    if matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)) {
        return Ok(());
    }
    let specification =
        TimeToLiveSpecification::builder().enabled(true).attribute_name(attribute).build();
    let specification = specification.map_err(|error| error.to_string())?;
    let updated = dynamodb
        .update_time_to_live()
        .table_name(&table.name)
        .time_to_live_specification(specification)
        .send()
        .await;
    updated.map(drop).map_err(|error| DisplayErrorContext(error).to_string())
}

async fn create_queue(queue: &Queue, sqs: &aws_sdk_sqs::Client) -> Result<String, String> {
    let existing = sqs.get_queue_url().queue_name(&queue.name).send().await;
    if let Some(url) = existing.ok().and_then(|found| found.queue_url) {
        return Ok(url);
    }
    let created = sqs.create_queue().queue_name(&queue.name).send().await;
    let created = created.map_err(|error| DisplayErrorContext(error).to_string())?;
    created.queue_url.ok_or_else(|| "CreateQueue answered no URL".to_owned())
}

async fn set_attributes(queue: &Queue, url: &str, sqs: &aws_sdk_sqs::Client) -> Result<(), String> {
    let wanted =
        queue.attributes.iter().filter(|(name, _)| QUEUE_ATTRIBUTES.contains(&name.as_str()));
    let attributes: HashMap<_, _> = wanted
        .map(|(name, value)| (QueueAttributeName::from(name.as_str()), value.clone()))
        .collect();
    if attributes.is_empty() {
        return Ok(());
    }
    let set =
        sqs.set_queue_attributes().queue_url(url).set_attributes(Some(attributes)).send().await;
    set.map(drop).map_err(|error| DisplayErrorContext(error).to_string())
}
