//! Cutting a list of messages into the batches that SQS takes.

use std::time::Duration;

/// SQS: a batch holds at most 10 entries.
pub(super) const MAX_ENTRIES: usize = 10;
/// SQS: and at most 1 MiB in all.
const MAX_BYTES: usize = 1_048_576;

/// A message to send.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Its text.
    pub body: String,
    /// Whom it is for, so that a standard queue shares its consumers fairly among groups.
    pub group: Option<String>,
    /// How long nobody receives it.
    pub delay: Duration,
}

/// Batches that keep to both limits, in order.
pub(super) fn batches(messages: Vec<Outgoing>) -> Vec<Vec<Outgoing>> {
    let mut batches: Vec<Vec<Outgoing>> = Vec::new();
    let mut bytes = 0;
    for message in messages {
        bytes += message.body.len();
        match batches.last_mut() {
            Some(batch) if batch.len() < MAX_ENTRIES && bytes <= MAX_BYTES => batch.push(message),
            _ => {
                bytes = message.body.len();
                batches.push(vec![message]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn batches_keep_order_and_both_limits(sizes in proptest::collection::vec(1..300_000_usize, 0..60)) {
            let messages = sizes.iter().map(|size| Outgoing { body: "x".repeat(*size), group: None, delay: Duration::ZERO }).collect();
            let batches = batches(messages);
            prop_assert_eq!(batches.iter().flatten().map(|m| m.body.len()).collect::<Vec<_>>(), sizes);
            for batch in batches {
                prop_assert!(!batch.is_empty() && batch.len() <= MAX_ENTRIES);
                prop_assert!(batch.iter().map(|m| m.body.len()).sum::<usize>() <= MAX_BYTES);
            }
        }
    }
}
