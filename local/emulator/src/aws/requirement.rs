//! What a call needs to be allowed: its IAM actions, each on a resource.
//!
//! An operation's name isn't always its action. A transaction needs the action of each operation
//! inside it, `SendMessageBatch` needs `sqs:SendMessage`; but `BatchWriteItem` and `BatchGetItem`
//! are actions of their own (source: AWS service authorization reference).

use serde_json::Value as Json;

use sam_template::Settings;

/// The service that a call goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// DynamoDB.
    DynamoDb,
    /// SQS.
    Sqs,
}

impl Service {
    /// Its prefix in IAM actions and ARNs.
    pub fn name(self) -> &'static str {
        match self {
            Self::DynamoDb => "dynamodb",
            Self::Sqs => "sqs",
        }
    }
}

/// One action on one resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Requirement {
    /// Such as `dynamodb:GetItem`.
    pub action: String,
    /// An ARN, or `*` where the operation names no resource.
    pub resource: String,
}

/// What `operation` with this body needs.
pub fn requirements(
    service: Service,
    operation: &str,
    body: &Json,
    settings: &Settings,
) -> Vec<Requirement> {
    let mut needed = match service {
        Service::DynamoDb => of_dynamodb(operation, body, settings),
        Service::Sqs => of_sqs(operation, body, settings),
    };
    if needed.is_empty() {
        needed.push(Requirement {
            action: format!("{}:{operation}", service.name()),
            resource: "*".to_owned(),
        });
    }
    needed.sort();
    needed.dedup();
    needed
}

fn of_dynamodb(operation: &str, body: &Json, settings: &Settings) -> Vec<Requirement> {
    let on = |action: &str, table: &str| Requirement {
        action: format!("dynamodb:{action}"),
        resource: table_arn(table, settings),
    };
    match operation {
        "BatchGetItem" | "BatchWriteItem" => {
            let tables = body["RequestItems"].as_object();
            tables.into_iter().flatten().map(|(table, _)| on(operation, table)).collect()
        }
        "TransactWriteItems" | "TransactGetItems" => {
            let items = body["TransactItems"].as_array();
            let inner = items.into_iter().flatten().filter_map(Json::as_object).flatten();
            inner
                .filter_map(|(name, item)| {
                    Some(on(inner_action(name)?, item["TableName"].as_str()?))
                })
                .collect()
        }
        _ => {
            let table = body["TableName"].as_str().map(|table| on(operation, table));
            let index = body["IndexName"].as_str();
            table
                .map(|mut needed| {
                    needed.resource.extend(index.map(|index| format!("/index/{index}")));
                    needed
                })
                .into_iter()
                .collect()
        }
    }
}

fn inner_action(name: &str) -> Option<&'static str> {
    Some(match name {
        "Put" => "PutItem",
        "Update" => "UpdateItem",
        "Delete" => "DeleteItem",
        "ConditionCheck" => "ConditionCheckItem",
        "Get" => "GetItem",
        _ => return None,
    })
}

/// DynamoDB takes a table's ARN wherever it takes its name.
fn table_arn(table: &str, settings: &Settings) -> String {
    if table.starts_with("arn:") { table.to_owned() } else { settings.table_arn(table) }
}

fn of_sqs(operation: &str, body: &Json, settings: &Settings) -> Vec<Requirement> {
    let action = match operation {
        "SendMessageBatch" => "SendMessage",
        "DeleteMessageBatch" => "DeleteMessage",
        "ChangeMessageVisibilityBatch" => "ChangeMessageVisibility",
        other => other,
    };
    let named = body["QueueUrl"]
        .as_str()
        .and_then(|url| url.rsplit('/').next())
        .or_else(|| body["QueueName"].as_str());
    let resource = named
        .map(|name| settings.queue_arn(name))
        .or_else(|| body["SourceArn"].as_str().map(str::to_owned));
    let action = format!("sqs:{action}");
    resource.map(|resource| Requirement { action, resource }).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(service: Service, operation: &str, body: &Json) -> Vec<String> {
        requirements(service, operation, body, &Settings::default())
            .into_iter()
            .map(|needed| {
                format!("{} {}", needed.action, needed.resource.rsplit(':').next().unwrap())
            })
            .collect()
    }

    #[test]
    fn an_operation_on_one_table_needs_the_action_of_its_name() {
        let needed = of(Service::DynamoDb, "Query", &json!({"TableName": "T", "IndexName": "I"}));
        assert_eq!(needed, ["dynamodb:Query table/T/index/I"]);
    }

    #[test]
    fn batches_are_actions_of_their_own_on_every_table_they_touch() {
        let needed =
            of(Service::DynamoDb, "BatchWriteItem", &json!({"RequestItems": {"A": [], "B": []}}));
        assert_eq!(needed, ["dynamodb:BatchWriteItem table/A", "dynamodb:BatchWriteItem table/B"]);
    }

    #[test]
    fn a_transaction_needs_the_action_of_each_operation_inside() {
        let body = json!({"TransactItems": [
            {"Put": {"TableName": "A"}}, {"Put": {"TableName": "A"}},
            {"Update": {"TableName": "B"}},
            {"Delete": {"TableName": "A"}}, {"ConditionCheck": {"TableName": "B"}}]});
        assert_eq!(
            of(Service::DynamoDb, "TransactWriteItems", &body),
            [
                "dynamodb:ConditionCheckItem table/B",
                "dynamodb:DeleteItem table/A",
                "dynamodb:PutItem table/A",
                "dynamodb:UpdateItem table/B"
            ]
        );
    }

    #[test]
    fn batches_of_messages_need_the_action_for_one() {
        let url = json!({"QueueUrl": "http://127.0.0.1:1/000000000000/q"});
        assert_eq!(of(Service::Sqs, "SendMessageBatch", &url), ["sqs:SendMessage q"]);
        assert_eq!(of(Service::Sqs, "DeleteMessageBatch", &url), ["sqs:DeleteMessage q"]);
        assert_eq!(
            of(Service::Sqs, "ChangeMessageVisibility", &url),
            ["sqs:ChangeMessageVisibility q"]
        );
    }

    #[test]
    fn an_operation_without_a_resource_needs_it_on_everything() {
        assert_eq!(of(Service::DynamoDb, "ListTables", &json!({})), ["dynamodb:ListTables *"]);
    }
}
