//! Which queue a call is about, read without performing it: for permissions and counters at the
//! front door.
//!
//! A call names its queue in one of four ways: by URL, by name, by ARN, or inside a task handle.

use std::borrow::Cow;

use serde::Deserialize;

use super::{arn::name_of_arn, handle::TaskHandle, queue::name_of_url};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Names<'a> {
    #[serde(borrow)]
    queue_url: Option<Cow<'a, str>>,
    #[serde(borrow)]
    queue_name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    source_arn: Option<Cow<'a, str>>,
    #[serde(borrow)]
    task_handle: Option<Cow<'a, str>>,
}

/// The queue's name, if the call names one.
pub(crate) fn queue_of(operation: &str, body: &[u8]) -> Option<String> {
    let names: Names<'_> = serde_json::from_slice(body).ok()?;
    let name = match operation {
        "ListQueues" => None,
        "CreateQueue" | "GetQueueUrl" => names.queue_name.as_deref().map(str::to_owned),
        "StartMessageMoveTask" | "ListMessageMoveTasks" => {
            name_of_arn(names.source_arn.as_deref()?).map(str::to_owned)
        }
        "CancelMessageMoveTask" => {
            let handle = TaskHandle::decode(names.task_handle.as_deref()?)?;
            name_of_arn(&handle.source_arn).map(str::to_owned)
        }
        _ => names.queue_url.as_deref().map(|url| name_of_url(url).to_owned()),
    };
    name.filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_naming_a_queue_is_understood() {
        let handle =
            TaskHandle { task_id: 1, source_arn: "arn:aws:sqs:us-east-1:000000000000:dead".into() }
                .encode();
        let cancel = format!(r#"{{"TaskHandle":"{handle}"}}"#);
        for (operation, body, name) in [
            (
                "SendMessage",
                r#"{"MessageBody":"a","QueueUrl":"http://x:1/0/orders"}"#,
                Some("orders"),
            ),
            ("CreateQueue", r#"{"QueueName":"orders"}"#, Some("orders")),
            ("ListQueues", r#"{"QueueNamePrefix":"o"}"#, None),
            (
                "StartMessageMoveTask",
                r#"{"SourceArn":"arn:aws:sqs:us-east-1:000000000000:dead"}"#,
                Some("dead"),
            ),
            ("CancelMessageMoveTask", &cancel, Some("dead")),
            ("SendMessage", "no JSON", None),
        ] {
            assert_eq!(queue_of(operation, body.as_bytes()).as_deref(), name, "{operation}");
        }
    }
}
