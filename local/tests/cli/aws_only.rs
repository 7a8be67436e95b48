//! `--aws-only`: DynamoDB and SQS, for functions that run elsewhere.

use emulator::aws::Clients;
use nix::sys::signal::Signal;
use serde_json::Value;

use super::posthaste::{Running, command};

pub(crate) const TEMPLATE: &str = r#"
Resources:
  Items:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }]
      KeySchema: [{ AttributeName: pk, KeyType: HASH }]
  Jobs:
    Type: AWS::SQS::Queue
    Properties: { VisibilityTimeout: 3600 }
  Fake:
    Type: AWS::Serverless::Function
    Metadata: { BuildProperties: { Binary: fake } }
    Properties:
      Environment:
        Variables:
          { TABLE: !Ref Items, QUEUE: !Ref Jobs, TARGET_POLICY: strict, WORDS: "two words" }
"#;

fn clients(running: &Running) -> Clients {
    Clients::new(running.ready["dynamodb_url"].as_str().unwrap(), "me")
}

fn queue_url(running: &Running) -> String {
    format!("{}/000000000000/Jobs", running.ready["sqs_url"].as_str().unwrap())
}

#[test]
fn it_says_how_to_reach_it_and_cleans_up_when_asked_to_stop() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::aws_only(directory.path());
    for field in ["base_url", "project_id", "project_key"] {
        assert_eq!(running.ready[field], Value::Null, "{field}");
    }
    assert_eq!(running.ready["dynamodb_url"], running.ready["sqs_url"]);
    let key = std::fs::read_to_string(directory.path().join(".posthaste/operator-key")).unwrap();
    assert_eq!(running.ready["operator_key"], key.trim());

    let environment =
        std::fs::read_to_string(directory.path().join(".posthaste/functions.env")).unwrap();
    let url = running.ready["sqs_url"].as_str().unwrap();
    for line in [
        "TABLE=\"Items\"",
        "TARGET_POLICY=\"local\"",
        "WORDS=\"two words\"",
        &format!("AWS_ENDPOINT_URL=\"{url}\""),
    ] {
        assert!(environment.lines().any(|actual| actual == line), "{line} in {environment}");
    }

    assert_eq!(running.end(Signal::SIGTERM), Some(0));
    assert!(!directory.path().join("ready.json").exists());
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill_and_what_was_being_handled_goes_on_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::aws_only(directory.path());
    let (clients_before, url) = (clients(&running), queue_url(&running));
    let item = aws_sdk_dynamodb::types::AttributeValue::S("a".into());
    clients_before
        .dynamodb
        .put_item()
        .table_name("Items")
        .item("pk", item.clone())
        .send()
        .await
        .unwrap();
    clients_before.sqs.send_message().queue_url(&url).message_body("job").send().await.unwrap();
    let received = clients_before
        .sqs
        .receive_message()
        .queue_url(&url)
        .wait_time_seconds(20)
        .send()
        .await
        .unwrap();
    assert_eq!(received.messages().len(), 1, "someone handles it");
    assert_eq!(running.end(Signal::SIGKILL), None);

    let running = Running::aws_only(directory.path());
    let clients = clients(&running);
    let read =
        clients.dynamodb.get_item().table_name("Items").key("pk", item).send().await.unwrap();
    assert!(read.item.is_some());
    let again = clients
        .sqs
        .receive_message()
        .queue_url(queue_url(&running))
        .wait_time_seconds(20)
        .send()
        .await
        .unwrap();
    assert_eq!(again.messages()[0].body(), Some("job"), "an hour before its visibility timeout");
}

#[tokio::test]
async fn calls_are_printed_and_reset_by_a_command() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::aws_only(directory.path());
    clients(&running).sqs.list_queues().send().await.unwrap();
    let calls = |arguments: &[&str]| {
        let output = command(directory.path(), arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let table = calls(&["calls"]);
    let row: Vec<_> = table.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row, ["me", "sqs", "ListQueues", "1", "0", "-", "0.0", "0.0"]);
    let json: Value =
        serde_json::from_str(&calls(&["calls", "--ready-file", "ready.json", "--json", "--reset"]))
            .unwrap();
    assert_eq!(json["calls"][0]["operation"], "ListQueues");
    assert!(!calls(&["calls"]).contains("ListQueues"));
}
