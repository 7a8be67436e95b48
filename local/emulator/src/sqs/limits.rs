//! The quotas of Amazon SQS standard queues, each in one place with its source.
//!
//! Since August 2025 a message and a batch may be 1 MiB, not the 256 KiB of older documentation.

use std::ops::RangeInclusive;

/// SQS: a batch request holds at most 10 entries.
pub(crate) const BATCH_ENTRIES: usize = 10;

/// SQS: a message, or all messages of a batch together, hold at most 1 MiB (1,048,576 bytes),
/// attributes included.
pub(crate) const MESSAGE_BYTES: usize = 1_048_576;

/// SQS: a message has at most 10 message attributes.
pub(crate) const MESSAGE_ATTRIBUTES: usize = 10;

/// SQS: a batch entry's id has at most 80 characters.
pub(crate) const BATCH_ENTRY_ID_CHARS: usize = 80;

/// SQS: a queue's name has at most 80 characters.
pub(crate) const QUEUE_NAME_CHARS: usize = 80;

/// SQS: a message group id has at most 128 characters.
pub(crate) const GROUP_ID_CHARS: usize = 128;

/// SQS: about 120,000 messages of a standard queue may be in flight at once.
pub(crate) const IN_FLIGHT: u64 = 120_000;

/// SQS: a delay is 0 to 900 seconds.
pub(crate) const DELAY_S: RangeInclusive<i64> = 0..=900;

/// SQS: a visibility timeout is 0 seconds to 12 hours.
pub(crate) const VISIBILITY_S: RangeInclusive<i64> = 0..=43_200;

/// SQS: one receive hands out 1 to 10 messages.
pub(crate) const RECEIVE_MESSAGES: RangeInclusive<i64> = 1..=10;

/// SQS: a long poll waits at most 20 seconds.
pub(crate) const WAIT_S: RangeInclusive<i64> = 0..=20;

/// SQS: a message is retained 1 minute to 14 days.
pub(crate) const RETENTION_S: RangeInclusive<i64> = 60..=1_209_600;

/// SQS: a queue's maximum message size is 1 KiB to 1 MiB.
pub(crate) const MAXIMUM_MESSAGE_SIZE: RangeInclusive<i64> = 1_024..=1_048_576;

/// SQS: a redrive policy's `maxReceiveCount` is 1 to 1,000.
pub(crate) const MAX_RECEIVE_COUNT: RangeInclusive<i64> = 1..=1_000;

/// SQS: a redrive allow policy names at most 10 source queues.
pub(crate) const ALLOWED_SOURCES: usize = 10;

/// SQS: a list answers with at most 1,000 queues.
pub(crate) const LISTED_QUEUES: i64 = 1_000;

/// SQS: a move task moves at most 500 messages a second, if a rate is given.
pub(crate) const MOVE_RATE: RangeInclusive<i64> = 1..=500;

/// SQS: at most the 10 most recent move tasks of a queue are listed.
pub(crate) const LISTED_MOVE_TASKS: RangeInclusive<i64> = 1..=10;
