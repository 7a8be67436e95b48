//! Cutting a list of messages into the batches that SQS takes.

use std::time::Duration;

use domain::{
    message::Message,
    work::{Again, EncodeError, encode, encode_again},
};

/// SQS: a batch holds at most 10 entries.
pub(super) const MAX_ENTRIES: usize = 10;
/// SQS: and at most 1 MiB in all.
const MAX_BYTES: usize = 1_048_576;

/// A message to send.
#[derive(Clone, Debug)]
pub struct QueueEntry {
    /// Its text.
    pub body: String,
    /// Whom it is for, so that a standard queue shares its consumers fairly among groups.
    pub group: Option<String>,
    /// How long the message is hidden.
    pub delay: Duration,
}

impl QueueEntry {
    /// A delivery, which becomes visible after `delay`. Its project's messages are a group: SQS
    /// serves the groups of a queue fairly, and a project has as many URLs as it likes.
    pub fn new(message: &Message, delay: Duration) -> Result<Self, EncodeError> {
        Ok(Self { body: encode(message)?, group: Some(message.project.to_string()), delay })
    }

    /// A message about a delivery that has a row. It has no group: SQS takes hidden messages for
    /// messages in flight, and would take whoever waits for noisy.
    pub fn again(again: &Again, delay: Duration) -> Result<Self, EncodeError> {
        Ok(Self { body: encode_again(again)?, group: None, delay })
    }
}

/// Batches that keep to both limits, in order, each made when it is asked for. Ends with the first
/// error.
pub(super) fn batches<E>(
    messages: impl Iterator<Item = Result<QueueEntry, E>>,
) -> impl Iterator<Item = Result<Vec<QueueEntry>, E>> {
    let mut messages = messages.peekable();
    std::iter::from_fn(move || {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        let fits = |next: &Result<QueueEntry, E>, batch: &[QueueEntry], bytes: usize| {
            batch.is_empty()
                || batch.len() < MAX_ENTRIES
                    && next.as_ref().is_ok_and(|next| bytes + next.body.len() <= MAX_BYTES)
        };
        while let Some(next) = messages.next_if(|next| fits(next, &batch, bytes)) {
            match next {
                Ok(message) => {
                    bytes += message.body.len();
                    batch.push(message);
                }
                Err(error) => return Some(Err(error)),
            }
        }
        (!batch.is_empty()).then_some(Ok(batch))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn batches_keep_order_and_both_limits(
            sizes in proptest::collection::vec(1..300_000_usize, 0..60),
        ) {
            let messages = sizes.iter().map(|size| QueueEntry { body: "x".repeat(*size),
                group: None, delay: Duration::ZERO });
            let batches: Vec<_> = batches::<()>(messages.map(Ok)).map(Result::unwrap).collect();
            prop_assert_eq!(batches.iter().flatten().map(|m| m.body.len()).collect::<Vec<_>>(),
                sizes);
            for batch in batches {
                prop_assert!(!batch.is_empty() && batch.len() <= MAX_ENTRIES);
                prop_assert!(batch.iter().map(|m| m.body.len()).sum::<usize>() <= MAX_BYTES);
            }
        }
    }

    #[test]
    fn an_error_ends_the_batches_behind_those_before_it() {
        let message =
            || Ok(QueueEntry { body: "x".to_owned(), group: None, delay: Duration::ZERO });
        let got: Vec<_> = batches([message(), message(), Err("broken")].into_iter())
            .map(|batch| batch.map(|batch| batch.len()))
            .collect();
        assert_eq!(got, [Ok(2), Err("broken")]);
    }
}
