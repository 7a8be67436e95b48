//! A batch of which half is carried out.

use serde_json::{Map, Value as Json, json};

/// A batch, cut in two.
#[derive(Debug)]
pub(in crate::aws) struct Split {
    /// The request with the entries that are carried out; `None` if there are none.
    pub(in crate::aws) done: Option<Json>,
    left: Left,
}

#[derive(Debug)]
enum Left {
    /// DynamoDB's member of the answer, and its value.
    Unprocessed(&'static str, Json),
    /// The ids of SQS's entries.
    Failed(Vec<Json>),
}

impl Split {
    /// Cuts a batch to the first half of its entries, those of its first table; `None` if the
    /// request is no batch.
    pub(in crate::aws) fn of(operation: &str, request: &Json) -> Option<Self> {
        match operation {
            "BatchWriteItem" => Self::table(request, "UnprocessedItems", None),
            "BatchGetItem" => Self::table(request, "UnprocessedKeys", Some("Keys")),
            "SendMessageBatch" | "ChangeMessageVisibilityBatch" | "DeleteMessageBatch" => {
                let (done, left) = halves(&request["Entries"])?;
                let ids = left.iter().map(|entry| entry["Id"].clone()).collect();
                let done =
                    (!done.is_empty()).then(|| with(request, &["Entries"], Json::Array(done)));
                Some(Self { done, left: Left::Failed(ids) })
            }
            _ => None,
        }
    }

    fn table(request: &Json, name: &'static str, member: Option<&str>) -> Option<Self> {
        let (table, _) = request["RequestItems"].as_object()?.iter().next()?;
        let path: Vec<&str> = ["RequestItems", table].into_iter().chain(member).collect();
        let (done, left) = halves(path.iter().fold(request, |json, key| &json[*key]))?;
        let left = with(request, &path, Json::Array(left))["RequestItems"].take();
        let done = (!done.is_empty()).then(|| with(request, &path, Json::Array(done)));
        Some(Self { done, left: Left::Unprocessed(name, left) })
    }

    /// The answer to the whole request, made of the one to what was carried out.
    pub(in crate::aws) fn answer(self, done: Json) -> Json {
        let mut answer = if done.is_object() { done } else { Json::Object(Map::new()) };
        match self.left {
            Left::Unprocessed(name, left) => answer[name] = left,
            Left::Failed(ids) => {
                let failed = |id| {
                    json!({"Id": id, "SenderFault": false, "Code": "InternalError",
                    "Message": "We encountered an internal error."})
                };
                answer["Failed"] = ids.into_iter().map(failed).collect();
                if answer["Successful"].is_null() {
                    answer["Successful"] = json!([]);
                }
            }
        }
        answer
    }
}

fn halves(entries: &Json) -> Option<(Vec<Json>, Vec<Json>)> {
    let entries = entries.as_array()?;
    let (done, left) = entries.split_at(entries.len() / 2);
    Some((done.to_vec(), left.to_vec()))
}

fn with(request: &Json, path: &[&str], value: Json) -> Json {
    let mut changed = request.clone();
    *path.iter().fold(&mut changed, |json, key| &mut json[*key]) = value;
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_a_batch_is_done_and_the_other_half_is_named() {
        let split = Split::of(
            "BatchGetItem",
            &json!({"RequestItems": {"T": {"Keys": [1, 2, 3], "ConsistentRead": true}}}),
        )
        .unwrap();
        assert_eq!(
            split.done,
            Some(json!({"RequestItems": {"T": {"Keys": [1], "ConsistentRead": true}}}))
        );
        let answer = split.answer(json!({"Responses": {"T": []}}));
        assert_eq!(
            answer,
            json!({"Responses": {"T": []}, "UnprocessedKeys": {"T": {"Keys": [2, 3],
                "ConsistentRead": true}}})
        );
    }

    #[test]
    fn of_one_entry_nothing_is_done() {
        let split =
            Split::of("SendMessageBatch", &json!({"QueueUrl": "q", "Entries": [{"Id": "0"}]}))
                .unwrap();
        assert_eq!(split.done, None);
        let answer = split.answer(Json::Null);
        assert_eq!((&answer["Successful"], &answer["Failed"][0]["Id"]), (&json!([]), &json!("0")));
    }

    #[test]
    fn what_is_no_batch_is_not_cut() {
        assert!(Split::of("PutItem", &json!({"Item": {}})).is_none());
    }
}
