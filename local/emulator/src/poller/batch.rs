//! Which messages of a batch are done, by the function's answer (Lambda, "Reporting batch item
//! failures").
//!
//! An answer that can't be understood means that *all* failed, but an empty one (`null`, `{}`, no
//! failures listed) that all succeeded.

use std::collections::BTreeSet;

use serde_json::Value as Json;

/// What a function's answer says about its batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Everything is done.
    AllDone,
    /// Everything but these messages is done.
    AllBut(BTreeSet<String>),
    /// Nothing is done; the text says why the answer counts so.
    NoneDone(String),
}

impl Verdict {
    /// Whether the message with this id is done, and must be deleted.
    pub fn is_done(&self, message_id: &str) -> bool {
        match self {
            Self::AllDone => true,
            Self::AllBut(failed) => !failed.contains(message_id),
            Self::NoneDone(_) => false,
        }
    }
}

/// Reads the answer to a batch of messages with these ids. `reports` says whether the source has
/// `ReportBatchItemFailures`: without, any answer at all means success.
pub fn verdict(answer: &[u8], message_ids: &BTreeSet<String>, reports: bool) -> Verdict {
    if !reports {
        return Verdict::AllDone;
    }
    let answer: Json =
        match serde_json::from_slice(if answer.is_empty() { b"null" } else { answer }) {
            Ok(answer) => answer,
            Err(error) => return Verdict::NoneDone(format!("the answer isn't JSON: {error}")),
        };
    let failures = match &answer {
        Json::Null => return Verdict::AllDone,
        Json::Object(fields) => fields.get("batchItemFailures").unwrap_or(&Json::Null),
        other => return Verdict::NoneDone(format!("the answer is no object: {other}")),
    };
    let failures = match failures {
        Json::Null => return Verdict::AllDone,
        Json::Array(failures) => failures,
        other => return Verdict::NoneDone(format!("batchItemFailures is no list: {other}")),
    };
    let mut failed = BTreeSet::new();
    for failure in failures {
        match failure["itemIdentifier"].as_str() {
            Some(id) if message_ids.contains(id) => drop(failed.insert(id.to_owned())),
            other => {
                return Verdict::NoneDone(format!(
                    "itemIdentifier {other:?} is none of the batch's message ids"
                ));
            }
        }
    }
    if failed.is_empty() { Verdict::AllDone } else { Verdict::AllBut(failed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> BTreeSet<String> {
        ["a", "b", "c"].map(str::to_owned).into()
    }

    fn read(answer: &str) -> Verdict {
        verdict(answer.as_bytes(), &ids(), true)
    }

    #[test]
    fn empty_answers_mean_that_all_is_done() {
        for answer in
            ["", "null", "{}", r#"{"batchItemFailures": null}"#, r#"{"batchItemFailures": []}"#]
        {
            assert_eq!(read(answer), Verdict::AllDone, "{answer}");
        }
    }

    #[test]
    fn listed_failures_stay_in_the_queue_and_the_rest_is_done() {
        let verdict =
            read(r#"{"batchItemFailures": [{"itemIdentifier": "b"}, {"itemIdentifier": "b"}]}"#);
        assert!(verdict.is_done("a") && !verdict.is_done("b") && verdict.is_done("c"));
    }

    #[test]
    fn an_answer_that_cannot_be_understood_means_that_all_failed() {
        for answer in [
            "nope",
            "\"text\"",
            "[]",
            r#"{"batchItemFailures": {}}"#,
            r#"{"batchItemFailures": [{"itemIdentifier": ""}]}"#,
            r#"{"batchItemFailures": [{"itemIdentifier": null}]}"#,
            r#"{"batchItemFailures": [{"itemIdentifier": "b"}, {"itemIdentifier": "x"}]}"#,
            r#"{"batchItemFailures": [{"itemidentifier": "b"}]}"#,
        ] {
            let verdict = read(answer);
            assert!(ids().iter().all(|id| !verdict.is_done(id)), "{answer}");
        }
    }

    #[test]
    fn without_item_failures_any_answer_is_success() {
        assert_eq!(verdict(b"\"whatever\"", &ids(), false), Verdict::AllDone);
    }
}
